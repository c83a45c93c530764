// RecordingHandler: a ChangeHandler that keeps everything it is told, for tests of a source. What
// was accepted becomes durable with idle(). Any thread may ask; the source's thread calls.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/schema.h"
#include "core/source.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "tests/support/held_in_memory.h"

namespace tidelog::testing {

struct RecordedEvent {
  EventType type = EventType::insert;
  std::string stream;
  Schema schema;
  std::uint32_t ordinal = 0;
  bool moved = false;
  std::optional<std::string> key;
  Before before_kind = Before::none;
  std::string before;
  std::optional<std::string> body;
  std::string attributes;
};

struct RecordedTransaction {
  std::string id;
  UnixMicros commit_time;
  std::string position;
  std::string origin;
  std::string origin_position;
  std::string global_id;
  std::vector<RecordedEvent> events;
  std::string resume;
};

class RecordingHandler : public ChangeHandler {
 public:
  Status begin(const Transaction& transaction) override {
    const std::scoped_lock lock(mutex_);
    open_ = RecordedTransaction{std::string(transaction.id),
                                transaction.commit_time,
                                std::string(transaction.position),
                                std::string(transaction.origin),
                                std::string(transaction.origin_position),
                                std::string(transaction.global_id),
                                {},
                                {}};
    return {};
  }

  Result<Version> schema(std::string_view table, const Schema& schema) override {
    const std::scoped_lock lock(mutex_);
    streams_.emplace_back(table);
    schemas_.push_back(schema);
    const auto number = static_cast<std::uint32_t>(streams_.size());
    return Version{StreamId{number}, SchemaId{number}};
  }

  Status event(const EventBody& event) override {
    const std::scoped_lock lock(mutex_);
    if (fail_next_event_) return fail(Code::disk_full, *fail_next_event_);
    ++event_count_;
    RecordedEvent recorded;
    recorded.type = event.type;
    recorded.stream = name_of(event.stream);
    if (event.schema.value != 0) recorded.schema = schemas_.at(event.schema.value - 1);
    recorded.ordinal = event.ordinal;
    recorded.moved = event.moved;
    if (event.key) recorded.key = std::string(*event.key);
    recorded.before_kind = event.before_kind;
    recorded.before = event.before;
    if (event.body) recorded.body = std::string(*event.body);
    recorded.attributes = event.attributes;
    (open_ ? open_->events : loaded_).push_back(std::move(recorded));
    return {};
  }

  Result<StreamId> source_stream() override { return StreamId{source_stream_number}; }

  // Of all that it was told.
  std::optional<KnownTable> known_table(std::string_view table) override {
    const std::scoped_lock lock(mutex_);
    return find_last([&](std::size_t i) { return streams_[i] == table; });
  }
  std::optional<KnownTable> known_table(std::uint32_t table_id) override {
    const std::scoped_lock lock(mutex_);
    return find_last([&](std::size_t i) { return schemas_[i].table_id == table_id; });
  }
  std::vector<KnownTable> known_tables(std::string_view table_schema) override {
    const std::scoped_lock lock(mutex_);
    std::vector<KnownTable> tables;
    static_cast<void>(find_last([&](std::size_t i) {
      if (schemas_[i].table_schema == table_schema && !schemas_[i].ended)
        tables.push_back(known(i));
      return false;
    }));
    return tables;
  }
  StreamId stream_of(std::string_view table) override {
    const std::scoped_lock lock(mutex_);
    const auto found = find_last([&](std::size_t i) { return streams_[i] == table; });
    if (found) return found->stream;
    unknown_streams_.emplace_back(table);
    return {source_stream_number + static_cast<std::uint32_t>(unknown_streams_.size())};
  }
  Status end_table(const KnownTable& table, std::string_view reason,
                   std::uint32_t ordinal) override {
    const std::scoped_lock lock(mutex_);
    RecordedEvent recorded;
    recorded.type = EventType::truncate;
    recorded.stream = table.table;
    recorded.ordinal = ordinal;
    put_attribute(recorded.attributes, Attribute::reason, reason);
    open_->events.push_back(std::move(recorded));
    streams_.push_back(table.table);
    schemas_.push_back(table.schema);
    schemas_.back().table_id = 0;
    schemas_.back().ended = true;
    return {};
  }
  Status end_load(std::string_view table, std::string_view /*reason*/) override {
    const std::scoped_lock lock(mutex_);
    ended_loads_.emplace_back(table);
    return {};
  }
  std::vector<std::string> ended_loads() const {
    const std::scoped_lock lock(mutex_);
    return ended_loads_;
  }
  Status begin_load(std::string_view table) override {
    const std::scoped_lock lock(mutex_);
    RecordedEvent recorded;
    recorded.type = EventType::load_step;
    recorded.stream = table;
    open_->events.push_back(std::move(recorded));
    const auto known = find_last([&](std::size_t i) { return streams_[i] == table; });
    if (!known || !known->schema.ended) return {};
    streams_.emplace_back(table);
    schemas_.push_back(known->schema);
    schemas_.back().ended = false;
    return {};
  }

  Status commit(std::string_view resume) override {
    const std::scoped_lock lock(mutex_);
    open_->resume = resume;
    transactions_.push_back(*std::move(open_));
    open_.reset();
    accepted_ = resume;
    changed_.notify_all();
    return {};
  }

  Status progress(std::string_view resume) override {
    const std::scoped_lock lock(mutex_);
    progress_.emplace_back(resume);
    accepted_ = resume;
    changed_.notify_all();
    return {};
  }

  Status idle() override {
    const std::scoped_lock lock(mutex_);
    if (holds_back_) return {};
    durable_ = accepted_;
    ++idle_count_;
    changed_.notify_all();
    return {};
  }

  std::string durable() override {
    const std::scoped_lock lock(mutex_);
    return durable_;
  }

  Result<std::unique_ptr<HeldTransaction>> hold() override {
    const std::scoped_lock lock(mutex_);
    return shelf_.hold();
  }
  Status keep(HeldTransaction& held, std::string_view about) override {
    const std::scoped_lock lock(mutex_);
    shelf_.keep(held, about);
    return {};
  }
  Result<std::vector<std::unique_ptr<HeldTransaction>>> kept(
      const std::vector<std::uint64_t>& ids) override {
    const std::scoped_lock lock(mutex_);
    return shelf_.kept(ids);
  }
  void release(std::unique_ptr<HeldTransaction> held) override {
    const std::scoped_lock lock(mutex_);
    shelf_.release(*held);
  }

  // For the test.
  std::size_t held_count() const {
    const std::scoped_lock lock(mutex_);
    return shelf_.live_count();
  }
  std::size_t kept_count() const {
    const std::scoped_lock lock(mutex_);
    return shelf_.kept_count();
  }
  void fail_events_with(std::string what) {
    const std::scoped_lock lock(mutex_);
    fail_next_event_ = std::move(what);
  }
  // Nothing becomes durable from here on.
  void hold_back(bool hold) {
    const std::scoped_lock lock(mutex_);
    holds_back_ = hold;
  }
  std::vector<RecordedTransaction> transactions() const {
    const std::scoped_lock lock(mutex_);
    return transactions_;
  }
  std::vector<RecordedEvent> events() const {
    const std::scoped_lock lock(mutex_);
    std::vector<RecordedEvent> all;
    for (const RecordedTransaction& transaction : transactions_) {
      all.insert(all.end(), transaction.events.begin(), transaction.events.end());
    }
    return all;
  }
  std::vector<RecordedEvent> loaded() const {
    const std::scoped_lock lock(mutex_);
    return loaded_;
  }
  std::vector<std::string> progress_positions() const {
    const std::scoped_lock lock(mutex_);
    return progress_;
  }
  std::size_t event_count() const {
    const std::scoped_lock lock(mutex_);
    return event_count_;
  }
  std::size_t schema_count() const {
    const std::scoped_lock lock(mutex_);
    return schemas_.size();
  }
  // False when it did not come true in time.
  bool wait_for(const std::function<bool(const std::vector<RecordedTransaction>&)>& condition,
                std::chrono::seconds limit = std::chrono::seconds{30}) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return condition(transactions_); });
  }
  bool wait_for_transactions(std::size_t count) {
    return wait_for([count](const auto& transactions) { return transactions.size() >= count; });
  }
  bool wait_for_durable(const std::function<bool(const std::string&)>& condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds{30}, [&] { return condition(durable_); });
  }

 private:
  std::optional<KnownTable> find_last(const std::function<bool(std::size_t)>& fits) const {
    std::vector<std::string> seen;  // a later schema of the same stream
    for (std::size_t i = streams_.size(); i-- != 0;) {
      if (std::ranges::count(seen, streams_[i]) != 0) continue;
      seen.push_back(streams_[i]);
      if (fits(i)) return known(i);
    }
    return std::nullopt;
  }

  KnownTable known(std::size_t i) const {
    return {StreamId{static_cast<std::uint32_t>(i + 1)}, streams_[i], schemas_[i]};
  }

  std::string name_of(StreamId stream) const {
    if (stream.value == source_stream_number) return "$source";
    if (stream.value > source_stream_number)
      return unknown_streams_.at(stream.value - source_stream_number - 1);
    return streams_.at(stream.value - 1);
  }

  static constexpr std::uint32_t source_stream_number = 1'000'000;

  mutable std::mutex mutex_;  // guards everything
  std::condition_variable changed_;
  std::vector<std::string> streams_;
  std::vector<std::string> unknown_streams_;
  std::vector<Schema> schemas_;
  std::optional<RecordedTransaction> open_;
  std::vector<RecordedTransaction> transactions_;
  std::vector<RecordedEvent> loaded_;
  std::vector<std::string> ended_loads_;
  std::vector<std::string> progress_;
  std::string accepted_;
  std::string durable_;
  std::optional<std::string> fail_next_event_;
  bool holds_back_ = false;
  std::size_t event_count_ = 0;
  std::size_t idle_count_ = 0;
  HeldShelf shelf_;
};

// A stored row or key as its values' texts: "1|two|NULL".
inline std::string texts_of(std::string_view row) {
  std::string texts;
  for (ByteReader in(row); in.remaining() > 0;) {
    const Value value = read_value(in);
    if (in.failed()) return "(broken)";
    if (!texts.empty()) texts += "|";
    print_value(texts, value);
  }
  return texts;
}

}  // namespace tidelog::testing
