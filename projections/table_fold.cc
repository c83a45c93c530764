#include "projections/table_fold.h"

#include <algorithm>
#include <utility>

#include "core/load_step.h"
#include "core/value_codec.h"

namespace tidelog {
namespace {

std::string shown(const Event& event) {
  return "event " + std::to_string(event.position.value) + " of " + std::string(event.stream_name);
}

Status keyless_needs_row(const Event& event) {
  if (event.before_kind == Before::row) return {};
  return fail(Code::corrupt,
              "a table without a key logs the whole old row, and this event has none");
}

}  // namespace

std::string_view name_of(Contradiction contradiction) {
  switch (contradiction) {
    case Contradiction::update_of_missing_row:
      return "update of a row that is not there";
    case Contradiction::delete_of_missing_row:
      return "delete of a row that is not there";
    case Contradiction::insert_of_present_row:
      return "insert of a row that is there";
    case Contradiction::key_not_known:
      return "row without the table's new key";
  }
  return "";
}

Status TableFold::apply(const Event& event) {
  if (auto applied = apply_by_type(event); !applied) {
    return fail_in(shown(event), std::move(applied).error());
  }
  return {};
}

Status TableFold::apply_by_type(const Event& event) {
  TRY_DO(use_schema(event));
  switch (event.type) {
    case EventType::load:
      loaded_ = loaded_ || !loading_;
      return insert(event);
    case EventType::insert:
      return insert(event);
    case EventType::update:
      return update(event);
    case EventType::remove:
      return remove(event);
    case EventType::truncate:
      truncate();
      return {};
    case EventType::gap:
      ++gap_count_;
      return {};
    case EventType::undecoded:
      return fail(Code::unsupported, "it was stored undecoded, so the rows after it are not known");
    case EventType::schema:  // use_schema has seen to it
    case EventType::ddl:
    case EventType::message:
    case EventType::application:
    case EventType::erased:
    case EventType::stream_truncated:
    case EventType::stream_deleted:
    case EventType::stream_tombstoned:
      return {};
    case EventType::load_step:
      return follow_load(event);
  }
  return fail(Code::corrupt, "an event of no known type");
}

// Rows that are loaded beside the stream come after changes of them, and bit by bit.
Status TableFold::follow_load(const Event& event) {
  TRY(const LoadStep step, read_load_step(event.body.value_or("")));
  if (step.kind == LoadStep::Kind::begun || step.kind == LoadStep::Kind::left_out) {
    loaded_ = loaded_ && !step.fresh;  // the truncate before it was of what was known, not of rows
    loading_ = !loaded_;
  }
  if (step.kind == LoadStep::Kind::ended) {
    loading_ = false;
    loaded_ = loaded_ || step.where.empty();
  }
  return {};
}

Status TableFold::insert(const Event& event) {
  if (!event.body || schema_ == nullptr)
    return fail(Code::corrupt, "a new row without its values or schema");
  if (schema_->has_key()) return insert_keyed(event);
  return add_copy(*event.body, event);
}

Status TableFold::update(const Event& event) {
  if (!event.body || schema_ == nullptr)
    return fail(Code::corrupt, "a new row without its values or schema");
  if (schema_->has_key()) return update_keyed(event);
  return update_keyless(event);
}

Status TableFold::remove(const Event& event) {
  if (schema_ == nullptr) return fail(Code::corrupt, "a deleted row without a schema");
  if (schema_->has_key()) return remove_keyed(event);
  TRY_DO(keyless_needs_row(event));
  TRY(const bool removed, remove_copy(event.before, nullptr));
  if (!removed) contradict(Contradiction::delete_of_missing_row, event);
  return {};
}

void TableFold::truncate() {
  rows_.clear();
  row_count_ = 0;
  loaded_ = true;  // from here on every row is known
  some_unknown_ = false;
}

Status TableFold::insert_keyed(const Event& event) {
  if (!event.key) return fail(Code::corrupt, "a row without its key");
  const std::optional<Removed> from = std::exchange(moving_, std::nullopt);
  std::string_view row = *event.body;
  if (event.moved) {
    const bool pair = from && (event.before_kind != Before::key || event.before == from->key);
    StoredRow known;
    if (pair) known = {.key = from->key, .row = from->row, .schema = from->schema};
    TRY(row, filled(event, pair ? &known : nullptr));
  }
  const std::uint64_t count_before = row_count_;
  TRY_DO(put_keyed(event, row));
  if (row_count_ == count_before && event.type == EventType::insert)
    contradict(Contradiction::insert_of_present_row, event);
  return {};
}

Status TableFold::update_keyed(const Event& event) {
  if (!event.key) return fail(Code::corrupt, "a row without its key");
  const auto known = rows_.find(*event.key);
  if (!known) contradict(Contradiction::update_of_missing_row, event);
  TRY(const std::string_view row, filled(event, known ? &*known : nullptr));
  return put_keyed(event, row);
}

Status TableFold::remove_keyed(const Event& event) {
  if (!event.key) return fail(Code::corrupt, "a deleted row without its key");
  moving_.reset();
  if (event.moved) {
    if (const auto row = rows_.find(*event.key)) {
      moving_ = Removed{std::string(row->key), std::string(row->row), row->schema};
    }
  }
  if (rows_.erase(*event.key)) {
    --row_count_;
  } else {
    contradict(Contradiction::delete_of_missing_row, event);
  }
  return {};
}

Status TableFold::update_keyless(const Event& event) {
  TRY_DO(keyless_needs_row(event));
  std::string before;
  TRY(const bool removed, remove_copy(event.before, &before));
  if (!removed) contradict(Contradiction::update_of_missing_row, event);
  const StoredRow known{.key = {}, .row = before, .schema = event.schema};
  TRY(const std::string_view row, filled(event, removed ? &known : nullptr));
  return add_copy(row, event);
}

Status TableFold::put_keyed(const Event& event, std::string_view row) {
  const std::size_t count_before = rows_.key_count();
  rows_.put({*event.key, row, event.schema, event.position, event.revision});
  row_count_ += rows_.key_count() - count_before;
  return {};
}

// The event's new row with what was not sent taken from its own old row, if it has one, and then
// from `known`.
Result<std::string_view> TableFold::filled(const Event& event, const StoredRow* known) {
  const std::string_view row = *event.body;
  TRY(const bool partial, has_unchanged(row, *schema_));
  if (!partial) return row;
  std::string_view so_far = row;
  if (event.before_kind == Before::row) {
    shape_scratch_.clear();
    TRY_DO(put_filled(shape_scratch_, {row, schema_}, {event.before, schema_}));
    so_far = shape_scratch_;
  }
  if (known == nullptr) return so_far;
  TRY(const Schema* known_schema, schema_of(known->schema));
  scratch_.clear();
  TRY_DO(put_filled(scratch_, {so_far, schema_}, {known->row, known_schema}));
  return std::string_view(scratch_);
}

Status TableFold::add_copy(std::string_view row, const Event& event) {
  TRY(const bool partial, has_unchanged(row, *schema_));
  some_unknown_ = some_unknown_ || partial;
  const auto present = rows_.find(row);
  const std::uint32_t copies = present ? present->copies + 1 : 1;
  rows_.put({row, {}, event.schema, event.position, event.revision, copies});
  ++row_count_;
  return {};
}

// Removes one row that is equal, or else one that is equal where both are known; gives its bytes.
Result<bool> TableFold::remove_copy(std::string_view row, std::string* removed) {
  std::string bytes(row);
  auto present = rows_.find(bytes);
  if (!present) {
    TRY(auto similar, find_equal_where_known(row));
    if (!similar) return false;
    bytes = std::move(*similar);
    present = rows_.find(bytes);
  }
  if (removed != nullptr) *removed = bytes;
  --row_count_;
  if (present->copies == 1) return rows_.erase(bytes);
  StoredRow fewer = *present;
  fewer.key = bytes;
  --fewer.copies;
  rows_.put(fewer);
  return true;
}

// Of several the smallest, so that the choice does not depend on a hash.
Result<std::optional<std::string>> TableFold::find_equal_where_known(std::string_view row) const {
  std::optional<std::string> found;
  TRY(const bool partial, has_unchanged(row, *schema_));
  if (!some_unknown_ && !partial) return found;
  Status status;
  rows_.for_each([&](const StoredRow& other) {
    const auto equal = equal_where_known(row, other.key, *schema_);
    if (!equal) {
      status = tl::unexpected<Error>(equal.error());
    } else if (*equal && (!found || other.key < *found)) {
      found = std::string(other.key);
    }
  });
  TRY_DO(std::move(status));
  return found;
}

Result<const Schema*> TableFold::schema_of(SchemaId id) const {
  if (id == schema_id_) return schema_;
  return schemas_(id);
}

Status TableFold::use_schema(const Event& event) {
  if (event.schema == SchemaId{} || event.schema == schema_id_) return {};
  TRY(const Schema* next, schemas_(event.schema));
  const Schema* before = std::exchange(schema_, next);
  schema_id_ = event.schema;
  if (before == nullptr) return {};
  return must_reshape(*before, *next) ? reshape_rows(*before, event) : Status{};
}

Status TableFold::reshape_rows(const Schema& before, const Event& event) {
  RowMap old = std::exchange(rows_, RowMap());
  row_count_ = 0;
  some_unknown_ = true;
  moving_.reset();
  Status status;
  std::string row;
  old.for_each([&](const StoredRow& stored) {
    if (!status) return;
    row.clear();
    const bool was_keyed = before.has_key();
    status = [&]() -> Status {
      TRY(const Schema* shape, schemas_(stored.schema));
      return put_reshaped(row, {was_keyed ? stored.row : stored.key, shape}, *schema_);
    }();
    if (!status) return;
    status = put_reshaped_row(event, row, stored);
  });
  if (schema_->has_key()) row_count_ = rows_.key_count();
  return status;
}

// Of rows that become one, the one that changed last counts, whatever order they come in.
Status TableFold::put_reshaped_row(const Event& event, std::string_view row, const StoredRow& old) {
  if (!schema_->has_key()) {
    StoredRow next{row, {}, event.schema, old.position, old.revision, old.copies};
    if (const auto equal = rows_.find(row)) next = merged_copies(next, *equal);
    rows_.put(next);
    row_count_ += old.copies;
    return {};
  }
  std::string key;
  if (!put_key_of_row(key, *schema_, row)) {
    contradict(Contradiction::key_not_known, event);
    return {};
  }
  const auto present = rows_.find(key);
  if (present && present->position > old.position) return {};
  rows_.put({key, row, event.schema, old.position, old.revision});
  return {};
}

void TableFold::contradict(Contradiction what, const Event& event) {
  const bool missing =
      what == Contradiction::update_of_missing_row || what == Contradiction::delete_of_missing_row;
  if (missing && !loaded_) {
    ++contradictions_.before_history;
    return;
  }
  ++contradictions_.count;
  if (contradictions_.first.size() < Contradictions::first_count_max) {
    contradictions_.first.push_back({what, event.position});
  }
}

std::vector<StoredRow> TableFold::stored_rows() const {
  struct Placed {
    KeyOrder order;
    StoredRow stored;
  };
  std::vector<Placed> placed;
  placed.reserve(rows_.key_count());
  rows_.for_each([&](const StoredRow& stored) {
    placed.push_back({KeyOrder(stored.key), stored});
  });
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return a.order < b.order; });
  std::vector<StoredRow> sorted;
  sorted.reserve(placed.size());
  for (const Placed& one : placed) sorted.push_back(one.stored);
  return sorted;
}

Status TableFold::resume(const StateAbout& about) {
  schema_id_ = about.schema;
  schema_ = nullptr;
  if (schema_id_ != SchemaId{}) {
    TRY(schema_, schemas_(schema_id_));
  }
  row_count_ = about.row_count;
  loaded_ = about.loaded;
  loading_ = about.loading;
  some_unknown_ = about.some_unknown;
  gap_count_ = about.gap_count;
  contradictions_ = {about.contradiction_count, {}, about.before_history_count};
  for (const StateAbout::Contradiction& one : about.contradictions) {
    if (one.what > static_cast<std::uint8_t>(Contradiction::key_not_known)) {
      return fail(Code::unsupported,
                  "state snapshot: a note of a kind that a newer tidelog writes");
    }
    contradictions_.first.push_back({static_cast<Contradiction>(one.what), one.position});
  }
  return {};
}

void TableFold::describe(StateAbout& about) const {
  about.schema = schema_id_;
  about.row_count = row_count_;
  about.loaded = loaded_;
  about.loading = loading_;
  about.some_unknown = some_unknown_;
  about.gap_count = gap_count_;
  about.contradiction_count = contradictions_.count;
  about.before_history_count = contradictions_.before_history;
  about.contradictions.clear();
  for (const Contradictions::One& one : contradictions_.first) {
    about.contradictions.push_back({static_cast<std::uint8_t>(one.what), one.position});
  }
}

Status TableFold::for_each(const std::function<Status(const TableRow&)>& visit) const {
  const bool keyed = schema_ != nullptr && schema_->has_key();
  std::string reshaped;
  for (const StoredRow& stored : stored_rows()) {
    TableRow row{stored.key, stored.row, schema_, stored.position, stored.revision};
    if (!keyed) {
      row = {{}, stored.key, schema_, stored.position, stored.revision};
    } else if (stored.schema != schema_id_) {
      TRY(const Schema* shape, schemas_(stored.schema));
      reshaped.clear();
      TRY_DO(put_reshaped(reshaped, {stored.row, shape}, *schema_));
      row.row = reshaped;
    }
    for (std::uint32_t copy = 0; copy < stored.copies; ++copy) TRY_DO(visit(row));
  }
  return {};
}

Result<std::optional<TableRow>> TableFold::find(std::string_view key) {
  std::optional<TableRow> found;
  const auto stored = rows_.find(key);
  if (!stored || !schema_->has_key()) return found;
  found = TableRow{stored->key, stored->row, schema_, stored->position, stored->revision};
  if (stored->schema == schema_id_) return found;
  TRY(const Schema* shape, schemas_(stored->schema));
  scratch_.clear();
  TRY_DO(put_reshaped(scratch_, {stored->row, shape}, *schema_));
  found->row = scratch_;
  return found;
}

}  // namespace tidelog
