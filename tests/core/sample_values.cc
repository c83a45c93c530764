#include "tests/core/sample_values.h"

#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

#include "core/value_codec.h"

namespace tidelog::testing {
namespace {

constexpr std::int64_t hour = 3'600'000'000;
constexpr std::int64_t day = 24 * hour;

using namespace std::string_view_literals;

template <class T>
constexpr T lowest = std::numeric_limits<T>::lowest();
template <class T>
constexpr T highest = std::numeric_limits<T>::max();

std::string_view long_decimal() {
  static const std::string text = "-" + std::string(131'072, '9') + "." + std::string(16'383, '1');
  return text;
}

std::vector<Value> scalars() {
  return {Null{},
          Unchanged{},
          false,
          true,
          std::int64_t{0},
          std::int64_t{-1},
          lowest<std::int64_t>,
          highest<std::int64_t>,
          std::uint64_t{0},
          highest<std::uint64_t>,
          0.0F,
          -0.0F,
          lowest<float>,
          std::numeric_limits<float>::denorm_min(),
          std::numeric_limits<float>::infinity(),
          std::numeric_limits<float>::quiet_NaN(),
          0.0,
          -0.0,
          highest<double>,
          std::numeric_limits<double>::denorm_min(),
          -std::numeric_limits<double>::infinity(),
          std::numeric_limits<double>::quiet_NaN()};
}

std::vector<Value> strings() {
  return {Decimal{"0"},
          Decimal{"-12.3400"},
          Decimal{"NaN"},
          Decimal{"Infinity"},
          Decimal{"-Infinity"},
          Decimal{long_decimal()},
          Text{""},
          Text{"grüße\n"},
          Text{"\0"sv},
          Bytes{""},
          Bytes{"\0\xff"sv},
          Json{R"({"a": 1})"},
          Enumeration{""},
          Enumeration{"open"},
          Set{""},
          Set{"a,b"},
          Other{""},
          Other{"(1,2)"}};
}

std::vector<Value> times() {
  return {Date{2026, 11, 25},
          Date{-4712, 1, 1},
          Date{0, 12, 31},
          Date{5'874'897, 12, 31},
          Date{0, 0, 0},
          Date{2026, 0, 0},
          Date{2026, 11, 0},
          Date{.infinity = Infinity::positive},
          Date{.infinity = Infinity::negative},
          Time{0},
          Time{24 * hour},
          Time{839 * hour - 1'000'000},
          Time{-(839 * hour - 1'000'000)},
          Time{lowest<std::int64_t>},
          TimeTz{0, 0},
          TimeTz{24 * hour, -57'599},
          TimeTz{1, 57'599},
          Timestamp{{2026, 11, 25}, day - 1},
          Timestamp{{294'276, 12, 31}, day - 1},
          Timestamp{{-4712, 1, 1}, 0},
          Timestamp{{0, 0, 0}, 0},
          Timestamp{{.infinity = Infinity::positive}, 0},
          TimestampTz{{1970, 1, 1}, 1},
          TimestampTz{{.infinity = Infinity::negative}, 0},
          Interval{},
          Interval{14, -3, 4 * hour + 1},
          Interval{.infinity = Infinity::negative},
          Interval{lowest<std::int32_t>, highest<std::int32_t>, lowest<std::int64_t>}};
}

std::vector<Value> others() {
  return {Uuid{},          Uuid{{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
          Bits{},          Bits{1, "\x80"},
          Bits{8, "\xff"}, Bits{9, "\xff\x80"},
          Geometry{0, ""}, Geometry{4326, "\x01\x01\0\0\0"sv},
          Vector{""},      Vector{"\0\0\x80\x3f\0\0\0\xc0"sv}};
}

std::vector<Value> arrays() {
  Array numbers{{{3, 1}}, {std::int64_t{1}, Null{}, std::int64_t{3}}};
  Array square{{{2, -1}, {2, highest<std::int32_t> - 1}},
               {Text{"a"}, Text{""}, Text{"NULL"}, Text{"c,d"}}};
  Array nested{{{1, 1}}, {numbers}};
  return {Array{}, numbers, square, nested};
}

}  // namespace

const std::vector<Value>& sample_values() {
  static const std::vector<Value> all = [] {
    std::vector<Value> values;
    for (auto make : {scalars, strings, times, others, arrays}) {
      for (Value& value : make()) values.push_back(std::move(value));
    }
    return values;
  }();
  return all;
}

std::string stored(const Value& value) {
  std::string out;
  put_value(out, value);
  return out;
}

}  // namespace tidelog::testing
