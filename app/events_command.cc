#include "app/events_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <thread>

#include "app/event_filter.h"
#include "app/event_printer.h"
#include "app/pattern.h"
#include "app/place.h"
#include "projections/complete_rows.h"

namespace tidelog {
namespace {

constexpr auto follow_interval = std::chrono::milliseconds(50);

// [first, end): what is read.
struct Range {
  Position first;
  Position end;
};

struct Reading {
  const EventsOptions& options;
  StoreReader& reader;
  EventChoice choice;
  EventPrinter printer;
  std::uint64_t left;  // events still to print
  std::optional<CompleteRows> rows{};

  // As it is to be printed. Borrowed until the next call.
  Result<const Event*> shown(const Event& event) {
    if (rows) return rows->complete(event);
    return &event;
  }
};

bool has_pattern(const EventsOptions& options) {
  return std::any_of(options.streams.begin(), options.streams.end(),
                     [](const std::string& stream) { return is_pattern(stream); });
}

Status check_options(const EventsOptions& options) {
  if (options.has_key && (options.streams.size() != 1 || has_pattern(options))) {
    return fail(Code::misconfigured, "--key needs one stream: --stream NAME, without * and ?");
  }
  if (options.from_revision && (options.streams.size() != 1 || has_pattern(options))) {
    return fail(Code::misconfigured,
                "--from-revision needs one stream: --stream NAME, without * and ?");
  }
  return {};
}

// A stream that `--follow` waits for may not exist yet, and more may come to fit a pattern.
Result<std::vector<std::string>> narrow(StoreReader& reader, const EventsOptions& options) {
  if (options.follow && (has_pattern(options) || options.streams.empty())) {
    return std::vector<std::string>{};
  }
  return matching_streams(reader, options.streams);
}

Result<Range> range_of(const CommandContext& context, StoreReader& reader,
                       const EventsOptions& options, const std::vector<std::string>& streams) {
  Range range{Position{0}, reader.durable()};
  if (options.from_revision) {
    TRY_DO(reader.seek(options.streams.front(), Revision{*options.from_revision}));
    range.first = reader.position();
  }
  if (options.from.empty() && options.until.empty()) return range;
  TRY(const std::string source, deciding_source(reader, streams));
  if (!options.from.empty()) {
    TRY(const Place from, parse_place(options.from, "--from", context.clock.now()));
    TRY(range.first, first_position(reader, from, source));
  }
  if (!options.until.empty()) {
    TRY(const Place until, parse_place(options.until, "--until", context.clock.now()));
    TRY(range.end, end_position(reader, until, source));
  }
  return range;
}

Status print_taken(Reading& reading, const Event& event) {
  TRY(const bool taken, reading.choice.takes(event));
  if (!taken) return {};
  // One that did not exist yet when the reading began.
  if (event.revision < Revision{reading.options.from_revision.value_or(0)}) return {};
  --reading.left;
  TRY(const Event* const shown, reading.shown(event));
  return reading.printer.print(*shown);
}

Status print_forwards(Reading& reading, const Range& range) {
  reading.reader.read_until(range.end);
  TRY_DO(reading.reader.seek(range.first));
  while (reading.left > 0) {
    TRY(const Event* const event, reading.reader.next());
    if (event == nullptr || event->position >= range.end) break;
    TRY_DO(print_taken(reading, *event));
  }
  return {};
}

Status follow(Reading& reading, const Range& range) {
  TRY_DO(reading.reader.seek(range.first));
  while (reading.left > 0) {
    TRY(const Event* const event, reading.reader.next());
    if (event != nullptr) {
      TRY_DO(print_taken(reading, *event));
      continue;
    }
    TRY_DO(reading.printer.flush());
    std::this_thread::sleep_for(follow_interval);
  }
  return {};
}

Status print_backwards(Reading& reading, const Range& range) {
  reading.reader.read_back_to(range.first);
  TRY_DO(reading.reader.seek(range.end));
  while (reading.left > 0) {
    TRY(const Event* const event, reading.reader.previous());
    if (event == nullptr) return {};
    TRY_DO(print_taken(reading, *event));
  }
  return {};
}

// Where a stream ended, if that event is still there.
Result<std::string> end_text(StoreReader& reader, const StreamState& stream) {
  const std::string text = fmt::format("stream {} was {} at revision {}", stream.name,
                                       name_of(stream.life.status), stream.next.value - 1);
  EventFilter filter;
  filter.streams = {stream.name};
  filter.also_not_counting = true;
  reader.set_filter(std::move(filter));
  TRY_DO(reader.seek(reader.durable()));
  TRY(const Event* const last, reader.previous());
  if (last == nullptr || !is_stream_event(last->type)) return text;
  return fmt::format("{}, position {}, {}", text, last->position.value,
                     print_time(last->append_time));
}

// A stream that ended has no events, and somebody who asks for it wants to know why.
Status tell_ended(const CommandContext& context, const EventsOptions& options) {
  if (options.streams.empty()) return {};
  TRY(const auto reader, open_reader(context, options.common));
  TRY(const auto streams, reader->streams());
  std::size_t by_pattern = 0;
  for (const StreamState& stream : streams) {
    if (stream.life.status == StreamStatus::open) continue;
    const auto& asked = options.streams;
    if (std::find(asked.begin(), asked.end(), stream.name) != asked.end()) {
      TRY(const std::string text, end_text(*reader, stream));
      TRY_DO(context.err.line("tidelog: note: " + text + ": it has no events"));
    } else if (std::any_of(asked.begin(), asked.end(), [&](const std::string& pattern) {
                 return matches(pattern, stream.name);
               })) {
      ++by_pattern;
    }
  }
  if (by_pattern == 0) return {};
  return context.err.line(
      fmt::format("tidelog: note: {} of the streams that fit were deleted or tombstoned: they have "
                  "no events",
                  by_pattern));
}

Status print_range(Reading& reading, const Range& range) {
  if (reading.options.backwards) return print_backwards(reading, range);
  if (reading.options.follow) return follow(reading, range);
  return print_forwards(reading, range);
}

EventForm form_of(const EventsOptions& options) {
  if (!options.format.empty()) return EventForm::record;
  return options.common.json ? EventForm::flat : EventForm::table;
}

}  // namespace

Status print_events(const CommandContext& context, const EventsOptions& options) {
  TRY_DO(check_options(options));
  TRY(const auto reader, open_reader(context, options.common));
  TRY(const std::vector<std::string> streams, narrow(*reader, options));
  TRY_DO(tell_ended(context, options));
  TRY(const Range range, range_of(context, *reader, options, streams));
  TRY(EventChoice choice,
      EventChoice::make(*reader, options.streams, options.types,
                        options.has_key ? std::optional(options.key) : std::nullopt));
  const auto lasting =
      options.follow ? EventChoice::Lasting::for_ever : EventChoice::Lasting::until_now;
  TRY(EventFilter filter, choice.for_reader(streams, lasting));
  reader->set_filter(std::move(filter));
  const std::uint64_t limit =
      options.limit == 0 ? std::numeric_limits<std::uint64_t>::max() : options.limit;
  Reading reading{options, *reader, std::move(choice),
                  EventPrinter(context.out, *reader, form_of(options), context.out_is_terminal),
                  limit};
  std::string damage;
  if (options.whole_rows) {
    reading.rows.emplace(*reader, CompleteRowsOptions{}, [&](const std::string& what) {
      damage +=
          fmt::format("tidelog: note: a state snapshot is damaged and was passed over: {}\n", what);
    });
  }
  const Status printed = print_range(reading, range);
  TRY_DO(context.err.write(damage));
  TRY_DO(reading.printer.flush());  // of a damaged store, too: what is whole
  TRY_DO(printed);
  return reading.choice.key_was_readable();
}

}  // namespace tidelog
