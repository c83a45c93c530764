#include "app/store_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "app/progress.h"
#include "app/table.h"
#include "core/source_position.h"
#include "eventstore/verify.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

// A number, or null when there is no event.
std::string last_position(Position durable) {
  return durable == Position{0} ? "null" : fmt::format("{}", durable.value - 1);
}

// What a person reads of streams at once.
constexpr std::size_t streams_shown_max = 50;

// Those that were truncated, deleted or tombstoned.
std::vector<StreamState> changed_streams(const std::vector<StreamState>& streams) {
  std::vector<StreamState> changed;
  std::copy_if(streams.begin(), streams.end(), std::back_inserter(changed),
               [](const StreamState& stream) { return stream.life != StreamLife{}; });
  return changed;
}

std::string print_json(const std::vector<StreamState>& streams) {
  std::string out;
  for (const StreamState& stream : streams) {
    if (!out.empty()) out += ',';
    out += "{\"stream\":";
    put_json_text(out, stream.name);
    out += fmt::format(R"(,"status":"{}","first_revision":{},"revision":{}}})",
                       name_of(stream.life.status), stream.life.first.value, stream.next.value - 1);
  }
  return '[' + out + ']';
}

Status print_stats_json(const CommandContext& context, const StoreStats& stats,
                        const std::vector<StreamState>& streams) {
  TRY_DO(context.out.line(
      fmt::format(R"({{"position":{},"bytes":{},"segments":{},"durable":{},"changed_streams":{}}})",
                  last_position(stats.durable), stats.bytes, stats.segment_count,
                  stats.durable.value, print_json(changed_streams(streams)))));
  return context.out.flush();
}

Table stream_table(const std::vector<StreamState>& changed) {
  Table table({{"stream"}, {"is"}, {"begins at", Align::right}, {"ends at", Align::right}});
  for (std::size_t i = 0; i < std::min(changed.size(), streams_shown_max); ++i) {
    const StreamState& stream = changed[i];
    const bool is_open = stream.life.status == StreamStatus::open;
    table.add({stream.name, std::string(is_open ? "truncated" : name_of(stream.life.status)),
               is_open ? with_commas(stream.life.first.value) : "",
               with_commas(stream.next.value - 1)});
  }
  return table;
}

Status print_changed_streams(const CommandContext& context,
                             const std::vector<StreamState>& streams) {
  const auto changed = changed_streams(streams);
  if (changed.empty()) return {};
  TRY_DO(context.out.write("\n" + stream_table(changed).take(context.out_is_terminal)));
  if (changed.size() <= streams_shown_max) return {};
  return context.out.line(fmt::format("and {} more; --json lists all",
                                      with_commas(changed.size() - streams_shown_max)));
}

std::string print_json(const VerifyReport& report) {
  return fmt::format(
      R"({{"events":{},"position":{},"batches":{},"bytes":{},"indexes":{},"state_snapshots":{},)"
      R"("aggregate_snapshots":{},"whole":{},"damage":{},"warnings":{}}})",
      report.progress.events, last_position(report.durable), report.batches, report.progress.bytes,
      report.index_count, report.state_count, report.aggregate_count, report.damage.empty(),
      json_list(report.damage), json_list(report.warnings));
}

std::string print_whole(const VerifyReport& report) {
  return fmt::format(
      "The store is whole: every checksum, the chain and all positions agree, and {} indexes with "
      "their segments; {} state snapshots read.",
      with_commas(report.index_count), with_commas(report.state_count + report.aggregate_count));
}

Table source_table(const StoreStats& stats) {
  Table table({{"source"}, {"stored up to"}, {"last commit"}, {"last append"}});
  for (const SourceState& source : stats.sources) {
    table.add({source.name, print_source_position(source.position), print_time(source.commit_time),
               print_time(source.append_time)});
  }
  return table;
}

}  // namespace

Status verify_store(const CommandContext& context, const CommonOptions& options) {
  TRY(const auto reader, open_reader(context, options));
  Progress progress(context.err, context.clock, context.err_is_terminal, "bytes", 0);
  TRY(const VerifyReport report,
      verify_store(context.disk, reader->directory(), [&](const VerifyProgress& now) {
        progress.set_total(now.bytes_total);
        progress.show(now.bytes);
      }));
  TRY_DO(progress.finish("verified", report.progress.bytes));
  for (const std::string& damage : report.damage) TRY_DO(context.err.line("damaged: " + damage));
  for (const std::string& warning : report.warnings) {
    TRY_DO(context.err.line("warning: " + warning));
  }
  const bool is_whole = report.damage.empty();
  if (options.json) {
    TRY_DO(context.out.line(print_json(report)));
  } else if (is_whole) {
    TRY_DO(context.out.line(print_whole(report)));
  }
  TRY_DO(context.out.flush());
  if (is_whole) return {};
  return fail(Code::corrupt,
              fmt::format("the store is damaged in {} place{} (see above): reading commands serve "
                          "what is whole before",
                          report.damage.size(), report.damage.size() == 1 ? "" : "s"));
}

Status print_store_stats(const CommandContext& context, const CommonOptions& options) {
  TRY(const auto reader, open_reader(context, options));
  TRY(const StoreStats stats, reader->stats());
  TRY(const auto streams, reader->streams());
  if (options.json) return print_stats_json(context, stats, streams);
  Table table({{"what"}, {"amount", Align::right}});
  table.add({"positions", with_commas(stats.durable.value)});
  table.add({"streams", with_commas(streams.size())});
  table.add({"on disk", print_bytes(stats.bytes)});
  table.add({"segments", with_commas(stats.segment_count)});
  table.add({"batches", with_commas(stats.batch_count)});
  table.add({"adopted transactions", with_commas(stats.adopted_count)});
  TRY_DO(context.out.write(table.take(context.out_is_terminal)));
  if (!stats.sources.empty()) {
    TRY_DO(context.out.write("\n" + source_table(stats).take(context.out_is_terminal)));
  }
  TRY_DO(print_changed_streams(context, streams));
  return context.out.flush();
}

}  // namespace tidelog
