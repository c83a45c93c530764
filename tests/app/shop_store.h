// A small store on disk, as a capture of a shop would have left it: for tests of the commands that
// read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/disk.h"
#include "core/event.h"
#include "core/schema.h"
#include "eventstore/batch_builder.h"
#include "eventstore/event_store.h"

namespace tidelog::testing {

// Orders are (id, status), keyed by id. Each call is one transaction, a second after the one
// before. Closed, and its lock free, when destroyed.
class ShopStore {
 public:
  ShopStore(Disk& disk, Clock& clock, std::string folder);
  ~ShopStore();

  const std::string& folder() const { return folder_; }
  void insert(std::int64_t id, const std::string& status);
  void update(std::int64_t id, const std::string& before, const std::string& after);
  void remove(std::int64_t id, const std::string& before);
  // One transaction of many rows.
  void insert_many(std::int64_t first, std::int64_t count);
  // In another stream of the same source, "shop.public.customers".
  void insert_customer(std::int64_t id, const std::string& name);
  // The commit time of the transaction of that number, from 0.
  static UnixMicros time_of(std::uint64_t transaction);

 private:
  void begin();
  void commit();
  void add(const std::string& table, EventType type, std::int64_t id, const std::string* before,
           const std::string* after);
  SchemaId announce(StreamId stream, const std::string& table);

  std::string folder_;
  std::unique_ptr<EventStore> store_;
  BatchBuilder batch_;
  std::map<std::string, SchemaId> announced_;  // by table
  std::uint64_t transaction_ = 0;
  std::uint32_t ordinal_ = 0;
  std::string id_;
  std::string position_;
};

}  // namespace tidelog::testing
