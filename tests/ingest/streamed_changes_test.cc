// What follows from streamed changes for a chunk that comes into the log after them.
#include "ingest/streamed_changes.h"

#include <doctest/doctest.h>

#include "core/value_codec.h"

namespace tidelog::testing {
namespace {

constexpr SchemaId version{1};

Schema items() {
  Schema schema{"public", "items", ReplicaIdentity::primary_key, {}};
  schema.columns.push_back({"id", "bigint", ValueKind::int64, true, 20, -1});
  schema.columns.push_back({"note", "text", ValueKind::text, false, 25, -1});
  schema.columns.push_back({"big", "text", ValueKind::text, false, 25, -1});
  return schema;
}

std::string key_of(std::int64_t id) {
  std::string key;
  put_value(key, Value(id));
  return key;
}

// Without `big`: it was not sent, as it did not change.
std::string row_of(std::int64_t id, const std::string& note, const char* big = nullptr) {
  std::string row = key_of(id);
  put_value(row, Value(Text{note}));
  put_value(row, big == nullptr ? Value(Unchanged{}) : Value(Text{big}));
  return row;
}

StreamedChange change_of(EventType type, std::int64_t id, std::string body, bool moved = false) {
  return {type, version, moved, key_of(id), {}, std::move(body)};
}

std::vector<StreamedChange> move_of(std::int64_t from, std::int64_t to, std::string body) {
  return {change_of(EventType::remove, from, {}, true),
          change_of(EventType::insert, to, std::move(body), true)};
}

struct Chunk {
  BatchBuilder batch;
  Schema schema = items();
  std::vector<StreamedChange> changes;

  Chunk() { batch.begin({}); }
  void row(std::int64_t id, const std::string& row) {
    const std::string key = key_of(id);
    EventBody event;
    event.type = EventType::load;
    event.stream = StreamId{1};
    event.schema = version;
    event.key = key;
    event.body = row;
    batch.add(event);
  }
  void follow(const std::vector<StreamedChange>& more) {
    changes.insert(changes.end(), more.begin(), more.end());
  }
  std::optional<std::vector<Correction>> corrections() const {
    const ChunkRows rows(batch);
    std::vector<const StreamedChange*> all;
    for (const StreamedChange& change : changes) all.push_back(&change);
    return corrections_of_keyed(all, {&rows, schema},
                                [this](SchemaId) -> Result<Schema> { return schema; })
        .value();
  }
};

}  // namespace

TEST_CASE("corrections: an update that leaves a value out has it from the chunk") {
  Chunk chunk;
  chunk.row(5, row_of(5, "old", "large"));
  chunk.follow({change_of(EventType::update, 5, row_of(5, "new"))});
  const auto corrections = chunk.corrections();
  REQUIRE(corrections);
  REQUIRE(corrections->size() == 1);
  CHECK(corrections->front().type == EventType::load);
  CHECK(corrections->front().row == row_of(5, "new", "large"));
}

TEST_CASE("corrections: of rows that the chunk does not have nothing follows") {
  Chunk chunk;
  chunk.row(5, row_of(5, "old", "large"));
  chunk.follow({change_of(EventType::insert, 6, row_of(6, "new", "other")),
                change_of(EventType::update, 7, row_of(7, "new")),
                change_of(EventType::remove, 8, {})});
  const auto corrections = chunk.corrections();
  REQUIRE(corrections);
  CHECK(corrections->empty());
}

TEST_CASE("corrections: a row that is inserted and moved is known whatever the chunk has") {
  Chunk chunk;
  chunk.row(2, row_of(2, "moved", "inserted"));
  chunk.follow({change_of(EventType::insert, 5, row_of(5, "new", "inserted"))});
  chunk.follow(move_of(5, 2, row_of(2, "moved")));
  const auto corrections = chunk.corrections();
  REQUIRE(corrections);
  REQUIRE(corrections->size() == 1);
  CHECK(corrections->front().row == row_of(2, "moved", "inserted"));
}

// As of a standby, which shows what its snapshot does not say: the row that had the key 5 is at 2,
// and the one of 6 is at 5.
TEST_CASE(
    "corrections: a row that moves with a value of the chunk's asks for it to be read again") {
  Chunk chunk;
  chunk.row(2, row_of(2, "first", "large of the first"));
  chunk.row(5, row_of(5, "second", "large of the second"));
  chunk.follow(move_of(5, 2, row_of(2, "first")));
  chunk.follow(move_of(6, 5, row_of(5, "second")));
  CHECK_FALSE(chunk.corrections());
}

}  // namespace tidelog::testing
