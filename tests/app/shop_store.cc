#include "tests/app/shop_store.h"

#include <stdexcept>
#include <utility>

#include "core/source_position.h"
#include "core/value_codec.h"

namespace tidelog::testing {
namespace {

constexpr std::int64_t first_time = 1'764'000'000'000'000;  // 2025-11-24T16:00:00Z

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().what);
  return *std::move(result);
}

Schema schema_of(const std::string& table) {
  Schema schema{"public", table, ReplicaIdentity::full, {}};
  schema.columns.push_back({"id", "bigint", ValueKind::int64, true, 20, -1});
  schema.columns.push_back(
      {table == "orders" ? "status" : "name", "text", ValueKind::text, false, 25, -1});
  return schema;
}

std::string row_of(std::int64_t id, const std::string& text) {
  std::string row;
  put_value(row, Value(id));
  put_value(row, Value(Text{text}));
  return row;
}

}  // namespace

ShopStore::ShopStore(Disk& disk, Clock& clock, std::string folder) : folder_(std::move(folder)) {
  StoreOptions options;
  options.segment_bytes = 1 << 20;
  store_ = value_of(EventStore::open(disk, clock, folder_, options));
}

ShopStore::~ShopStore() = default;

UnixMicros ShopStore::time_of(std::uint64_t transaction) {
  return {first_time + static_cast<std::int64_t>(transaction) * 1'000'000};
}

void ShopStore::begin() {
  ordinal_ = 0;
  id_ = std::to_string(700 + transaction_);
  position_ = encode(Lsn{0x1000 + transaction_});
  batch_.begin({id_, time_of(transaction_), position_, {}, 0, 0});
}

void ShopStore::commit() {
  batch_.commit();
  const PostgresResume resume{PostgresResume::Phase::streaming, 7, 1, Lsn{0x1001 + transaction_},
                              "slot"};
  batch_.set_source(store_->source("shop"), encode(resume));
  value_of(store_->append(batch_));
  batch_.clear();
  ++transaction_;
}

SchemaId ShopStore::announce(StreamId stream, const std::string& table) {
  const Schema schema = schema_of(table);
  const auto version = store_->schema(stream, schema);
  if (!version.is_new) return version.id;
  std::string encoded;
  put_schema(encoded, schema);
  EventBody event;
  event.type = EventType::schema;
  event.stream = stream;
  event.schema = version.id;
  event.body = encoded;
  batch_.add(event);
  return version.id;
}

void ShopStore::add(const std::string& table, EventType type, std::int64_t id,
                    const std::string* before, const std::string* after) {
  EventBody event;
  event.type = type;
  event.stream = store_->stream("shop.public." + table);
  // The first row of a stream announces its schema, in the same transaction.
  event.schema = announced_.contains(table) ? announced_.at(table) : announce(event.stream, table);
  announced_[table] = event.schema;
  event.ordinal = ordinal_++;
  std::string key;
  put_value(key, Value(id));
  event.key = key;
  const std::string old_row = before == nullptr ? "" : row_of(id, *before);
  const std::string new_row = after == nullptr ? "" : row_of(id, *after);
  if (before != nullptr) event.before_kind = Before::row;
  event.before = old_row;
  if (after != nullptr) event.body = new_row;
  batch_.add(event);
}

void ShopStore::insert(std::int64_t id, const std::string& status) {
  begin();
  add("orders", EventType::insert, id, nullptr, &status);
  commit();
}

void ShopStore::update(std::int64_t id, const std::string& before, const std::string& after) {
  begin();
  add("orders", EventType::update, id, &before, &after);
  commit();
}

void ShopStore::remove(std::int64_t id, const std::string& before) {
  begin();
  add("orders", EventType::remove, id, &before, nullptr);
  commit();
}

void ShopStore::insert_many(std::int64_t first, std::int64_t count) {
  const std::string status = "new";
  begin();
  for (std::int64_t id = first; id < first + count; ++id) {
    add("orders", EventType::insert, id, nullptr, &status);
  }
  commit();
}

void ShopStore::insert_customer(std::int64_t id, const std::string& name) {
  begin();
  add("customers", EventType::insert, id, nullptr, &name);
  commit();
}

}  // namespace tidelog::testing
