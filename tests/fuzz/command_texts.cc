// What a person types: places in the history, times, event ids, patterns.
#include "app/pattern.h"
#include "app/place.h"
#include "core/application_event.h"
#include "core/clock.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(command_texts) {
  const UnixMicros now{1'764'000'000'000'000};
  static_cast<void>(parse_place(input, "--at", now));
  if (const auto time = parse_time(input, now)) {
    const auto again = parse_time(print_time(*time), now);
    INVARIANT(again && *again == *time, "a time that is printed is the same");
  }
  if (const auto id = parse_event_id(input)) {
    INVARIANT(id->size() == event_id_bytes, "an id has its length");
    INVARIANT(parse_event_id(print_event_id(*id)) == id, "an id that is printed is the same");
  }
  const std::size_t half = input.size() / 2;
  if (input.size() < 64) static_cast<void>(matches(input.substr(0, half), input.substr(half)));
}
