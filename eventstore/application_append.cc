#include "eventstore/application_append.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <string_view>

#include "core/application_event.h"

namespace tidelog {
namespace {

Status check_event(const StreamAppend& stream, const NewEvent& event) {
  if (event.type.empty()) {
    return fail(Code::misconfigured,
                fmt::format("an event for stream {} has no type: name what happened, for example "
                            "OrderPlaced",
                            stream.stream));
  }
  if (event.id.empty() || event.id.size() == event_id_bytes) return {};
  return fail(Code::misconfigured,
              fmt::format("an event id for stream {} has {} bytes: a UUID has {}", stream.stream,
                          event.id.size(), event_id_bytes));
}

Status check_ids_differ(const StreamAppend& stream) {
  if (stream.events.size() < 2) return {};
  absl::flat_hash_set<std::string_view> ids;
  for (const NewEvent& event : stream.events) {
    if (event.id.empty() || ids.insert(event.id).second) continue;
    return fail(Code::misconfigured,
                fmt::format("the event id {} is given twice for stream {} in one append",
                            print_event_id(event.id), stream.stream));
  }
  return {};
}

Status check_names_differ(const AppendRequest& request) {
  if (request.streams.size() < 2) return {};
  absl::flat_hash_set<std::string_view> names;
  for (const StreamAppend& stream : request.streams) {
    if (names.insert(stream.stream).second) continue;
    return fail(Code::misconfigured,
                fmt::format("stream {} is given twice in one append", stream.stream));
  }
  return {};
}

std::string print_actual(const AppendConflict& conflict) {
  if (!conflict.actual) return "has no events";
  if (conflict.status != StreamStatus::open)
    return fmt::format("was {} at revision {}", name_of(conflict.status), conflict.actual->value);
  return fmt::format("is at revision {}", conflict.actual->value);
}

}  // namespace

Status check_stream_name(const std::string& name) {
  if (name.empty()) return fail(Code::misconfigured, "an append names no stream");
  if (name.find('$') == std::string::npos) return {};
  return fail(Code::misconfigured,
              fmt::format("the stream name {} is reserved, as every name with a $ in it", name));
}

std::string print(const ExpectedRevision& expected) {
  switch (expected.kind) {
    case ExpectedRevision::Kind::any:
      return "any";
    case ExpectedRevision::Kind::no_stream:
      return "no-stream";
    case ExpectedRevision::Kind::exists:
      return "exists";
    case ExpectedRevision::Kind::exactly:
      return std::to_string(expected.revision.value);
  }
  return "unknown";
}

std::string print(const AppendConflict& conflict) {
  switch (conflict.kind) {
    case AppendConflict::Kind::revision:
      return fmt::format("stream {} {}, expected {}", conflict.stream, print_actual(conflict),
                         print(conflict.expected));
    case AppendConflict::Kind::other_event:
      return fmt::format("stream {} has an event {} with another type, key or data, at position {}",
                         conflict.stream, print_event_id(conflict.event_id),
                         conflict.position.value);
    case AppendConflict::Kind::partly_repeated:
      return fmt::format(
          "stream {} has event {} at position {} already, but not all events of this append, or "
          "not in this order: it is no repetition of an earlier one",
          conflict.stream, print_event_id(conflict.event_id), conflict.position.value);
    case AppendConflict::Kind::tombstoned:
      return fmt::format("stream {} {}: it ended for ever, use another name", conflict.stream,
                         print_actual(conflict));
    case AppendConflict::Kind::beyond_end:
      return fmt::format("stream {} {}: it can be truncated before the revision after that at most",
                         conflict.stream, print_actual(conflict));
  }
  return "unknown";
}

Status check_request(const AppendRequest& request) {
  bool has_events = false;
  for (const StreamAppend& stream : request.streams) {
    TRY_DO(check_stream_name(stream.stream));
    has_events = has_events || !stream.events.empty();
    for (const NewEvent& event : stream.events) TRY_DO(check_event(stream, event));
    TRY_DO(check_ids_differ(stream));
  }
  if (!has_events) return fail(Code::misconfigured, "an append without events");
  return check_names_differ(request);
}

}  // namespace tidelog
