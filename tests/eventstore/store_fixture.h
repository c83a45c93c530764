// What tests of the store share: transactions of made-up rows, appended and read back.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/disk.h"
#include "core/source_position.h"
#include "core/value_codec.h"
#include "eventstore/event_store.h"
#include "eventstore/store_reader.h"
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

inline Schema orders_schema(int version = 1) {
  Schema schema{"public", "orders", ReplicaIdentity::primary_key, {}};
  schema.columns.push_back({"id", "integer", ValueKind::int64, true, 23, -1});
  schema.columns.push_back({"note", "text", ValueKind::text, false, 25, -1});
  for (int i = 1; i < version; ++i)
    schema.columns.push_back({"more" + std::to_string(i), "text", ValueKind::text, false, 25, -1});
  return schema;
}

inline StoreOptions small_store(std::uint64_t segment_bytes = 8192) {
  StoreOptions options;
  options.segment_bytes = segment_bytes;
  options.background = false;
  options.holder = "a test";
  return options;
}

// Appends rows of a stream "shop.public.orders" in one transaction.
class Writer {
 public:
  Writer(EventStore& store, const std::string& stream = "shop.public.orders")
      : store_(store), stream_(store.stream(stream)), source_(store.source("shop")) {}

  void begin(std::uint64_t lsn, std::int64_t commit_time = 0) {
    lsn_ = lsn;
    id_ = std::to_string(lsn);
    position_ = encode(Lsn{lsn});
    transaction = {id_, {commit_time}, position_, {}, 0, 0};
    batch.begin(transaction);
    ordinal_ = 0;
  }

  template <class Into>
  Status put_row(Into& into, std::int64_t id, std::string_view note,
                 EventType type = EventType::insert) {
    const auto version = store_.schema(stream_, orders_schema());
    if (version.is_new && !announced_) {
      announced_ = true;
      std::string encoded;
      put_schema(encoded, orders_schema());
      EventBody event;
      event.type = EventType::schema;
      event.stream = stream_;
      event.schema = version.id;
      event.body = encoded;
      if (auto status = give(into, event); !status) return status;
    }
    key_.clear();
    put_value(key_, Value(id));
    row_ = key_;
    put_value(row_, Value(Text{note}));
    EventBody event;
    event.type = type;
    event.stream = stream_;
    event.schema = version.id;
    event.ordinal = ordinal_++;
    event.key = key_;
    event.body = row_;
    return give(into, event);
  }

  void row(std::int64_t id, std::string_view note) { must(put_row(batch, id, note)); }

  Result<Appended> commit() {
    batch.commit();
    return append();
  }

  std::string resume() const {
    return encode(PostgresResume{PostgresResume::Phase::streaming, 7, 1, {lsn_ + 1}, "slot"});
  }

  Result<Appended> append() {
    batch.set_source(source_, resume());
    auto appended = store_.append(batch);
    if (appended) announced_ = false;
    return appended;
  }

  StreamId stream() const { return stream_; }
  SourceId source() const { return source_; }

  BatchBuilder batch;
  Transaction transaction;

 private:
  static Status give(BatchBuilder& into, const EventBody& event) {
    into.add(event);
    return {};
  }
  static Status give(StagingWriter& into, const EventBody& event) { return into.add(event); }

  EventStore& store_;
  StreamId stream_;
  SourceId source_;
  std::uint64_t lsn_ = 0;
  std::uint32_t ordinal_ = 0;
  bool announced_ = false;
  std::string id_, position_, key_, row_;
};

// One line an event: position, revision, stream, type, the note; and the transaction's extent.
struct Seen {
  std::uint64_t position;
  std::uint64_t revision;
  std::string stream;
  EventType type;
  std::string note;
  std::string transaction;
  std::uint64_t index, count;
  bool operator==(const Seen&) const = default;
};

inline Seen seen(const Event& event) {
  Seen s{event.position.value,
         event.revision.value,
         std::string(event.stream_name),
         event.type,
         {},
         std::string(event.transaction.id),
         event.transaction.event_index,
         event.transaction.event_count};
  if (!is_row_event(event.type) || !event.body) return s;
  const auto row = must(read_row(*event.body, 2));
  s.note = std::get<Text>(row[1].variant()).text;
  return s;
}

inline std::vector<Seen> read_all(StoreReader& reader) {
  std::vector<Seen> all;
  for (;;) {
    const Event* event = must(reader.next());
    if (event == nullptr) return all;
    all.push_back(seen(*event));
  }
}

}  // namespace tidelog::testing
