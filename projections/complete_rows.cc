#include "projections/complete_rows.h"

#include <algorithm>
#include <utility>

#include "projections/row_shape.h"

namespace tidelog {
namespace {

// What an entry takes beside its bytes: list, map and strings.
constexpr std::uint64_t entry_overhead_bytes = 160;

// From here on changes of rows are seen. A schema event is none, and it gives the rows the shape
// in which they are asked for.
Position after_schema(const Event& event) {
  return event.position + std::uint64_t{event.type == EventType::schema ? 1U : 0U};
}

}  // namespace

std::uint64_t CompleteRows::CachedRow::bytes() const {
  return entry_overhead_bytes + key.size() + (row ? row->size() : 0);
}

Result<const Event*> CompleteRows::complete(const Event& event) {
  out_ = event;
  if (event.stream_name.empty()) return &out_;
  Table& table = table_of(event);
  TRY_DO(follow(table, event));
  if (!is_row_event(event.type) || table.schema == nullptr) return &out_;
  if (table.schema->has_key()) {
    TRY_DO(complete_keyed(table, event));
  } else {
    TRY_DO(complete_keyless(event, *table.schema));
  }
  evict(event.position);
  return &out_;
}

CompleteRows::Table& CompleteRows::table_of(const Event& event) {
  const auto at = tables_.find(event.stream_name);
  if (at != tables_.end()) return *at->second;
  auto table = std::make_unique<Table>();
  table->stream = event.stream_name;
  table->next = event.revision + std::uint64_t{1};  // not this one: follow() sees a beginning
  return *tables_.emplace(table->stream, std::move(table)).first->second;
}

// What the event means for all rows: whether one was left out, another shape, an empty table.
Status CompleteRows::follow(Table& table, const Event& event) {
  if (event.revision != table.next) {
    forget_all(table);
    table.covered_from = after_schema(event);
    table.empty_before = event.revision == Revision{0};
    table.schema = nullptr;
    table.schema_id = {};
    table.undecoded.reset();
    table.moving.reset();
  }
  table.next = event.revision + std::uint64_t{1};
  if (event.schema != SchemaId{} && event.schema != table.schema_id) {
    TRY(const Schema* next, reader_.schema(event.schema));
    if (table.schema != nullptr && must_reshape(*table.schema, *next)) {
      forget_all(table);
      table.covered_from = after_schema(event);
      table.empty_before = false;
    }
    table.schema = next;
    table.schema_id = event.schema;
  }
  if (event.type == EventType::undecoded) table.undecoded = event.position;
  if (event.type == EventType::truncate) {
    forget_all(table);
    table.covered_from = event.position + std::uint64_t{1};
    table.empty_before = true;
    table.undecoded.reset();
  }
  return {};
}

Status CompleteRows::complete_keyed(Table& table, const Event& event) {
  if (!event.key) return {};  // the folds refuse it
  switch (event.type) {
    case EventType::update:
      return complete_update(table, event);
    case EventType::remove:
      return complete_remove(table, event);
    case EventType::load:
    case EventType::insert:
      if (event.moved) return complete_moved(table, event);
      remember(table, *event.key, std::string(event.body.value_or("")), event.schema);
      return {};
    case EventType::truncate:
    case EventType::schema:
    case EventType::ddl:
    case EventType::message:
    case EventType::gap:
    case EventType::undecoded:
    case EventType::application:
    case EventType::erased:
    case EventType::stream_truncated:
    case EventType::stream_deleted:
    case EventType::stream_tombstoned:
    case EventType::load_step:
      return {};
  }
  return {};
}

Status CompleteRows::complete_update(Table& table, const Event& event) {
  TRY(const Known known, known_row(table, *event.key, event));
  TRY_DO(fill(event, *table.schema, known));
  TRY_DO(show_before(event, *table.schema, known));
  remember(table, *event.key, std::string(out_.body.value_or("")), event.schema);
  return {};
}

Status CompleteRows::complete_remove(Table& table, const Event& event) {
  TRY(const Known known, known_row(table, *event.key, event));
  TRY_DO(show_before(event, *table.schema, known));
  table.moving.reset();
  if (event.moved) {
    table.moving = Table::Moving{std::string(*event.key), known.row, known.schema_id};
  }
  remember(table, *event.key, std::nullopt, {});
  return {};
}

// The second half of a move. Its first half was the event before, unless it was left out.
Status CompleteRows::complete_moved(Table& table, const Event& event) {
  Known known;
  const std::optional<Table::Moving> moving = std::exchange(table.moving, std::nullopt);
  if (moving && (event.before_kind != Before::key || event.before == moving->key)) {
    known.row = moving->row;
    known.schema_id = moving->schema;
    if (known.row) {
      TRY(known.schema, schema_of(table, moving->schema));
    }
  } else if (event.position > Position{0} && event.before_kind != Before::none) {
    scratch_ = event.before;
    if (event.before_kind == Before::row) {
      scratch_.clear();
      TRY_DO(put_key_of_row(scratch_, *table.schema, event.before));
    }
    Event removal = event;
    removal.position = Position{event.position.value - 1};
    const std::string old_key = scratch_;
    forget_all(table);  // it knows the removal at most
    table.covered_from = removal.position;
    table.empty_before = false;
    TRY(known, known_row(table, old_key, removal));
    forget_all(table);
    table.covered_from = event.position;
  }
  TRY_DO(fill(event, *table.schema, known));
  remember(table, *event.key, std::string(out_.body.value_or("")), event.schema);
  return {};
}

// Such a table logs its whole old row.
Status CompleteRows::complete_keyless(const Event& event, const Schema& schema) {
  if (event.type != EventType::update) return {};
  return fill(event, schema, {});
}

// ---- Rows ----

Result<CompleteRows::Known> CompleteRows::known_row(Table& table, std::string_view key,
                                                    const Event& event) {
  Known known;
  const auto cached = table.rows.find(key);
  if (cached != table.rows.end()) {
    cache_.splice(cache_.begin(), cache_, cached->second);
    known.row = cached->second->row;
    known.schema_id = cached->second->schema;
  } else if (!table.empty_before) {
    if (table.undecoded) {
      return fail(Code::unsupported,
                  "event " + std::to_string(table.undecoded->value) + " of " + table.stream +
                      " was stored undecoded, so the rows after it are not known");
    }
    if (!table.state) {
      TRY(table.state,
          KeyState::open(reader_.disk(), reader_.directory(), table.stream, on_damage_));
    }
    // Nothing in between has changed it.
    TRY(auto row, table.state->row_at(key, std::min(table.covered_from, event.position)));
    if (row) {
      known.row = std::move(row->row);
      known.schema_id = row->schema;
    }
  }
  if (known.row) {
    TRY(known.schema, schema_of(table, known.schema_id));
  }
  return known;
}

Result<const Schema*> CompleteRows::schema_of(const Table& table, SchemaId id) const {
  if (id == table.schema_id) return table.schema;
  if (table.state) {
    if (const auto known = table.state->schema(id)) return *known;
  }
  return reader_.schema(id);
}

// The new row: what was not sent is taken from the event's own old row, and then from the known
// one.
Status CompleteRows::fill(const Event& event, const Schema& schema, const Known& known) {
  if (!event.body) return {};
  TRY(const bool partial, has_unchanged(*event.body, schema));
  if (!partial) return {};
  body_ = *event.body;
  if (event.before_kind == Before::row) {
    scratch_.clear();
    TRY_DO(put_filled(scratch_, {body_, &schema}, {event.before, &schema}));
    std::swap(body_, scratch_);
  }
  if (known.row) {
    scratch_.clear();
    TRY_DO(put_filled(scratch_, {body_, &schema}, {*known.row, known.schema}));
    std::swap(body_, scratch_);
  }
  out_.body = body_;
  return {};
}

Status CompleteRows::show_before(const Event& event, const Schema& schema, const Known& known) {
  if (!known.row) return {};
  before_.clear();
  if (event.before_kind == Before::row) {
    TRY_DO(put_filled(before_, {event.before, &schema}, {*known.row, known.schema}));
  } else {
    TRY_DO(put_reshaped(before_, {*known.row, known.schema}, schema));
  }
  out_.before_kind = Before::row;
  out_.before = before_;
  return {};
}

// ---- The cache ----

void CompleteRows::remember(Table& table, std::string_view key, std::optional<std::string> row,
                            SchemaId schema) {
  const auto cached = table.rows.find(key);
  if (cached != table.rows.end()) {
    CachedRow& entry = *cached->second;
    cached_bytes_ -= entry.bytes();
    entry.row = std::move(row);
    entry.schema = schema;
    cached_bytes_ += entry.bytes();
    cache_.splice(cache_.begin(), cache_, cached->second);
    return;
  }
  cache_.push_front({&table, std::string(key), std::move(row), schema});
  cached_bytes_ += cache_.front().bytes();
  table.rows.emplace(cache_.front().key, cache_.begin());
}

void CompleteRows::forget_all(Table& table) {
  for (const auto& [key, entry] : table.rows) {
    cached_bytes_ -= entry->bytes();
    cache_.erase(entry);
  }
  table.rows.clear();
}

// The last used stay. What goes may have changed up to now.
void CompleteRows::evict(Position position) {
  while (cached_bytes_ > options_.cache_bytes && !cache_.empty()) {
    CachedRow& last = cache_.back();
    last.table->covered_from = position + std::uint64_t{1};
    last.table->empty_before = false;
    cached_bytes_ -= last.bytes();
    last.table->rows.erase(last.key);
    cache_.pop_back();
  }
}

}  // namespace tidelog
