#include "formats/flat.h"

#include <doctest/doctest.h>

#include <string>

#include "core/source_position.h"
#include "core/value_codec.h"

namespace tidelog {
namespace {

Schema orders() {
  Schema schema{"public", "orders", ReplicaIdentity::primary_key, {}};
  schema.columns.push_back({"id", "integer", ValueKind::int64, true, 23, -1});
  schema.columns.push_back({"note", "text", ValueKind::text, false, 25, -1});
  schema.columns.push_back({"price", "numeric(10,2)", ValueKind::decimal, false, 1700, -1});
  return schema;
}

std::string row_of(std::initializer_list<Value> values) {
  std::string row;
  for (const Value& value : values) put_value(row, value);
  return row;
}

const std::string commit_position = encode(Lsn{0x16B374D848});

Event event_of(EventType type) {
  Event event;
  event.type = type;
  event.position = {7};
  event.revision = {3};
  event.ordinal = 2;
  event.stream_name = "shop.public.orders";
  event.source_name = "shop";
  event.transaction.id = "771";
  event.transaction.commit_time = {1'795'514'400'000'001};
  event.transaction.position = commit_position;
  return event;
}

std::string flat(const Event& event, const Schema* schema) {
  std::string out;
  const auto put = put_flat(out, event, schema);
  if (!put) return "error: " + put.error().what;
  return out;
}

std::string head(std::string_view type) {
  return R"({"position":7,"stream":"shop.public.orders","revision":3,"type":")" +
         std::string(type) + R"(","time":"2026-11-24T10:00:00.000001Z","transaction":"771")";
}

const std::string tail = R"(,"source":{"name":"shop","lsn":"16/B374D848","ordinal":2}})";

}  // namespace

TEST_CASE("flat: an update with a whole old row") {
  const Schema schema = orders();
  const std::string key = row_of({std::int64_t{1}});
  const std::string before = row_of({std::int64_t{1}, Text{"old"}, Decimal{"1.50"}});
  const std::string after = row_of({std::int64_t{1}, Null{}, Decimal{"2.00"}});
  Event event = event_of(EventType::update);
  event.key = key;
  event.before_kind = Before::row;
  event.before = before;
  event.body = after;
  CHECK(flat(event, &schema) ==
        head("update") + R"(,"key":{"id":1},"before":{"id":1,"note":"old","price":1.50},)" +
            R"("after":{"id":1,"note":null,"price":2.00})" + tail);
}

TEST_CASE("flat: a value that was not sent is left out and named") {
  const Schema schema = orders();
  const std::string key = row_of({std::int64_t{1}});
  const std::string after = row_of({std::int64_t{1}, Unchanged{}, Unchanged{}});
  Event event = event_of(EventType::update);
  event.key = key;
  event.body = after;
  CHECK(flat(event, &schema) ==
        head("update") +
            R"(,"key":{"id":1},"before":null,"after":{"id":1},"unchanged":["note","price"])" +
            tail);
}

TEST_CASE("flat: an old key is not taken for an old row, and both halves of a move say so") {
  const Schema schema = orders();
  const std::string key = row_of({std::int64_t{2}});
  const std::string old_key = row_of({std::int64_t{1}});
  const std::string after = row_of({std::int64_t{2}, Text{""}, Null{}});
  Event event = event_of(EventType::insert);
  event.key = key;
  event.before_kind = Before::key;
  event.before = old_key;
  event.body = after;
  event.moved = true;
  CHECK(flat(event, &schema) ==
        head("insert") + R"(,"key":{"id":2},"before":{"id":1},"before_is_key":true,)" +
            R"("after":{"id":2,"note":"","price":null},"moved":true)" + tail);
}

TEST_CASE("flat: a delete has no after") {
  const Schema schema = orders();
  const std::string key = row_of({std::int64_t{1}});
  Event event = event_of(EventType::remove);
  event.key = key;
  event.before_kind = Before::key;
  event.before = key;
  CHECK(flat(event, &schema) ==
        head("delete") + R"(,"key":{"id":1},"before":{"id":1},"before_is_key":true,"after":null)" +
            tail);
}

TEST_CASE("flat: a schema shows its columns") {
  Schema schema = orders();
  schema.columns.resize(2);
  std::string body;
  put_schema(body, schema);
  Event event = event_of(EventType::schema);
  event.body = body;
  CHECK(
      flat(event, &schema) ==
      head("schema") +
          R"(,"schema":{"table_schema":"public","table":"orders","identity":"primary_key","columns":[)" +
          R"({"name":"id","type":"integer","kind":"int64","key":true},{"name":"note","type":"text","kind":"text"}]})" +
          tail);
}

TEST_CASE("flat: events without rows") {
  Event truncate = event_of(EventType::truncate);
  std::string cascade;
  put_attribute(cascade, Attribute::truncate_cascade, "");
  truncate.attributes = cascade;
  CHECK(flat(truncate, nullptr) ==
        head("truncate") + R"(,"truncate":{"cascade":true,"restart_identity":false})" + tail);

  Event message = event_of(EventType::message);
  std::string prefix;
  put_attribute(prefix, Attribute::name, "audit");
  message.attributes = prefix;
  message.body = "foo";
  CHECK(flat(message, nullptr) ==
        head("message") + R"(,"message":{"prefix":"audit","content":"Zm9v"})" + tail);

  Event ended = event_of(EventType::truncate);
  std::string why;
  put_attribute(why, Attribute::reason, "the table was dropped");
  ended.attributes = why;
  CHECK(flat(ended, nullptr) == head("truncate") +
                                    R"(,"truncate":{"cascade":false,"restart_identity":false,)" +
                                    R"("reason":"the table was dropped"})" + tail);

  Event ddl = event_of(EventType::ddl);
  ddl.body = "alter table a add b int";
  CHECK(flat(ddl, nullptr) == head("ddl") + R"(,"ddl":"alter table a add b int")" + tail);
  std::string about;
  put_attribute(about, Attribute::name, "ALTER TABLE");
  put_attribute(about, Attribute::tables, put_names({"public.a", "public.\"b"}));
  ddl.attributes = about;
  CHECK(flat(ddl, nullptr) == head("ddl") +
                                  R"(,"ddl":"alter table a add b int","command":"ALTER TABLE",)" +
                                  R"("tables":["public.a","public.\"b"])" + tail);

  Event gap = event_of(EventType::gap);
  gap.body = "slot was dropped";
  CHECK(flat(gap, nullptr) == head("gap") + R"(,"gap":{"reason":"slot was dropped"})" + tail);

  Event undecoded = event_of(EventType::undecoded);
  undecoded.body = "foo";
  CHECK(flat(undecoded, nullptr) == head("undecoded") + R"(,"undecoded":"Zm9v")" + tail);
}

TEST_CASE("flat: an application event has its own type, the time it was appended and no source") {
  Event event = event_of(EventType::application);
  std::string name;
  put_attribute(name, Attribute::name, "order_placed");
  event.attributes = name;
  event.body = "{}";
  event.source_name = {};
  event.transaction = {};
  event.append_time = {1'795'514'400'000'001};
  CHECK(flat(event, nullptr) ==
        R"({"position":7,"stream":"shop.public.orders","revision":3,"type":"order_placed",)"
        R"("time":"2026-11-24T10:00:00.000001Z","transaction":null,"data":"{}","source":null})");
}

TEST_CASE("flat: a replication origin is shown") {
  Event event = event_of(EventType::gap);
  event.transaction.origin = "other";
  CHECK(flat(event, nullptr).ends_with(R"("ordinal":2,"origin":"other"}})"));
  const std::string there = encode(Lsn{0x16'B374'D848});
  event.transaction.origin_position = there;
  CHECK(flat(event, nullptr)
            .ends_with(R"("ordinal":2,"origin":"other","origin_lsn":"16/B374D848"}})"));
}

TEST_CASE("flat: the name of a prepared transaction is shown") {
  Event event = event_of(EventType::gap);
  event.transaction.global_id = "order-7";
  CHECK(flat(event, nullptr).ends_with(R"("ordinal":2,"global_id":"order-7"}})"));
}

TEST_CASE("flat: every prefix of a row is corrupt, and nothing is left in the line") {
  const Schema schema = orders();
  const std::string key = row_of({std::int64_t{1}});
  const std::string after = row_of({std::int64_t{1}, Text{"note"}, Decimal{"1.5"}});
  for (std::size_t n = 0; n < after.size(); ++n) {
    CAPTURE(n);
    Event event = event_of(EventType::insert);
    event.key = key;
    event.body = std::string_view(after).substr(0, n);
    std::string out = "before";
    const auto put = put_flat(out, event, &schema);
    REQUIRE(!put);
    CHECK(put.error().code == Code::corrupt);
    CHECK(out == "before");
  }
}

TEST_CASE("flat: a row event without a schema is corrupt") {
  Event event = event_of(EventType::insert);
  event.key = "";
  CHECK(flat(event, nullptr).starts_with("error: event 7 of shop.public.orders"));
}

TEST_CASE("flat: a row alone names what is not known") {
  const Schema schema = orders();
  std::string out;
  std::string unchanged;
  REQUIRE(print_row_json(out, row_of({std::int64_t{1}, Unchanged{}, Null{}}), schema, &unchanged));
  CHECK(out == R"({"id":1,"price":null})");
  CHECK(unchanged == R"(["note"])");
}

TEST_CASE("flat: a schema says which table it is of, and what may be of a later time") {
  Schema schema = orders();
  schema.table_id = 16'384;
  const auto line_of = [&schema] {
    std::string body;
    put_schema(body, schema);
    Event event = event_of(EventType::schema);
    event.body = body;
    return flat(event, nullptr);
  };
  const auto has = [&](std::string_view part) { return line_of().find(part) != std::string::npos; };
  CHECK(has(R"("key":true)"));
  CHECK(has(R"(],"table_id":16384})"));
  schema.types_asked = true;
  CHECK(has(R"("table_id":16384,"asked":["types"]})"));
  schema.key_asked = true;
  CHECK(has(R"("table_id":16384,"asked":["types","key"]})"));
  schema.table_id = 0;
  schema.ended = true;
  CHECK(has(R"("ended":true,"asked":["types","key"]})"));
}

}  // namespace tidelog
