#include "ingest/change_handler.h"

#include <utility>

#include "core/invariant.h"

namespace tidelog {

IngestHandler::IngestHandler(EventStore& store, Clock& clock, std::string source_name,
                             const IngestLimits& limits, IngestCounters& counters)
    : store_(store),
      clock_(clock),
      name_(std::move(source_name)),
      limits_(limits),
      counters_(counters),
      source_(store.source(name_)),
      durable_(store.source_position(name_)),
      last_append_(clock.steady()) {}

Status IngestHandler::begin(const Transaction& transaction) {
  INVARIANT(!staging_, "a staged transaction has ended before the next one begins");
  batch_.begin(transaction);
  return {};
}

Status IngestHandler::begin_load(const Transaction& transaction) {
  TRY(staging_, store_.stage());
  is_load_ = true;
  return staging_->begin(transaction);
}

Result<ChangeHandler::Version> IngestHandler::schema(std::string_view table, const Schema& schema) {
  const StreamId stream = store_.stream(name_ + "." + std::string(table));
  const EventStore::Version version = store_.schema(stream, schema);
  const auto [known, is_first] =
      versions_.try_emplace(stream, version.is_new ? SchemaId{} : version.id);
  if (known->second == version.id) return Version{stream, version.id};

  encoded_schema_.clear();
  put_schema(encoded_schema_, schema);
  EventBody announcement;
  announcement.type = EventType::schema;
  announcement.stream = stream;
  announcement.schema = version.id;
  announcement.body = encoded_schema_;
  known->second = version.id;
  TRY_DO(event(announcement));
  return Version{stream, version.id};
}

std::string source_stream_name(std::string_view source) { return std::string(source) + ".$source"; }

Result<StreamId> IngestHandler::source_stream() { return store_.stream(source_stream_name(name_)); }

Status IngestHandler::event(const EventBody& event) {
  if (staging_) {
    if (is_load_ && event.type == EventType::load)
      counters_.rows_loaded.fetch_add(1, std::memory_order_relaxed);
    return staging_->add(event);
  }
  batch_.add(event);
  return batch_.open_transaction_bytes() > limits_.transaction_bytes_max ? spill() : Status();
}

// The open transaction is too large to be held: from here on it lives in a file of its own.
Status IngestHandler::spill() {
  TRY(staging_, store_.stage());
  TRY_DO(batch_.move_open_transaction_to(*staging_));
  return batch_.empty() ? Status() : append();
}

Status IngestHandler::commit(std::string_view resume) {
  if (staging_) {
    TRY(const Appended adopted, store_.adopt(*staging_, source_, resume));
    counters_.events.fetch_add(adopted.count, std::memory_order_relaxed);
    counters_.commit_time.store(staging_->commit_time().value, std::memory_order_relaxed);
    staging_.reset();
    is_load_ = false;
    durable_ = resume;
    last_append_ = clock_.steady();
    return {};
  }
  batch_.commit();
  batch_.set_source(source_, resume);
  return batch_.bytes() >= limits_.batch_bytes ? append() : Status();
}

Status IngestHandler::progress(std::string_view resume) {
  INVARIANT(!batch_.in_transaction() && !staging_, "a position alone lies between transactions");
  if (resume == durable_) return {};
  batch_.set_source(source_, resume);
  return {};
}

Status IngestHandler::idle() {
  if (batch_.in_transaction() || batch_.empty()) return {};
  const bool is_due = clock_.steady() - last_append_ >= limits_.progress_interval;
  return batch_.event_count() != 0 || is_due ? append() : Status();
}

Status IngestHandler::end() {
  staging_.reset();
  if (batch_.in_transaction()) batch_.roll_back();
  return batch_.empty() ? Status() : append();
}

Status IngestHandler::append() {
  std::string position = batch_.source_position();
  const UnixMicros commit_time = batch_.commit_time();
  TRY(const Appended appended, store_.append(batch_));
  counters_.events.fetch_add(appended.count, std::memory_order_relaxed);
  if (appended.count != 0)
    counters_.commit_time.store(commit_time.value, std::memory_order_relaxed);
  durable_ = std::move(position);
  last_append_ = clock_.steady();
  forget_released();
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
