#include "app/load_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "app/pause.h"
#include "app/progress.h"
#include "app/requests.h"
#include "app/run_status.h"

namespace tidelog {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(200);
// The run looks for requests ten times a second.
constexpr auto answer_patience = std::chrono::seconds(15);
constexpr auto unseen_patience = std::chrono::seconds(15);

Result<RunStatus> current_run(const CommandContext& context, const std::string& store) {
  TRY(const auto status, read_run_status(context.disk, store));
  if (status && is_current(*status, context.clock.now())) return *status;
  return fail(Code::unavailable,
              fmt::format("no `tidelog run` is at work on {}: a load goes on beside its stream, so "
                          "start it first",
                          store));
}

// "shop.public.orders" is the source "shop" and the table "public.orders".
Result<LoadRequest> request_of(const LoadOptions& options, const RunStatus& run) {
  std::string known;
  for (const SourceStatus& source : run.sources) {
    known += (known.empty() ? "" : ", ") + source.name;
    if (!options.stream.starts_with(source.name + ".")) continue;
    LoadRequest request;
    request.what = options.cancel ? LoadRequest::What::cancel : LoadRequest::What::load;
    request.source = source.name;
    request.table = options.stream.substr(source.name.size() + 1);
    request.where = options.where;
    request.anew = options.anew;
    return request;
  }
  return fail(Code::misconfigured,
              fmt::format("{} begins with no source of this run ({}): a table's stream is "
                          "{{source}}.{{schema}}.{{table}}",
                          options.stream, known));
}

Result<LoadAnswer> wait_for_answer(const CommandContext& context, const std::string& store,
                                   const std::string& name) {
  const auto deadline = context.clock.steady() + answer_patience;
  for (;;) {
    TRY(const auto answer, take_answer(context.disk, store, name));
    if (answer) return *answer;
    if (context.clock.steady() >= deadline) break;
    pause(look_interval, std::stop_token{});
  }
  TRY_DO(withdraw(context.disk, store, name));
  return fail(Code::timeout, "the run did not answer; nothing was begun");
}

const LoadStatus* find_load(const RunStatus& run, const LoadRequest& request,
                            std::uint64_t number) {
  for (const SourceStatus& source : run.sources) {
    if (source.name != request.source) continue;
    for (const LoadStatus& load : source.loads) {
      if (load.table == request.table && load.number == number) return &load;
    }
  }
  return nullptr;
}

Status ended(const LoadStatus& load, Progress& progress) {
  if (load.state == "ended") return progress.finish("loaded", load.rows);
  return fail(Code::failed, fmt::format("the load of {} {}{}{}; what was loaded stays", load.table,
                                        load.state == "failed" ? "failed" : "was cancelled",
                                        load.problem.empty() ? "" : ": ", load.problem));
}

Status follow(const CommandContext& context, const std::string& store, const LoadRequest& request,
              std::uint64_t number) {
  Progress progress(context.err, context.clock, context.err_is_terminal, "rows", 0);
  auto seen = context.clock.steady();
  for (;;) {
    auto run = current_run(context, store);
    if (!run) {
      return fail(Code::unavailable,
                  "the run has ended; the load goes on with the next one, where it stopped");
    }
    if (const LoadStatus* const load = find_load(*run, request, number)) {
      seen = context.clock.steady();
      progress.set_total(load->rows_estimated);
      TRY_DO(progress.at(load->rows));
      const bool is_open = load->state == "waiting" || load->state == "loading";
      if (!is_open) return ended(*load, progress);
    } else if (context.clock.steady() - seen > unseen_patience) {
      return fail(Code::failed, "the run no longer tells of the load of " + request.table +
                                    ": its source was paused or has stopped; `tidelog events "
                                    "--type load_step` says how far it came");
    }
    pause(look_interval, std::stop_token{});
  }
}

}  // namespace

Status load_table(const CommandContext& context, const LoadOptions& options) {
  TRY(const std::string store, store_path(context, options.common));
  TRY(const RunStatus run, current_run(context, store));
  TRY(const LoadRequest request, request_of(options, run));
  TRY(const std::string name, ask(context.disk, store, request, context.clock.now()));
  TRY(const LoadAnswer answer, wait_for_answer(context, store, name));
  if (!answer.refused.empty()) return fail(Code::conflict, answer.refused);
  if (options.cancel || options.no_wait) return {};
  return follow(context, store, request, answer.number);
}

}  // namespace tidelog
