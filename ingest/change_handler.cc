#include "ingest/change_handler.h"

#include <algorithm>
#include <utility>

#include "core/invariant.h"
#include "ingest/key_transform.h"

namespace tidelog {
namespace {

EventBody announcement_of(StreamId stream, SchemaId schema, std::string_view encoded) {
  EventBody announcement;
  announcement.type = EventType::schema;
  announcement.stream = stream;
  announcement.schema = schema;
  announcement.body = encoded;
  return announcement;
}

std::uint64_t bytes_of(const EventBody& event) {
  return (event.key ? event.key->size() : 0) + event.before.size() +
         (event.body ? event.body->size() : 0) + event.attributes.size();
}

}  // namespace

IngestHandler::IngestHandler(EventStore& store, Clock& clock, std::string source_name,
                             const IngestLimits& limits, IngestCounters& counters,
                             Reconciler& reconciler, LoadSteps load_steps)
    : store_(store),
      clock_(clock),
      name_(std::move(source_name)),
      limits_(limits),
      counters_(counters),
      reconciler_(reconciler),
      source_(store.source(name_)),
      reached_(store.source_position(name_)),
      durable_(reached_),
      last_append_(clock.steady()),
      load_steps_(std::move(load_steps)) {}

Status IngestHandler::begin(const Transaction& transaction) {
  INVARIANT(!staging_, "a staged transaction has ended before the next one begins");
  other_loads_.clear();
  batch_.begin(transaction);
  reconciler_.begin(transaction);
  return {};
}

Result<ChangeHandler::Version> IngestHandler::schema(std::string_view table, const Schema& schema) {
  const std::string name = name_ + "." + std::string(table);
  const StreamId stream = store_.stream(name);
  const EventStore::Version version = store_.schema(stream, schema);
  const auto [known, is_first] =
      versions_.try_emplace(stream, version.is_new ? SchemaId{} : version.id);
  if (known->second == version.id) return Version{stream, version.id};
  TRY_DO(check_keys(stream, name, schema));

  encoded_schema_.clear();
  put_schema(encoded_schema_, schema);
  TRY_DO(announce(stream, version.id, encoded_schema_));
  newest_[name] = schema;
  if (tables_by_id_) (*tables_by_id_)[schema.table_id] = table;
  return Version{stream, version.id};
}

// Rows that are not in the log yet count, too.
Status IngestHandler::check_keys(StreamId stream, const std::string& name, const Schema& next) {
  if (emptied_.contains(stream)) return {};
  const auto waiting = newest_.find(name);
  if (waiting != newest_.end()) return check_key_transforms(name, waiting->second, next);
  const bool has_rows_waiting =
      batch_.event_count(stream) != 0 || (staging_ && versions_[stream] != SchemaId{});
  if (!has_rows_waiting) return check_key_transforms(store_, name, next);
  const std::optional<Schema> before = store_.newest_schema(name);
  return before ? check_key_transforms(name, *before, next) : Status();
}

Status IngestHandler::announce(StreamId stream, SchemaId schema, std::string_view encoded) {
  versions_[stream] = schema;
  return event(announcement_of(stream, schema, encoded));
}

// A load brought rows of another version meanwhile.
Status IngestHandler::announce_again(const EventBody& event) {
  if (!is_row_event(event.type) || !mixed_.contains(event.stream)) return {};
  if (versions_[event.stream] == event.schema) return {};
  const std::string encoded = store_.encoded_schema(event.schema);
  return announce(event.stream, event.schema, encoded);
}

std::string source_stream_name(std::string_view source) { return std::string(source) + ".$source"; }

Result<StreamId> IngestHandler::source_stream() { return store_.stream(source_stream_name(name_)); }

std::optional<ChangeHandler::KnownTable> IngestHandler::known_table(std::string_view table) {
  const std::string stream = name_ + "." + std::string(table);
  const auto waiting = newest_.find(stream);
  std::optional<Schema> schema =
      waiting != newest_.end() ? std::optional(waiting->second) : store_.newest_schema(stream);
  if (!schema) return std::nullopt;
  return KnownTable{store_.stream(stream), std::string(table), *std::move(schema)};
}

// Asked of each table whose stream begins.
std::optional<ChangeHandler::KnownTable> IngestHandler::known_table(std::uint32_t table_id) {
  if (!tables_by_id_) {
    tables_by_id_.emplace();
    for (const auto& [table, schema] : newest_schemas()) (*tables_by_id_)[schema.table_id] = table;
  }
  const auto found = tables_by_id_->find(table_id);
  if (found == tables_by_id_->end()) return std::nullopt;
  std::optional<KnownTable> table = known_table(found->second);
  return table && table->schema.table_id == table_id ? std::move(table) : std::nullopt;
}

std::vector<ChangeHandler::KnownTable> IngestHandler::known_tables(std::string_view table_schema) {
  std::vector<KnownTable> tables;
  for (auto& [table, schema] : newest_schemas()) {
    if (schema.table_schema != table_schema || schema.ended) continue;
    tables.push_back({stream_of(table), table, std::move(schema)});
  }
  return tables;
}

// Also of what is not in the log yet.
std::map<std::string, Schema> IngestHandler::newest_schemas() {
  const std::string prefix = name_ + ".";
  std::map<std::string, Schema> by_table;
  for (auto& [stream, schema] : store_.newest_schemas(prefix))
    by_table[stream.substr(prefix.size())] = std::move(schema);
  for (const auto& [stream, schema] : newest_) by_table[stream.substr(prefix.size())] = schema;
  return by_table;
}

StreamId IngestHandler::stream_of(std::string_view table) {
  return store_.stream(name_ + "." + std::string(table));
}

// Its rows are all known after that: there are none.
Status IngestHandler::end_table(const KnownTable& table, std::string_view reason,
                                std::uint32_t ordinal) {
  EventBody event;
  event.stream = table.stream;
  event.type = EventType::truncate;
  event.ordinal = ordinal;
  std::string attributes;
  put_attribute(attributes, Attribute::reason, reason);
  event.attributes = attributes;
  TRY_DO(this->event(event));
  Schema of_no_table = table.schema;
  of_no_table.table_id = 0;
  of_no_table.ended = true;
  TRY_DO(schema(table.table, of_no_table));
  return end_load(table.table, reason);
}

Status IngestHandler::end_load(std::string_view table, std::string_view reason) {
  LoadStep end;
  end.kind = LoadStep::Kind::ended;
  end.table = table;
  end.reason = reason;
  if (const auto here = other_loads_.find(end.table); here != other_loads_.end()) {
    if (ends_load(here->second.kind)) return {};
    end.number = here->second.number;
  } else {
    TRY(const std::optional<LoadStep> open, load_steps_.open(end.table));
    if (!open) return {};
    end.number = open->number;
  }
  return put_step(end);
}

// The load is what brings the rows of a stream that had ended: the next row need not begin another.
Status IngestHandler::begin_load(std::string_view table) {
  if (std::optional<KnownTable> known = known_table(table); known && known->schema.ended) {
    known->schema.ended = false;
    TRY_DO(schema(table, known->schema));
  }
  TRY(LoadStep step, load_steps_.first(std::string(table)));
  if (const auto here = other_loads_.find(step.table); here != other_loads_.end())
    step.number = std::max(step.number, here->second.number + 1);
  return put_step(step);
}

Status IngestHandler::put_step(const LoadStep& step) {
  EventBody event;
  event.stream = stream_of(step.table);
  event.type = EventType::load_step;
  const std::string body = encode(step);
  event.body = body;
  TRY_DO(this->event(event));
  other_loads_[step.table] = step;
  return {};
}

Status IngestHandler::event(const EventBody& event) {
  if (!mixed_.empty()) TRY_DO(announce_again(event));
  if (event.type == EventType::truncate) {
    emptied_.insert(event.stream);
  } else if (!emptied_.empty() && is_row_event(event.type)) {
    emptied_.erase(event.stream);
  }
  reconciler_.see(event);
  if (staging_) return staging_->add(event);
  // One that alone is large is not copied twice.
  if (batch_.open_transaction_bytes() + bytes_of(event) > limits_.transaction_bytes_max) {
    TRY_DO(spill());
    return staging_->add(event);
  }
  batch_.add(event);
  return {};
}

// The open transaction is too large to be held: from here on it lives in a file of its own.
Status IngestHandler::spill() {
  TRY(staging_, store_.stage());
  TRY_DO(batch_.move_open_transaction_to(*staging_));
  return batch_.empty() ? Status() : append();
}

Status IngestHandler::commit(std::string_view resume) {
  const bool is_staged = staging_ != nullptr;
  if (is_staged) {
    TRY(const Appended adopted, store_.adopt(*staging_, source_, resume));
    counters_.events.fetch_add(adopted.count, std::memory_order_relaxed);
    counters_.commit_time.store(staging_->commit_time().value, std::memory_order_relaxed);
    staging_.reset();
    newest_.clear();
    durable_ = resume;
    last_append_ = clock_.steady();
  } else {
    batch_.commit();
    batch_.set_source(source_, resume);
  }
  reached_ = resume;
  // Before an append that may fail: end() tries it once more.
  TRY_DO(reconciler_.commit());
  if (!is_staged && batch_.bytes() >= limits_.batch_bytes) TRY_DO(append());
  if (other_loads_.empty()) return place_loads();
  has_other_loads_ = true;
  std::string tables;
  for (const auto& [table, step] : std::exchange(other_loads_, {}))
    tables += (tables.empty() ? "" : ", ") + table;
  return fail(Code::unavailable, "what is loaded beside the stream is another now: " + tables);
}

Status IngestHandler::progress(std::string_view resume) {
  INVARIANT(!batch_.in_transaction() && !staging_, "a position alone lies between transactions");
  reached_ = resume;
  if (resume != durable_) batch_.set_source(source_, resume);
  return place_loads();
}

Status IngestHandler::idle() {
  if (batch_.in_transaction() || staging_) return {};
  TRY_DO(place_loads());
  if (batch_.empty()) return {};
  const bool is_due = clock_.steady() - last_append_ >= limits_.progress_interval;
  return batch_.event_count() != 0 || is_due ? append() : Status();
}

Status IngestHandler::end() {
  staging_.reset();
  reconciler_.roll_back();
  if (batch_.in_transaction()) batch_.roll_back();
  if (batch_.empty()) return {};
  Status appended = append();
  if (!appended) reconciler_.comes_again();
  return appended;
}

Status IngestHandler::append() {
  std::string position = batch_.source_position();
  const UnixMicros commit_time = batch_.commit_time();
  TRY(const Appended appended, store_.append(batch_));
  counters_.events.fetch_add(appended.count, std::memory_order_relaxed);
  if (appended.count != 0)
    counters_.commit_time.store(commit_time.value, std::memory_order_relaxed);
  durable_ = std::move(position);
  if (!batch_.in_transaction() && !staging_) newest_.clear();
  last_append_ = clock_.steady();
  forget_released();
  return {};
}

// -- loads beside the stream --

Status IngestHandler::place_loads() {
  if (!reconciler_.has_work()) return {};
  return reconciler_.between(reached_, [this](LoadPart& part) { return put(part); });
}

// Between two connections: nothing waits to be appended.
void IngestHandler::forget_table_id(std::string_view stream, Schema schema, BatchBuilder& batch) {
  if (schema.table_id == 0 && !schema.ended) return;
  schema.table_id = 0;
  schema.ended = false;
  const StreamId id = store_.stream(stream);
  const EventStore::Version version = store_.schema(id, schema);
  const std::string encoded = store_.encoded_schema(version.id);
  batch.add(announcement_of(id, version.id, encoded));
  versions_[id] = version.id;
}

// A row of a table whose id is not known is taken for one of the table that is loaded.
Status IngestHandler::begin_tables(const std::vector<Beginning>& tables, std::string_view resume,
                                   bool anew) {
  Transaction transaction;
  transaction.commit_time = clock_.now();
  transaction.position = resume;
  BatchBuilder batch;
  std::map<std::string, Schema> known = store_.newest_schemas(name_ + ".");
  const bool has_events = !tables.empty() || (anew && !known.empty());
  if (has_events) batch.begin(transaction);
  for (const Beginning& table : tables) {
    const std::string name = name_ + "." + table.step.table;
    const auto before = known.extract(name);
    if (table.schema) {
      const EventStore::Version version = store_.schema(table.stream, *table.schema);
      if (version.is_new) {
        TRY_DO(check_key_transforms(store_, name, *table.schema));
        // The ids of another server say nothing.
        if (!anew) TRY_DO(check_rules_of_table(store_, name_, name, *table.schema));
      }
      const std::string encoded = store_.encoded_schema(version.id);
      if (version.is_new) batch.add(announcement_of(table.stream, version.id, encoded));
      versions_[table.stream] = version.id;
    } else if (!before.empty() && (anew || table.forgets)) {
      forget_table_id(before.key(), before.mapped(), batch);
    }
    EventBody event;
    event.stream = table.stream;
    event.type = EventType::truncate;
    if (table.forgets) batch.add(event);
    const std::string body = encode(table.step);
    event.type = EventType::load_step;
    event.body = body;
    batch.add(event);
  }
  if (anew) {
    for (const auto& [stream, schema] : known) forget_table_id(stream, schema, batch);
  }
  if (has_events) batch.commit();
  batch.set_source(source_, resume);
  TRY_DO(store_.append(batch));
  reached_ = durable_ = resume;
  return {};
}

Status IngestHandler::put(LoadPart& part) {
  if (!batch_.empty()) TRY_DO(append());
  if (part.schema_id != SchemaId{}) {
    emptied_.erase(part.stream);
    TRY_DO(announce_rows_of(part));
  }
  if (!part.staged && !part.batch.in_transaction()) {
    Transaction transaction;
    transaction.commit_time = clock_.now();
    part.batch.begin(transaction);
  }
  TRY_DO(end_load_part(part));
  if (part.staged) {
    TRY(const Appended adopted, store_.adopt(*part.staged, source_, durable_));
    counters_.events.fetch_add(adopted.count, std::memory_order_relaxed);
    return {};
  }
  part.batch.commit();
  part.batch.set_source(source_, durable_);
  TRY(const Appended appended, store_.append(part.batch));
  counters_.events.fetch_add(appended.count, std::memory_order_relaxed);
  return {};
}

// Before its rows; in a transaction of its own, as the rows are gathered already.
Status IngestHandler::announce_rows_of(const LoadPart& part) {
  const auto known = versions_.find(part.stream);
  if (known != versions_.end() && known->second == part.schema_id) return {};
  if (known != versions_.end()) mixed_.insert(part.stream);
  Transaction transaction;
  transaction.commit_time = part.snapshot.time;
  transaction.position = part.snapshot.place;
  const std::string encoded = store_.encoded_schema(part.schema_id);
  BatchBuilder batch;
  batch.begin(transaction);
  batch.add(announcement_of(part.stream, part.schema_id, encoded));
  batch.commit();
  batch.set_source(source_, durable_);
  TRY(const Appended appended, store_.append(batch));
  counters_.events.fetch_add(appended.count, std::memory_order_relaxed);
  versions_[part.stream] = part.schema_id;
  return {};
}

// -- transactions that have not ended --

Result<std::unique_ptr<HeldTransaction>> IngestHandler::hold() {
  TRY(auto held, store_.hold(source_));
  return held;
}

Status IngestHandler::keep(HeldTransaction& held, std::string_view about) {
  return store_.keep(static_cast<HeldFile&>(held), about);  // hold() made it
}

Result<std::vector<std::unique_ptr<HeldTransaction>>> IngestHandler::kept(
    const std::vector<std::uint64_t>& ids) {
  TRY(auto files, store_.kept(source_, ids));
  std::vector<std::unique_ptr<HeldTransaction>> all;
  for (std::unique_ptr<HeldFile>& file : files) all.push_back(std::move(file));
  return all;
}

void IngestHandler::release(std::unique_ptr<HeldTransaction> held) {
  released_.push_back(std::move(held));
  if (batch_.empty()) forget_released();
}

void IngestHandler::forget_released() {
  for (const auto& held : released_) static_cast<HeldFile&>(*held).remove();
  released_.clear();
}

}  // namespace tidelog
