#include "app/source_run.h"

#include <fmt/format.h>

#include <exception>

#include "app/pause.h"
#include "app/postgres_options.h"
#include "connectors/postgres/source.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

constexpr auto lag_interval = std::chrono::milliseconds(2000);
constexpr auto load_report_interval = std::chrono::seconds(5);

IngestOptions ingest_options(const SourceConfig& config) {
  IngestOptions options;
  options.name = config.name;
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
      options_(postgres_options(config, warn_in(log, config.name), stop_)),
      source_(postgres_source(options_)),
      ingest_(store, *source_, clock, ingest_options(config)),
      load_reported_(clock.steady()),
      lag_thread_([this] { watch_lag(); }),
      thread_([this] { work(); }) {}

SourceRun::~SourceRun() = default;

void SourceRun::work() {
  Status result;
  try {
    result = ingest_.run(stop_);
  } catch (const std::exception& error) {
    result = fail(Code::failed, error.what());
  }
  const std::scoped_lock lock(mutex_);
  result_ = std::move(result);
}

// The server is asked on a connection of its own, so that an answer that takes long delays nothing.
void SourceRun::watch_lag() {
  do {
    const IngestProgress progress = ingest_.progress();
    if (progress.state != IngestProgress::State::streaming) continue;
    const auto server = postgres_progress(options_, progress.position);
    const auto end = server ? read_postgres_lsn(server->server_position) : Result<Lsn>(Lsn{});
    const std::scoped_lock lock(mutex_);
    if (server && end) {
      lag_.look(*end, server->lag_bytes, clock_.now());
    } else {
      lag_.not_known();
    }
  } while (pause(lag_interval, stop_));
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
  if (progress.state == IngestProgress::State::streaming) {
    status.lag_bytes = lag_.bytes();
    status.lag_seconds = lag_.seconds(progress.commit_time, clock_.now());
  }
  status.error = progress.problem;
  return status;
}

}  // namespace tidelog
