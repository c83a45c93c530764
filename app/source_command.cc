#include "app/source_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/nearest.h"
#include "app/run_status.h"
#include "app/source_orders.h"
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
    if (told == last.sources.end()) continue;
    state.error = told->error;
    state.failed_from = told->failed_from;
    state.failed_behind = told->failed_behind;
  }
}

Result<std::vector<SourceStatus>> source_states(const CommandContext& context,
                                                const std::string& path) {
  TRY(const auto last, read_run_status(context.disk, path));
  if (last && is_current(*last, context.clock.now())) return last->sources;
  TRY(auto states, states_from_store(context, path));
  if (last) add_errors(states, *last);
  TRY(const SourceOrders orders, read_source_orders(context.disk, path));
  for (SourceStatus& state : states) {
    if (orders.paused.contains(state.name)) state.state = "paused";
  }
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
    const std::string loads =
        state.loads_open == 0 ? "" : fmt::format(", loads {}", state.loads_open);
    table.add({state.name, state.state + loads, with_commas(state.position),
               or_unknown(state.confirmed), state.lag_bytes ? print_bytes(*state.lag_bytes) : "-",
               state.lag_seconds ? fmt::format("{:.1f} s", *state.lag_seconds) : "-",
               state.retained_bytes ? print_bytes(*state.retained_bytes) : "-",
               or_unknown(state.wal_status),
               state.safe_wal_bytes ? print_bytes(*state.safe_wal_bytes) : "-",
               one_line(state.error.empty() ? state.warning : state.error, 100)});
  }
  return table;
}

Result<SourceStatus> source_named(const CommandContext& context, const std::string& path,
                                  const std::string& name) {
  TRY(const auto states, source_states(context, path));
  std::vector<std::string_view> names;
  for (const SourceStatus& state : states) {
    if (state.name == name) return state;
    names.push_back(state.name);
  }
  return fail(Code::not_found, fmt::format("the store {} has no source `{}`{}", path, name,
                                           suggestion(name, names)));
}

// What a person reads, or the one line of --json.
Status tell(const CommandContext& context, const SourceOrderOptions& options, std::string_view did,
            const std::string& text) {
  if (!options.common.json) {
    TRY_DO(context.out.line(text));
  } else {
    using OrderJson = nlohmann::ordered_json;
    const OrderJson line = {{"source", options.source}, {"order", did}};
    TRY_DO(context.out.line(line.dump(-1, ' ', false, OrderJson::error_handler_t::replace)));
  }
  return context.out.flush();
}

Status set_paused(const CommandContext& context, const SourceOrderOptions& options, bool paused) {
  TRY(const std::string path, store_path(context, options.common));
  TRY_DO(source_named(context, path, options.source));
  TRY(SourceOrders orders, read_source_orders(context.disk, path));
  if (paused) {
    orders.paused.insert(options.source);
  } else {
    orders.paused.erase(options.source);
  }
  return write_source_orders(context.disk, path, orders);
}

// The transaction that the source stands at, with why it cannot be decoded.
Result<SkipOrder> skip_order(const std::string& path, const SourceStatus& state,
                             const std::string& position) {
  const bool stands_there =
      !state.failed_behind.empty() && state.failed_from == position && state.state != "streaming";
  if (stands_there) {
    return SkipOrder{state.failed_from, state.failed_behind,
                     "a transaction was skipped by order: " + state.error};
  }
  return fail(
      Code::misconfigured,
      fmt::format("the source {} of {} does not stand at a transaction that cannot be decoded, so "
                  "there is nothing to skip: it is {}{}",
                  state.name, path, state.state, state.error.empty() ? "" : ": " + state.error));
}

}  // namespace

Status pause_source(const CommandContext& context, const SourceOrderOptions& options) {
  TRY_DO(set_paused(context, options, true));
  return tell(context, options, "pause",
              fmt::format("{} pauses until `tidelog source resume {}`; its slot is kept, and holds "
                          "the server's log back",
                          options.source, options.source));
}

Status resume_source(const CommandContext& context, const SourceOrderOptions& options) {
  TRY_DO(set_paused(context, options, false));
  return tell(context, options, "resume", fmt::format("{} goes on", options.source));
}

Status skip_transaction(const CommandContext& context, const SourceOrderOptions& options) {
  TRY(const std::string path, store_path(context, options.common));
  TRY(const SourceStatus state, source_named(context, path, options.source));
  TRY(const auto reader, StoreReader::open(context.disk, path));
  TRY(const StoreStats stats, reader->stats());
  std::string position;
  for (const SourceState& source : stats.sources) {
    if (source.name == options.source) position = source.position;
  }
  TRY(SkipOrder order, skip_order(path, state, position));
  const std::string behind = print_source_position(order.behind);
  TRY(SourceOrders orders, read_source_orders(context.disk, path));
  orders.skips[options.source] = std::move(order);
  TRY_DO(write_source_orders(context.disk, path, orders));
  return tell(context, options, "skip",
              fmt::format("{} goes on at {}, behind the transaction that cannot be decoded, and "
                          "leaves a `gap` event in its place: at once if `tidelog run` works, or "
                          "when it begins",
                          options.source, behind));
}

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
