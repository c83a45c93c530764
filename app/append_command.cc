#include "app/append_command.h"

#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <iostream>
#include <mutex>
#include <optional>
#include <variant>

#include "app/append_lines.h"
#include "app/expectation.h"
#include "app/progress.h"
#include "app/table.h"
#include "app/writing.h"
#include "core/application_event.h"
#include "eventstore/event_store.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

// Appends on their way at the same time, with --each.
constexpr std::size_t in_flight_max = 64;

// ---- Input ----

// Calls take(number, line) for each line that is not blank.
using TakeLine = std::function<Status(std::uint64_t, std::string_view)>;

Status for_lines_of(std::istream& in, const TakeLine& take) {
  std::string line;
  for (std::uint64_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    TRY_DO(take(number, line));
  }
  if (in.bad()) return fail(Code::failed, "cannot read standard input");
  return {};
}

Status for_lines_of(std::string_view text, const TakeLine& take) {
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    TRY_DO(take(number, line));
  }
  return {};
}

Status for_lines(const CommandContext& context, const AppendOptions& options,
                 const TakeLine& take) {
  if (options.file.empty() || options.file == "-") return for_lines_of(std::cin, take);
  auto text = read_file(context.disk, options.file);
  if (!text) return fail(Code::misconfigured, text.error().what);
  return for_lines_of(std::string_view(*text), take);
}

Result<NewEvent> event_of(const AppendOptions& options, std::uint64_t number,
                          std::string_view line) {
  auto event = parse_event_line(line, options.type);
  if (event) return event;
  return fail_in(fmt::format("{} line {}", options.file.empty() ? "-" : options.file, number),
                 event.error());
}

// ---- Answers ----

std::string answer_json(const AppendOptions& options, const AppendedEvents& appended) {
  std::string out = "{\"stream\":";
  put_json_text(out, options.stream);
  out += fmt::format(R"(,"position":{},"events":{},"revision":{},"repeated":{}}})",
                     appended.first.value, appended.count, appended.next.front().value - 1,
                     appended.repeated);
  return out;
}

std::string answer_text(const AppendOptions& options, const AppendedEvents& appended) {
  return fmt::format(
      "{} {} event{} {} stream {}, from position {} on; the stream is at revision {}",
      appended.repeated ? "repeated:" : "appended", with_commas(appended.count),
      appended.count == 1 ? "" : "s", appended.repeated ? "were already in" : "to", options.stream,
      appended.first.value, appended.next.front().value - 1);
}

// Says what became of an append. A conflict is the command's error.
Status answer(const CommandContext& context, const AppendOptions& options,
              const AppendOutcome& outcome) {
  if (const auto* conflict = std::get_if<AppendConflict>(&outcome)) {
    if (options.common.json) TRY_DO(context.out.line(print_json(*conflict)));
    return fail(Code::conflict, print(*conflict));
  }
  const auto& appended = std::get<AppendedEvents>(outcome);
  if (options.common.json) return context.out.line(answer_json(options, appended));
  return options.each ? Status() : context.out.line(answer_text(options, appended));
}

// ---- One append for all lines ----

Status append_all(const CommandContext& context, const AppendOptions& options,
                  const ExpectedRevision& expected, EventStore& store) {
  StreamAppend part{options.stream, expected, {}};
  TRY_DO(for_lines(context, options, [&](std::uint64_t number, std::string_view line) -> Status {
    TRY(part.events.emplace_back(), event_of(options, number, line));
    return {};
  }));
  if (part.events.empty()) return fail(Code::misconfigured, "no line holds an event");
  if (!options.event_id.empty()) {
    if (part.events.size() != 1)
      return fail(Code::misconfigured, "--event-id is for a single event: give each line its `id`");
    part.events.front().id = *parse_event_id(options.event_id);
  }
  TRY(const AppendOutcome outcome, store.append(AppendRequest{{std::move(part)}}));
  return answer(context, options, outcome);
}

// ---- An append for each line ----

// Several are on their way at once; answers are taken in the lines' order. One thread, and the
// store's for what it answers.
class EachLine {
 public:
  EachLine(const CommandContext& context, const AppendOptions& options, ExpectedRevision expected,
           EventStore& store)
      : context_(context), options_(options), expected_(expected), store_(store) {}
  ~EachLine() {
    while (!flying_.empty()) static_cast<void>(next_answer());
  }
  EachLine(const EachLine&) = delete;
  EachLine& operator=(const EachLine&) = delete;

  Status append(std::uint64_t number, std::string_view line) {
    TRY(NewEvent event, event_of(options_, number, line));
    if (flying_.size() == in_flight_max) TRY_DO(take_answer());
    Flight& flight = flying_.emplace_back();
    flight.line = number;
    store_.submit(AppendRequest{{{options_.stream, expected_, {std::move(event)}}}},
                  [this, &flight](Result<AppendOutcome> outcome) {
                    const std::lock_guard lock(mutex_);
                    flight.outcome = std::move(outcome);
                    arrived_.notify_one();
                  });
    expected_ = after(expected_);
    return {};
  }
  Status finish() {
    while (!flying_.empty()) TRY_DO(take_answer());
    return {};
  }
  std::uint64_t appended() const { return appended_; }
  std::uint64_t repeated() const { return repeated_; }

 private:
  struct Flight {
    std::uint64_t line = 0;
    std::optional<Result<AppendOutcome>> outcome;
  };

  // What the next line expects when this one was appended.
  static ExpectedRevision after(const ExpectedRevision& expected) {
    switch (expected.kind) {
      case ExpectedRevision::Kind::any:
      case ExpectedRevision::Kind::exists:
        return expected;
      case ExpectedRevision::Kind::no_stream:
        return ExpectedRevision::exactly({0});
      case ExpectedRevision::Kind::exactly:
        return ExpectedRevision::exactly(expected.revision + std::uint64_t{1});
    }
    return expected;
  }

  bool has_arrived() {
    const std::lock_guard lock(mutex_);
    return flying_.front().outcome.has_value();
  }

  Flight next_answer() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return flying_.front().outcome.has_value(); });
    Flight flight = std::move(flying_.front());
    flying_.pop_front();
    return flight;
  }

  Status take_answer() {
    // Before waiting for more, whoever reads the answers gets those that are there.
    if (!has_arrived()) TRY_DO(context_.out.flush());
    const Flight flight = next_answer();
    const Result<AppendOutcome>& outcome = *flight.outcome;
    if (!outcome) return fail_in(fmt::format("line {}", flight.line), outcome.error());
    if (const auto* appended = std::get_if<AppendedEvents>(&*outcome))
      (appended->repeated ? repeated_ : appended_) += 1;
    auto answered = answer(context_, options_, *outcome);
    if (answered) return answered;
    return fail_in(fmt::format("line {}", flight.line), answered.error());
  }

  const CommandContext& context_;
  const AppendOptions& options_;
  ExpectedRevision expected_;
  EventStore& store_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Flight> flying_;  // a deque: those on their way stay where they are
  std::uint64_t appended_ = 0;
  std::uint64_t repeated_ = 0;
};

Status append_each(const CommandContext& context, const AppendOptions& options,
                   const ExpectedRevision& expected, EventStore& store) {
  if (!options.event_id.empty())
    return fail(Code::misconfigured, "--event-id is for a single event: give each line its `id`");
  Progress progress(context.err, context.clock, context.err_is_terminal, "events", 0);
  EachLine each(context, options, expected, store);
  Status appended = for_lines(context, options, [&](std::uint64_t number, std::string_view line) {
    progress.show(each.appended());
    return each.append(number, line);
  });
  // What is on its way is answered, whatever was wrong with a later line.
  const Status finished = each.finish();
  if (appended) appended = finished;
  TRY_DO(progress.finish("appended", each.appended()));
  if (each.repeated() != 0)
    TRY_DO(context.err.line(
        fmt::format("{} were in the stream already", with_commas(each.repeated()))));
  return appended;
}

Result<std::unique_ptr<EventStore>> open_store(const CommandContext& context,
                                               const AppendOptions& options) {
  TRY(const StoreConfig config, store_config(context, options.common));
  if (!options.create) {
    auto reader = StoreReader::open(context.disk, config.path);
    if (!reader && reader.error().code == Code::not_found) {
      return fail(Code::not_found,
                  reader.error().what + ": --create makes an empty one, as `tidelog run` does");
    }
    TRY_DO(std::move(reader));
  }
  return EventStore::open(context.disk, context.clock, config.path,
                          store_options(config, context.clock, "append"));
}

}  // namespace

Status append_events(const CommandContext& context, const AppendOptions& options) {
  TRY(const ExpectedRevision expected, parse_expected(options.expected));
  if (!options.event_id.empty() && !parse_event_id(options.event_id)) {
    return fail(Code::misconfigured,
                fmt::format("--event-id: expected a UUID, found `{}`", options.event_id));
  }
  TRY(const auto store, open_store(context, options));
  TRY_DO(tell_pending_erasures(context, *store));
  const auto append = options.each ? append_each : append_all;
  TRY_DO(append(context, options, expected, *store));
  return context.out.flush();
}

}  // namespace tidelog
