#include "tests/eventstore/event_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

using Json = nlohmann::json;

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<std::uint8_t>(c));
  return out;
}

Json json_of(const Value& value);

Json date_text(const Date& date) {
  if (date.infinity == Infinity::positive) return "infinity";
  if (date.infinity == Infinity::negative) return "-infinity";
  return fmt::format("{}-{}-{}", date.year, date.month, date.day);
}

Json moment(const Date& date, std::int64_t micros) {
  if (date.infinity != Infinity::none) return date_text(date);
  return Json::array({date_text(date), micros});
}

// One payload a kind.
struct Payload {
  Json operator()(const Null&) const { return nullptr; }
  Json operator()(const Unchanged&) const { return {{"unchanged", true}}; }
  Json operator()(bool value) const { return {{"boolean", value}}; }
  Json operator()(std::int64_t value) const { return {{"int64", value}}; }
  Json operator()(std::uint64_t value) const { return {{"uint64", value}}; }
  Json operator()(float value) const {
    return {{"float32", fmt::format("{:08x}", std::bit_cast<std::uint32_t>(value))}};
  }
  Json operator()(double value) const {
    return {{"float64", fmt::format("{:016x}", std::bit_cast<std::uint64_t>(value))}};
  }
  Json operator()(const Decimal& value) const { return {{"decimal", value.text}}; }
  Json operator()(const Text& value) const { return {{"text", value.text}}; }
  Json operator()(const Bytes& value) const { return {{"bytes", hex(value.bytes)}}; }
  Json operator()(const Date& value) const { return {{"date", date_text(value)}}; }
  Json operator()(const Time& value) const { return {{"time", value.micros}}; }
  Json operator()(const TimeTz& value) const {
    return {{"time_tz", Json::array({value.micros, value.offset_seconds})}};
  }
  Json operator()(const Timestamp& value) const {
    return {{"timestamp", moment(value.date, value.micros)}};
  }
  Json operator()(const TimestampTz& value) const {
    return {{"timestamp_tz", moment(value.date, value.micros)}};
  }
  Json operator()(const Interval& value) const {
    if (value.infinity != Infinity::none) {
      return {{"interval", value.infinity == Infinity::positive ? "infinity" : "-infinity"}};
    }
    return {{"interval", Json::array({value.months, value.days, value.micros})}};
  }
  Json operator()(const Uuid& value) const {
    std::string out;
    for (const std::uint8_t byte : value.bytes) out += fmt::format("{:02x}", byte);
    return {{"uuid", out}};
  }
  Json operator()(const tidelog::Json& value) const { return {{"json", value.text}}; }
  Json operator()(const Array& value) const {
    Json dimensions = Json::array();
    Json elements = Json::array();
    for (const Dimension& d : value.dimensions) {
      dimensions.push_back(Json::array({d.count, d.lower_bound}));
    }
    for (const Value& element : value.elements) elements.push_back(json_of(element));
    return {{"array", {{"dimensions", dimensions}, {"elements", elements}}}};
  }
  Json operator()(const Bits& value) const {
    return {{"bits", Json::array({value.count, hex(value.bytes)})}};
  }
  Json operator()(const Enumeration& value) const { return {{"enumeration", value.label}}; }
  Json operator()(const Set& value) const { return {{"set", value.labels}}; }
  Json operator()(const Geometry& value) const {
    return {{"geometry", Json::array({value.srid, hex(value.wkb)})}};
  }
  Json operator()(const Vector& value) const { return {{"vector", hex(value.floats)}}; }
  Json operator()(const Other& value) const { return {{"other", value.text}}; }
};

Json json_of(const Value& value) { return std::visit(Payload(), value.variant()); }

Json row_json(std::string_view row, std::size_t count) {
  Json values = Json::array();
  for (const Value& value : must(read_row(row, count))) values.push_back(json_of(value));
  return values;
}

Json schema_json(const Schema& schema) {
  Json columns = Json::array();
  for (const Column& c : schema.columns) {
    columns.push_back({{"name", c.name},
                       {"type", c.type},
                       {"kind", static_cast<int>(c.kind)},
                       {"key", c.key},
                       {"type_id", c.type_id},
                       {"modifier", c.type_modifier}});
    if (c.transform == Transform::none) continue;
    columns.back()["transform"] = static_cast<int>(c.transform);
    columns.back()["transform_detail"] = c.transform_detail;
  }
  Json out = {{"table_schema", schema.table_schema},
              {"table", schema.table},
              {"identity", static_cast<int>(schema.identity)},
              {"columns", columns}};
  if (!schema.left_out.empty()) out["left_out"] = schema.left_out;
  return out;
}

bool is_row(EventType type) {
  return type == EventType::load || type == EventType::insert || type == EventType::update ||
         type == EventType::remove;
}

void put_values(Json& out, const Event& event, const Schema& schema) {
  const auto keys =
      static_cast<std::size_t>(std::count_if(schema.columns.begin(), schema.columns.end(),
                                             [](const Column& column) { return column.key; }));
  if (event.key) out["key"] = row_json(*event.key, keys);
  if (event.before_kind != Before::none) {
    const bool is_key = event.before_kind == Before::key;
    out["before"] = row_json(event.before, is_key ? keys : schema.columns.size());
  }
  if (event.body) out["body"] = row_json(*event.body, schema.columns.size());
}

Json attributes_json(std::string_view attributes) {
  Json list = Json::array();
  ByteReader in(attributes);
  while (in.remaining() != 0) {
    const auto tag = in.le<std::uint8_t>();
    list.push_back(Json::array({tag, hex(in.sized())}));
  }
  return list;
}

Json transaction_json(const Transaction& t) {
  Json out = {{"id", t.id},
              {"commit_time", t.commit_time.value},
              {"position", hex(t.position)},
              {"origin", t.origin},
              {"index", t.event_index},
              {"count", t.event_count}};
  if (t.origin_position.empty() && t.global_id.empty()) return out;
  out["origin_position"] = hex(t.origin_position);
  out["global_id"] = t.global_id;
  return out;
}

}  // namespace

std::string json_of(const Event& event, const Schema* schema) {
  constexpr const char* before_names[] = {"none", "key", "row"};
  Json out = {{"position", event.position.value},
              {"stream", event.stream_name},
              {"revision", event.revision.value},
              {"type", name_of(event.type)},
              {"source", event.source_name},
              {"append_time", event.append_time.value},
              {"schema", event.schema.value},
              {"ordinal", event.ordinal},
              {"moved", event.moved},
              {"key", nullptr},
              {"before_kind", before_names[static_cast<std::size_t>(event.before_kind)]},
              {"before", nullptr},
              {"body", nullptr},
              {"attributes", attributes_json(event.attributes)},
              {"transaction", transaction_json(event.transaction)}};
  if (is_row(event.type)) {
    put_values(out, event, *schema);
  } else {
    if (event.key) out["key"] = hex(*event.key);
    if (event.before_kind != Before::none) out["before"] = hex(event.before);
    if (event.body) out["body"] = hex(*event.body);
    if (event.type == EventType::schema) out["body"] = schema_json(must(read_schema(*event.body)));
  }
  return out.dump();
}

std::string json_lines(StoreReader& reader) {
  std::string lines;
  for (;;) {
    const Event* event = must(reader.next());
    if (event == nullptr) return lines;
    const bool has_schema = event->schema != SchemaId{};
    lines += json_of(*event, has_schema ? must(reader.schema(event->schema)) : nullptr) + "\n";
  }
}

}  // namespace tidelog::testing
