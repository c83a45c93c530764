#include "ingest/key_transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/value_transform.h"
#include "eventstore/store_reader.h"

namespace tidelog {
namespace {

// A hash is of the value's text, and another type prints another one (5.00, 5.000).
bool is_found_alike(const Column& before, const Column& next) {
  if (!is_stored_alike(before, next)) return false;
  if (next.transform != Transform::hashed) return true;
  return before.type_id == next.type_id && before.type_modifier == next.type_modifier;
}

tl::unexpected<Error> not_found_alike(const std::string& stream, const Schema& next,
                                      const Column& column) {
  return fail(Code::misconfigured,
              fmt::format("{0}: rows are found by their {1}, and the values of the {2} {3} are not "
                          "stored as they were so far: put `transforms`, the key of its hash and "
                          "the column's type back; or forget the rows that are stored and load the "
                          "table anew: pause the source, let `tidelog run` begin, then `tidelog "
                          "source load {0} --anew --no-wait`, then resume the source",
                          stream, next.has_key() ? "keys" : "values, as they have no key",
                          next.has_key() ? "key column" : "column", column.name));
}

// Whether nothing was stored of the table since it was known to be empty. What retention has let go
// of may have been rows.
Result<bool> is_empty(EventStore& store, const std::string& stream) {
  TRY(const auto events, store.reader());
  EventFilter filter;
  filter.streams = {stream};
  for (const EventType type : std::array{EventType::load, EventType::insert, EventType::update,
                                         EventType::remove, EventType::truncate})
    filter.types.emplace_back(name_of(type));
  events->set_filter(std::move(filter));
  TRY_DO(events->seek(events->durable()));
  TRY(const Event* const newest, events->previous());
  return newest != nullptr && newest->type == EventType::truncate;
}

}  // namespace

Status check_key_transforms(const std::string& stream, const Schema& before, const Schema& next) {
  const bool has_key = next.has_key();
  for (const Column& column : next.columns) {
    if (has_key && !column.key) continue;
    const auto known = std::ranges::find(before.columns, column.name, &Column::name);
    if (known == before.columns.end() || is_found_alike(*known, column)) continue;
    return not_found_alike(stream, next, column);
  }
  return {};
}

Status check_key_transforms(EventStore& store, const std::string& stream, const Schema& next) {
  const std::optional<Schema> before = store.newest_schema(stream);
  if (!before) return {};
  const Status alike = check_key_transforms(stream, *before, next);
  if (alike) return {};
  TRY(const bool empty, is_empty(store, stream));
  return empty ? Status() : alike;
}

Status check_rules_of_table(EventStore& store, const std::string& source, const std::string& stream,
                            const Schema& next) {
  if (next.table_id == 0 || has_transforms(next)) return {};
  for (const auto& [name, schema] : store.newest_schemas(source + ".")) {
    if (name == stream || schema.table_id != next.table_id || !has_transforms(schema)) continue;
    return fail(Code::misconfigured,
                fmt::format("the table of {} is that of {}, and no rule of `transforms` is for "
                            "that name: its columns would be stored as they are. Name it there",
                            name, stream));
  }
  return {};
}

}  // namespace tidelog
