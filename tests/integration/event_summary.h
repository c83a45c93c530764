// Recorded events as lines: "update public.d moved key=1 before-key=1 body=2|b".
#pragma once

#include <string>
#include <vector>

#include "tests/support/recording_handler.h"

namespace tidelog::testing {

inline std::string summary(const RecordedEvent& event) {
  std::string line = std::string(name_of(event.type)) + " " + event.stream;
  if (event.moved) line += " moved";
  if (event.key) line += " key=" + texts_of(*event.key);
  if (event.before_kind == Before::key) line += " before-key=" + texts_of(event.before);
  if (event.before_kind == Before::row) line += " before=" + texts_of(event.before);
  if (event.body && event.type != EventType::message) line += " body=" + texts_of(*event.body);
  if (event.type == EventType::message) line += " body=" + *event.body;
  return line;
}

inline std::vector<std::string> summaries(const std::vector<RecordedEvent>& events) {
  std::vector<std::string> lines;
  for (const RecordedEvent& event : events) lines.push_back(summary(event));
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace tidelog::testing
