#include "app/stream_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "app/consumer_floor.h"
#include "app/expectation.h"
#include "app/progress.h"
#include "app/retention_run.h"
#include "app/table.h"
#include "app/writing.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

// ---- Answers ----

std::string answer_json(const StreamCommandOptions& options, const StreamChanged& changed) {
  std::string out = "{\"stream\":";
  put_json_text(out, options.stream);
  return out + fmt::format(R"(,"status":"{}","first_revision":{},"position":{},"changed":{}}})",
                           name_of(changed.life.status), changed.life.first.value,
                           changed.position ? std::to_string(changed.position->value) : "null",
                           changed.position.has_value());
}

std::string what_is(const StreamChanged& changed) {
  switch (changed.life.status) {
    case StreamStatus::open:
      return fmt::format("begins at revision {}", changed.life.first.value);
    case StreamStatus::deleted:
      return "is deleted; the next append begins it anew";
    case StreamStatus::tombstoned:
      return "is ended for ever";
  }
  return "is open";
}

std::string answer_text(const StreamCommandOptions& options, const StreamChanged& changed) {
  if (!changed.position) {
    if (changed.next.value == 0) return fmt::format("stream {} has no events", options.stream);
    return fmt::format("stream {} {}, as before", options.stream, what_is(changed));
  }
  return fmt::format(
      "stream {} {}, said at position {}; the space is free after the next `store compact`, or "
      "when the running service has sealed it",
      options.stream, what_is(changed), changed.position->value);
}

Status answer(const CommandContext& context, const StreamCommandOptions& options,
              const StreamOutcome& outcome) {
  if (const auto* conflict = std::get_if<AppendConflict>(&outcome)) {
    if (options.common.json) {
      TRY_DO(context.out.line(print_json(*conflict)));
      TRY_DO(context.out.flush());
    }
    return fail(Code::conflict, print(*conflict));
  }
  const auto& changed = std::get<StreamChanged>(outcome);
  TRY_DO(context.out.line(options.common.json ? answer_json(options, changed)
                                              : answer_text(options, changed)));
  return context.out.flush();
}

// ---- Tables ----

Result<StreamState> state_of(StoreReader& reader, const std::string& stream) {
  TRY_DO(check_stream(reader, stream));
  TRY(const auto streams, reader.streams());
  const auto found = std::find_if(streams.begin(), streams.end(),
                                  [&](const StreamState& state) { return state.name == stream; });
  if (found != streams.end()) return *found;
  return fail(Code::corrupt, fmt::format("stream {} has a name and nothing else", stream));
}

Status check_table(const StreamCommandOptions& options, const StreamState& table) {
  if (options.expected != "any") {
    return fail(Code::misconfigured,
                fmt::format("--expected-revision is for streams that applications append to; {} "
                            "holds the rows of a table",
                            options.stream));
  }
  if (options.before <= table.next.value) return {};
  return fail(Code::misconfigured,
              fmt::format("stream {} is at revision {}: it can be truncated before the revision "
                          "after that at most",
                          options.stream, table.next.value - 1));
}

Status truncate_table(const CommandContext& context, const StreamCommandOptions& options,
                      EventStore& store) {
  TRY(const Position floor, consumer_floor(context, options.common, options.past_consumers));
  TRY_DO(finish_erasures(context, store, "store truncate"));
  TRY_DO(store.seal());
  Progress progress(context.err, context.clock, context.err_is_terminal, "events",
                    store.durable().value);
  TRY(const RetentionReport report,
      truncate_table(store, options.stream, {options.before}, floor,
                     [&](Position done) { progress.show(done.value); }));
  if (report.events_removed == 0 && !report.held_back) {
    TRY_DO(context.err.line(
        "tidelog: note: nothing goes: a table is cut at a segment's begin, and no segment ends "
        "before that revision that was not cut already"));
  }
  TRY_DO(print_retention(context, options.common.json, report, PackingReport{}));
  return context.out.flush();
}

}  // namespace

Status truncate_stream(const CommandContext& context, const StreamCommandOptions& options) {
  TRY(const ExpectedRevision expected, parse_expected(options.expected));
  TRY(const auto store, open_for_writing(context, options.common, "store truncate"));
  TRY(const auto reader, store->reader());
  TRY(const StreamState state, state_of(*reader, options.stream));
  if (state.is_table) {
    TRY_DO(check_table(options, state));
    return truncate_table(context, options, *store);
  }
  TRY_DO(tell_pending_erasures(context, *store));
  TRY(const StreamOutcome outcome,
      store->truncate_stream(options.stream, {options.before}, expected));
  return answer(context, options, outcome);
}

Status delete_stream(const CommandContext& context, const StreamCommandOptions& options) {
  TRY(const ExpectedRevision expected, parse_expected(options.expected));
  TRY(const auto store, open_for_writing(context, options.common, "store delete"));
  TRY_DO(tell_pending_erasures(context, *store));
  // A name that was never used can be barred for ever; to delete it is a misspelt name.
  if (!options.for_ever) {
    TRY(const auto reader, store->reader());
    TRY_DO(check_stream(*reader, options.stream));
  }
  TRY(const StreamOutcome outcome, options.for_ever
                                       ? store->tombstone_stream(options.stream, expected)
                                       : store->delete_stream(options.stream, expected));
  return answer(context, options, outcome);
}

}  // namespace tidelog
