#include "app/source_run.h"

#include <fmt/format.h>

#include <exception>

#include "app/pause.h"
#include "app/postgres_options.h"
#include "connectors/postgres/server_watch.h"
#include "connectors/postgres/source.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

constexpr auto retry_interval = std::chrono::milliseconds(2000);
constexpr auto load_report_interval = std::chrono::seconds(5);

IngestOptions ingest_options(const SourceConfig& config) {
  IngestOptions options;
  options.name = config.name;
  return options;
}

PostgresOptions until(PostgresOptions options, std::stop_token stop) {
  options.stop = std::move(stop);
  return options;
}

// Set before the thread runs, so the log has to be there for as long as the source.
std::function<void(const Finding&)> warn_in(Log& log, const std::string& source) {
  return [&log, source](const Finding& finding) {
    log.warning("source warns",
                {{"source", source}, {"warning", finding.what}, {"mend", finding.mend}});
  };
}

}  // namespace

SourceRun::SourceRun(EventStore& store, Clock& clock, Log& log, const SourceConfig& config,
                     std::stop_token stop)
    : store_(store),
      clock_(clock),
      log_(log),
      name_(config.name),
      stop_(std::move(stop)),
      halt_with_stop_(stop_, [this] { halt_.request_stop(); }),
      options_(postgres_options(config, warn_in(log, config.name), stop_)),
      source_(postgres_source(until(options_, halt_.get_token()))),
      ingest_(store, *source_, clock, ingest_options(config)),
      load_reported_(clock.steady()),
      watch_(
          options_, clock, log, ingest_, [this](const std::string& reason) { end_for(reason); },
          stop_),
      thread_([this] { work(); }) {}

SourceRun::~SourceRun() = default;

void SourceRun::work() {
  try {
    set_result(run_to_its_end());
    if (is_slot_watched_still()) set_result(run_on_for_the_slot());
  } catch (const std::exception& error) {
    set_result(fail(Code::failed, error.what()));
  }
}

void SourceRun::set_result(Status result) {
  const std::scoped_lock lock(mutex_);
  result_ = std::move(result);
}

void SourceRun::end_for(const std::string& reason) {
  {
    const std::scoped_lock lock(mutex_);
    over_ = reason;
  }
  halt_.request_stop();
}

std::optional<std::string> SourceRun::over() const {
  const std::scoped_lock lock(mutex_);
  return over_;
}

Status SourceRun::run_to_its_end() {
  const Status ended = ingest_.run(halt_.get_token());
  const auto reason = over();
  if (!ended || !reason || stop_.stop_requested()) return ended;
  return end_at_ceiling(*reason);
}

// Whether the slot of a source that has failed is to be dropped when it holds back too much: while
// others go on, nobody else sees to it.
bool SourceRun::is_slot_watched_still() const {
  const auto ended = result();
  return !*ended && ended->error().code != Code::history_lost && options_.retained_wal &&
         options_.retained_wal->then == RetainedWal::Then::drop;
}

Status SourceRun::run_on_for_the_slot() {
  while (pause(std::chrono::hours(1), halt_.get_token())) continue;
  const auto reason = over();
  Status given_up;
  if (reason && !stop_.stop_requested()) given_up = give_up_slot(*reason);
  return given_up ? *result() : given_up;
}

// The server's disk goes before what was not read yet, if the configuration says so.
Status SourceRun::end_at_ceiling(const std::string& reason) {
  if (options_.retained_wal->then == RetainedWal::Then::stop) {
    return ingest_.end_with(
        {Code::misconfigured,
         reason + ": the source stops; set a larger `retained_wal`, so that it can catch up"});
  }
  return give_up_slot(reason);
}

Status SourceRun::give_up_slot(const std::string& reason) {
  for (;;) {
    const auto dropped = drop_source_slot(options_, ingest_.progress().position);
    if (dropped) break;
    if (dropped.error().code == Code::history_lost) return end_with(dropped.error());
    if (!wait_to_retry(reason + ", and cannot be dropped", dropped.error())) return {};
  }
  log_.error("slot dropped", {{"source", name_}, {"reason", reason}});
  const auto resume = read_postgres_resume(ingest_.progress().position);
  const bool has_history = resume && resume->phase == PostgresResume::Phase::streaming;
  return end_with(
      {has_history ? Code::history_lost : Code::misconfigured,
       fmt::format("{}: the slot was dropped, so that the server can remove its log{}", reason,
                   has_history ? "; to begin anew with a full load, give the source another name "
                                 "or use a new store"
                               : "; the existing rows were not loaded yet: set a larger "
                                 "`retained_wal`, and start again")});
}

// A full disk keeps a gap from being stored.
Status SourceRun::end_with(const Error& reason) {
  for (;;) {
    Status ended = ingest_.end_with(reason);
    if (ended.error().code == reason.code || action_for(ended.error().code) != Action::retry)
      return ended;
    if (!wait_to_retry(reason.what + "; this cannot be stored", ended.error())) return {};
  }
}

// False when a stop is asked for.
bool SourceRun::wait_to_retry(const std::string& what, const Error& error) {
  ingest_.set_waiting(what + ": " + error.what);
  return pause(retry_interval, stop_);
}

std::optional<Status> SourceRun::result() const {
  const std::scoped_lock lock(mutex_);
  return result_;
}

void SourceRun::report_state(const IngestProgress& progress) {
  const std::string confirmed = print_source_position(progress.position);
  switch (progress.state) {
    case IngestProgress::State::connecting:
      return log_.info("source connects", {{"source", name_}});
    case IngestProgress::State::loading:
      return log_.info(
          "source loads existing rows",
          {{"source", name_}, {"rows_estimated", fmt::format("{}", progress.rows_estimated)}});
    case IngestProgress::State::streaming:
      return log_.info("source streams", {{"source", name_}, {"from", confirmed}});
    case IngestProgress::State::waiting:
      return log_.warning("source waits", {{"source", name_}, {"problem", progress.problem}});
    case IngestProgress::State::stopped:
      return log_.info("source stopped", {{"source", name_}, {"confirmed", confirmed}});
    case IngestProgress::State::failed:
      return;  // the result says it
  }
}

void SourceRun::report_load(const IngestProgress& progress) {
  if (clock_.steady() - load_reported_ < load_report_interval) return;
  load_reported_ = clock_.steady();
  log_.info("source loads", {{"source", name_},
                             {"table", progress.table},
                             {"rows", fmt::format("{}", progress.rows_loaded)},
                             {"rows_estimated", fmt::format("{}", progress.rows_estimated)}});
}

void SourceRun::report() {
  const IngestProgress progress = ingest_.progress();
  const bool changed = progress.state != reported_.state || progress.problem != reported_.problem;
  has_worked_ = has_worked_ || progress.state == IngestProgress::State::loading ||
                progress.state == IngestProgress::State::streaming;
  if (changed) report_state(progress);
  if (progress.state == IngestProgress::State::loading) report_load(progress);
  reported_ = progress;
}

SourceStatus SourceRun::status() const {
  const IngestProgress progress = ingest_.progress();
  const std::scoped_lock lock(mutex_);
  SourceStatus status;
  status.name = name_;
  status.state = std::string(name_of(progress.state));
  status.position = store_.durable().value;
  if (!progress.position.empty()) status.confirmed = print_source_position(progress.position);
  watch_.tell(progress, status);
  status.error = progress.problem;
  return status;
}

}  // namespace tidelog
