#include "app/source_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/run_status.h"
#include "app/table.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

SourceStatus stopped(const SourceState& state, Position durable) {
  SourceStatus status;
  status.name = state.name;
  status.state = "stopped";
  status.position = durable.value;
  status.confirmed = print_source_position(state.position);
  return status;
}

// What no run tells: a source that nobody runs stands where the store says.
Result<std::vector<SourceStatus>> states_from_store(const CommandContext& context,
                                                    const std::string& path) {
  TRY(const auto reader, StoreReader::open(context.disk, path));
  TRY(const StoreStats stats, reader->stats());
  std::vector<SourceStatus> out;
  for (const SourceState& source : stats.sources) out.push_back(stopped(source, stats.durable));
  return out;
}

// What the last run said why it stopped, which the store does not know.
void add_errors(std::vector<SourceStatus>& states, const RunStatus& last) {
  for (SourceStatus& state : states) {
    const auto told = std::find_if(last.sources.begin(), last.sources.end(),
                                   [&](const auto& source) { return source.name == state.name; });
    if (told != last.sources.end()) state.error = told->error;
  }
}

Result<std::vector<SourceStatus>> source_states(const CommandContext& context,
                                                const std::string& path) {
  TRY(const auto last, read_run_status(context.disk, path));
  if (last && is_current(*last, context.clock.now())) return last->sources;
  TRY(auto states, states_from_store(context, path));
  if (last) add_errors(states, *last);
  return states;
}

std::string or_unknown(const std::string& text) { return text.empty() ? "-" : text; }

Table table_of(const std::vector<SourceStatus>& states) {
  Table table({{"source"},
               {"state"},
               {"position", Align::right},
               {"confirmed"},
               {"lag", Align::right},
               {"behind", Align::right},
               {"held back", Align::right},
               {"slot"},
               {"safe for", Align::right},
               {"problem"}});
  for (const SourceStatus& state : states) {
    table.add({state.name, state.state, with_commas(state.position), or_unknown(state.confirmed),
               state.lag_bytes ? print_bytes(*state.lag_bytes) : "-",
               state.lag_seconds ? fmt::format("{:.1f} s", *state.lag_seconds) : "-",
               state.retained_bytes ? print_bytes(*state.retained_bytes) : "-",
               or_unknown(state.wal_status),
               state.safe_wal_bytes ? print_bytes(*state.safe_wal_bytes) : "-",
               one_line(state.error.empty() ? state.warning : state.error, 100)});
  }
  return table;
}

}  // namespace

Status print_source_states(const CommandContext& context, const CommonOptions& options) {
  TRY(const std::string path, store_path(context, options));
  TRY(const auto states, source_states(context, path));
  if (!options.json) {
    TRY_DO(context.out.write(table_of(states).take(context.out_is_terminal)));
    return context.out.flush();
  }
  for (const SourceStatus& state : states) TRY_DO(context.out.line(print_source_status(state)));
  return context.out.flush();
}

}  // namespace tidelog
