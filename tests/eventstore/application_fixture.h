// What tests of applications' appends share: requests in one line, answers in one word.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/application_event.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {

// "a" names an event id: its 16 bytes are the text's, repeated.
inline std::string id_of(std::string_view name) {
  std::string id;
  while (id.size() < event_id_bytes) id += name;
  id.resize(event_id_bytes);
  return id;
}

inline NewEvent event_of(std::string_view name, std::string_view data = "{}") {
  NewEvent event;
  event.type = "Happened";
  event.id = id_of(name);
  event.data = data;
  event.content_type = "application/json";
  return event;
}

inline StreamAppend part_of(std::string stream, ExpectedRevision expected,
                            const std::vector<std::string>& names) {
  StreamAppend part{std::move(stream), expected, {}};
  for (const std::string& name : names) part.events.push_back(event_of(name));
  return part;
}

inline AppendRequest request_of(std::string stream, ExpectedRevision expected,
                                const std::vector<std::string>& names) {
  return {{part_of(std::move(stream), expected, names)}};
}

// "appended at 3, next 4", "repeated at 3, next 4", or the conflict as people see it.
inline std::string text_of(const AppendOutcome& outcome) {
  if (const auto* conflict = std::get_if<AppendConflict>(&outcome)) return print(*conflict);
  const auto& appended = std::get<AppendedEvents>(outcome);
  std::string text =
      (appended.repeated ? "repeated at " : "appended at ") + std::to_string(appended.first.value);
  for (const Revision next : appended.next) text += ", next " + std::to_string(next.value);
  return text;
}

// "deleted at 3, from 4, next 4", "deleted as before, from 4, next 4", or the conflict as people
// see it.
inline std::string text_of(const StreamOutcome& outcome) {
  if (const auto* conflict = std::get_if<AppendConflict>(&outcome)) return print(*conflict);
  const auto& changed = std::get<StreamChanged>(outcome);
  return std::string(name_of(changed.life.status)) +
         (changed.position ? " at " + std::to_string(changed.position->value) : " as before") +
         ", from " + std::to_string(changed.life.first.value) + ", next " +
         std::to_string(changed.next.value);
}

// "stream/revision id data", or "stream/revision ! stream_deleted".
inline std::string line_of(const Event& event) {
  const std::string place =
      std::string(event.stream_name) + "/" + std::to_string(event.revision.value) + " ";
  if (is_stream_event(event.type)) return place + "! " + std::string(name_of(event.type));
  const auto attributes = read_application_attributes(event.attributes);
  return place + std::string(attributes.id.substr(0, 2)) + " " +
         std::string(event.body.value_or(""));
}

inline std::vector<std::string> lines_of(StoreReader& reader) {
  std::vector<std::string> all;
  for (;;) {
    const Event* event = must(reader.next());
    if (event == nullptr) return all;
    if (event->type == EventType::application || is_stream_event(event->type))
      all.push_back(line_of(*event));
  }
}

// Everything that is there.
inline std::vector<std::string> application_events(EventStore& store) {
  return lines_of(*must(store.reader()));
}

}  // namespace tidelog::testing
