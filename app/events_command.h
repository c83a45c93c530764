// `tidelog events`: reads the history, forwards, backwards or as it grows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/command.h"

namespace tidelog {

struct EventsOptions {
  CommonOptions common;
  std::vector<std::string> streams;  // patterns
  std::vector<std::string> types;
  std::string key;
  std::string from;  // a position or a time
  std::optional<std::uint64_t> from_revision;
  std::string until;        // inclusive
  std::uint64_t limit = 0;  // 0: none
  bool has_key = false;
  bool backwards = false;
  bool follow = false;
  bool whole_rows = false;  // what the log did not send is filled in
  std::string format;       // "flat": each line is the outgoing record
};

Status print_events(const CommandContext& context, const EventsOptions& options);

}  // namespace tidelog
