// What tests of projections share: row changes in few words, fed to a fold directly or through a
// real store.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/schema.h"
#include "core/source_position.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "eventstore/batch_builder.h"
#include "eventstore/event_store.h"
#include "eventstore/store_reader.h"
#include "projections/table_fold.h"
#include "tests/support/fake_clock.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::testing {

template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().what);
  return *std::move(result);
}

inline void must(const Status& status) {
  if (!status) FAIL(status.error().what);
}

using Values = std::vector<Value>;

inline std::string stored(const Values& values) {
  std::string bytes;
  for (const Value& value : values) put_value(bytes, value);
  return bytes;
}

inline Column column(std::string name, ValueKind kind, bool key = false) {
  return {std::move(name), "type", kind, key, 0, -1};
}

inline Schema table(std::string name, std::vector<Column> columns) {
  return {"public", std::move(name), ReplicaIdentity::primary_key, std::move(columns)};
}

inline Schema orders() {
  return table("orders", {column("id", ValueKind::int64, true), column("note", ValueKind::text),
                          column("price", ValueKind::decimal)});
}

inline Schema log_lines() {
  return table("lines", {column("a", ValueKind::int64), column("b", ValueKind::text)});
}

// A change that owns its bytes.
struct Change {
  EventType type = EventType::insert;
  Schema schema;
  std::optional<std::string> key;
  Before before_kind = Before::none;
  std::string before;
  std::optional<std::string> body;
  bool moved = false;
  std::string stream = "shop.public.orders";

  Change&& of(std::string name) && {
    stream = std::move(name);
    return std::move(*this);
  }
};

inline std::optional<std::string> key_of(const Schema& schema, const Values& values) {
  if (!schema.has_key()) return std::nullopt;
  std::string key;
  must(put_key_of_row(key, schema, stored(values)));
  return key;
}

inline Change added(const Schema& schema, const Values& row, EventType type = EventType::insert) {
  return {type, schema, key_of(schema, row), Before::none, {}, stored(row)};
}
inline Change loaded(const Schema& schema, const Values& row) {
  return added(schema, row, EventType::load);
}
inline Change updated(const Schema& schema, const Values& row) {
  return added(schema, row, EventType::update);
}
inline Change updated_from(const Schema& schema, const Values& before, const Values& row) {
  return {EventType::update, schema, key_of(schema, row), Before::row, stored(before), stored(row)};
}
inline Change removed(const Schema& schema, const Values& key) {
  return {EventType::remove, schema, stored(key), Before::key, stored(key), std::nullopt};
}
inline Change removed_row(const Schema& schema, const Values& row) {
  return {EventType::remove, schema, key_of(schema, row), Before::row, stored(row), std::nullopt};
}
inline Change moved_away(const Schema& schema, const Values& key) {
  Change change = removed(schema, key);
  change.moved = true;
  return change;
}
inline Change moved_here(const Schema& schema, const Values& old_key, const Values& row) {
  Change change = added(schema, row);
  change.before_kind = Before::key;
  change.before = stored(old_key);
  change.moved = true;
  return change;
}
inline Change truncated() { return {EventType::truncate, {}, {}, Before::none, {}, std::nullopt}; }
inline Change schema_change(const Schema& schema) {
  Change change{EventType::schema, schema, {}, Before::none, {}, std::nullopt};
  change.body.emplace();
  put_schema(*change.body, schema);
  return change;
}

inline EventBody body_of(const Change& change) {
  EventBody body;
  body.type = change.type;
  body.key = change.key;
  body.before_kind = change.before_kind;
  body.before = change.before;
  body.body = change.body;
  body.moved = change.moved;
  return body;
}

// "7|a|1.50": values as the database prints them.
inline std::string shown(std::string_view row, const Schema& schema) {
  std::string out;
  for (const Value& value : must(read_row(row, schema.columns.size()))) {
    if (!out.empty()) out += '|';
    print_value(out, value);
  }
  return out;
}

using Lines = std::vector<std::string>;

inline Lines rows_of(const TableFold& fold) {
  Lines lines;
  must(fold.for_each([&](const TableRow& row) -> Status {
    lines.push_back(shown(row.row, *row.schema));
    return {};
  }));
  return lines;
}

// A fold fed without a store. Positions and revisions count its events from 0.
class FoldScript {
 public:
  Status try_apply(const Change& change) {
    Event event;
    static_cast<EventBody&>(event) = body_of(change);
    event.stream = {1};
    event.stream_name = "shop.public.orders";
    event.position = {count_};
    event.revision = {count_++};
    if (change.type != EventType::truncate) event.schema = id_of(change.schema);
    return fold.apply(event);
  }
  void apply(const Change& change) { must(try_apply(change)); }

  TableFold fold{[this](SchemaId id) -> Result<const Schema*> { return &schemas_[id.value - 1]; }};

 private:
  SchemaId id_of(const Schema& schema) {
    for (std::size_t i = 0; i < schemas_.size(); ++i) {
      if (schemas_[i] == schema) return {static_cast<std::uint32_t>(i + 1)};
    }
    schemas_.push_back(schema);
    return {static_cast<std::uint32_t>(schemas_.size())};
  }

  std::deque<Schema> schemas_;
  std::uint64_t count_ = 0;
};

// A real store in memory, written one transaction a batch.
class StoreScript {
 public:
  StoreScript() {
    StoreOptions options;
    options.segment_bytes = 64 << 10;
    options.background = false;
    options.holder = "a test";
    store_ = must(EventStore::open(disk, clock, "store", options));
  }

  // One transaction. Returns the position after it.
  Position commit(const std::vector<Change>& changes) {
    clock.advance(std::chrono::seconds(1));
    const std::string id = std::to_string(++transaction_);
    const std::string position = encode(Lsn{transaction_});
    batch_.clear();
    batch_.begin({id, clock.now(), position, {}, 0, 0});
    for (const Change& change : changes) add(change);
    batch_.commit();
    batch_.set_source(
        store_->source("shop"),
        encode(PostgresResume{PostgresResume::Phase::streaming, 7, 1, {transaction_}, "slot"}));
    const Appended appended = must(store_->append(batch_));
    return appended.first + std::uint64_t{appended.count};
  }

  std::unique_ptr<StoreReader> reader() { return must(StoreReader::open(disk, "store")); }

  FaultyDisk disk;
  FakeClock clock;

 private:
  void add(const Change& change) {
    EventBody body = body_of(change);
    body.stream = store_->stream(change.stream);
    body.ordinal = ordinal_++;
    if (change.type != EventType::truncate) {
      const auto version = store_->schema(body.stream, change.schema);
      body.schema = version.id;
      if (version.is_new &&
          announced_.insert(version.id.value).second) {  // new until it is appended
        const Change announced = schema_change(change.schema);
        EventBody schema = body_of(announced);
        schema.stream = body.stream;
        schema.schema = version.id;
        batch_.add(schema);
      }
      if (change.type == EventType::schema) return;
    }
    batch_.add(body);
  }

  std::unique_ptr<EventStore> store_;
  BatchBuilder batch_;
  std::set<std::uint32_t> announced_;
  std::uint64_t transaction_ = 0;
  std::uint32_t ordinal_ = 0;
};

}  // namespace tidelog::testing
