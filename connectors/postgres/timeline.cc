#include "connectors/postgres/timeline.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "core/source_position.h"

namespace tidelog::postgres {

namespace {

std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
  const std::string_view word = line.substr(0, std::min(line.find_first_of(" \t\r"), line.size()));
  line.remove_prefix(word.size());
  return word;
}

Result<TimelineSwitch> read_switch(std::string_view line) {
  const std::string whole(line);
  const std::string_view number = take_word(line);
  const std::string_view lsn = take_word(line);
  TimelineSwitch entry;
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), entry.timeline);
  if (error != std::errc{} || end != number.data() + number.size()) {
    return fail(Code::corrupt, "timeline history: no number in \"" + whole + "\"");
  }
  auto at = parse_lsn(lsn);
  if (!at) return fail_in("timeline history: \"" + whole + "\"", at.error());
  entry.at = *at;
  return entry;
}

}  // namespace

Result<std::vector<TimelineSwitch>> read_timeline_history(std::string_view text) {
  std::vector<TimelineSwitch> history;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::string_view first = line;
    const std::string_view word = take_word(first);
    if (word.empty() || word.front() == '#') continue;
    TRY(const TimelineSwitch entry, read_switch(line));
    history.push_back(entry);
  }
  return history;
}

bool leads_to(const std::vector<TimelineSwitch>& history, std::uint32_t timeline, Lsn position) {
  return std::ranges::any_of(history, [&](const TimelineSwitch& entry) {
    return entry.timeline == timeline && position <= entry.at;
  });
}

}  // namespace tidelog::postgres
