#include "ingest/key_transform.h"

#include <fmt/format.h>

#include <algorithm>

#include "eventstore/store_reader.h"

namespace tidelog {
namespace {

bool is_stored_alike(const Column& before, const Column& next) {
  if (!changes_values(before.transform) && !changes_values(next.transform)) return true;
  return before.transform == next.transform && before.transform_detail == next.transform_detail;
}

}  // namespace

Status check_key_transforms(EventStore& store, const std::string& stream, const Schema& next) {
  TRY(const auto events, store.reader());
  EventFilter filter;
  filter.streams = {stream};
  filter.types = {std::string(name_of(EventType::schema)),
                  std::string(name_of(EventType::truncate))};
  events->set_filter(std::move(filter));
  TRY_DO(events->seek(events->durable()));
  TRY(const Event* const newest, events->previous());
  if (newest == nullptr || newest->type == EventType::truncate) return {};
  TRY(const Schema before, read_schema(newest->body.value_or("")));
  for (const Column& column : next.columns) {
    const auto known = std::ranges::find(before.columns, column.name, &Column::name);
    if (!column.key || known == before.columns.end() || !known->key) continue;
    if (is_stored_alike(*known, column)) continue;
    return fail(Code::misconfigured,
                fmt::format("{}: rows are found by their keys, and the values of the key column {} "
                            "are not stored as they were so far: put `transforms` and the key of "
                            "its hash back; or take the table out of what the database sends, and "
                            "start again: then it is captured anew",
                            stream, column.name));
  }
  return {};
}

}  // namespace tidelog
