// What a person types: places in the history, times, event ids, revisions, patterns, keys.
#include <algorithm>
#include <vector>

#include "app/expectation.h"
#include "app/nearest.h"
#include "app/pattern.h"
#include "app/place.h"
#include "app/table.h"
#include "core/application_event.h"
#include "core/clock.h"
#include "core/value_codec.h"
#include "formats/flat.h"
#include "formats/key_text.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_judge.h"

namespace tidelog {
namespace {

void check_misconfigured(const Error& error) {
  INVARIANT(error.code == Code::misconfigured, "what is wrong is the text");
}

// -- places --

// Of years that have four digits.
bool is_in_calendar(std::string_view printed) {
  return printed.size() == std::string_view("2026-11-24T10:00:00.000000Z").size() &&
         !printed.starts_with('-');
}

void check_place(std::string_view text) {
  const UnixMicros now{1'764'000'000'000'000};
  const auto place = parse_place(text, "--at", now);
  if (!place) return check_misconfigured(place.error());
  if (const auto* position = std::get_if<Position>(&*place)) {
    const std::string digits = std::to_string(position->value);
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    INVARIANT(text == digits, "a position is its digits");
    return;
  }
  const UnixMicros time = std::get<UnixMicros>(*place);
  const std::string printed = print_time(time);
  if (!is_in_calendar(printed)) return;
  const auto again = parse_time(printed, now);
  INVARIANT(again && *again == time, "a time that is printed is the same");
}

// -- ids and revisions --

void check_names_of_events(std::string_view text) {
  if (const auto id = parse_event_id(text)) {
    INVARIANT(id->size() == event_id_bytes, "an id has its length");
    INVARIANT(parse_event_id(print_event_id(*id)) == id, "an id that is printed is the same");
  }
  const auto expected = parse_expected(std::string(text));
  if (!expected) return check_misconfigured(expected.error());
  const auto again = parse_expected(print(*expected));
  INVARIANT(again && *again == *expected, "an expectation that is printed is the same");
}

// -- patterns --

// By all of its beginnings and all of the name's.
bool matches_simply(std::string_view pattern, std::string_view name) {
  std::vector<bool> fits(name.size() + 1, false);  // the pattern so far, the name's first n
  fits[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(name.size() + 1, false);
    for (std::size_t n = 0; n <= name.size(); ++n) {
      const bool longer = n > 0 && (c == '?' || c == name[n - 1]) && fits[n - 1];
      next[n] = c == '*' ? fits[n] || (n > 0 && next[n - 1]) : longer;
    }
    fits = std::move(next);
  }
  return fits[name.size()];
}

void check_pattern(std::string_view text) {
  if (text.size() > 200) return;
  for (std::size_t split = 0; split <= text.size(); split += 1 + text.size() / 4) {
    const std::string_view pattern = text.substr(0, split);
    const std::string_view name = text.substr(split);
    INVARIANT(matches(pattern, name) == matches_simply(pattern, name), "a pattern takes what fits");
  }
  INVARIANT(is_pattern(text) || matches(text, text), "a plain name takes itself");
}

// -- keys --

Schema schema_of_key(std::vector<ValueKind> kinds) {
  Schema schema{"public", "t", ReplicaIdentity::primary_key, {}};
  for (const ValueKind kind : kinds)
    schema.columns.push_back(
        {"c" + std::to_string(schema.columns.size()), "type", kind, true, 1, -1});
  return schema;
}

void check_key(std::string_view text, const Schema& schema) {
  const auto key = parse_key(text, schema);
  if (!key) return check_misconfigured(key.error());
  const auto values = read_row(*key, schema.columns.size());
  INVARIANT(values, "a key is a row of its columns");
  for (std::size_t i = 0; i < values->size(); ++i)
    INVARIANT((*values)[i].kind() == schema.columns[i].kind, "of their kinds");
  INVARIANT(values->size() == 1 || fuzz::is_json(text), "several columns' values are JSON");
  std::string printed;
  INVARIANT(print_key_json(printed, *key, schema) && fuzz::is_json(printed), "and printed as JSON");
}

void check_keys(std::string_view text) {
  constexpr ValueKind kinds[] = {ValueKind::int64, ValueKind::text,         ValueKind::uuid,
                                 ValueKind::date,  ValueKind::timestamp_tz, ValueKind::decimal,
                                 ValueKind::bytes, ValueKind::boolean};
  for (const ValueKind kind : kinds) check_key(text, schema_of_key({kind}));
  check_key(text, schema_of_key({ValueKind::date, ValueKind::int64}));
  check_key(text, schema_of_key({ValueKind::text, ValueKind::decimal, ValueKind::boolean}));
}

// -- what is said of it --

void check_said(std::string_view text) {
  if (text.size() > 200) return;
  constexpr std::string_view known[] = {"insert", "update", "delete", "truncate"};
  const auto word = nearest(text, known);
  INVARIANT(!word || std::find(std::begin(known), std::end(known), *word) != std::end(known),
            "what is suggested is known");
  const std::string cell = one_line(text, 40);
  INVARIANT(std::none_of(cell.begin(), cell.end(),
                         [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }),
            "a cell holds no control character");
}

}  // namespace
}  // namespace tidelog

TIDELOG_FUZZ_TARGET(command_texts) {
  tidelog::check_place(input);
  tidelog::check_names_of_events(input);
  tidelog::check_pattern(input);
  tidelog::check_keys(input);
  tidelog::check_said(input);
}
