#include "app/source_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "app/first_load.h"
#include "app/pause.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

constexpr auto retry_interval = std::chrono::milliseconds(2000);
// In a status: of the loads that nobody waits for and that do nothing.
constexpr std::size_t idle_loads_max = 20;

IngestOptions ingest_options(const SourceConfig& config, std::optional<SkipOrder> skip) {
  IngestOptions options;
  options.name = config.name;
  options.skip = std::move(skip);
  options.loads.parallel = config.load.parallel;
  options.loads.table = {.chunk_bytes = config.load.chunk_bytes};
  options.first_load = [&config](const std::string& table) { return first_load_of(config, table); };
  options.begins_anew = std::ranges::any_of(config.initial_load, [](const InitialLoad& one) {
    return one.mode == InitialLoad::Mode::when_needed;
  });
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

SourceRun::Capture::Capture(EventStore& store, Clock& clock, const SourceConfig& config,
                            const SourceConnector& connector, std::optional<SkipOrder> skip_ordered)
    : skip(std::move(skip_ordered)),
      source(connector.source(halt.get_token())),
      ingest(store, *source, clock, ingest_options(config, skip)) {}

SourceRun::SourceRun(EventStore& store, Clock& clock, Log& log, const SourceConfig& config,
                     SourceOrder order, std::stop_token stop)
    : store_(store),
      clock_(clock),
      log_(log),
      config_(config),
      stop_(stop_source_.get_token()),
      end_with_stop_(std::move(stop), [this] { end(); }),
      connector_(connector_of(config, warn_in(log, config.name), stop_)),
      load_report_(log, clock, config.name),
      order_(std::move(order)),
      capture_(std::make_shared<Capture>(store_, clock_, config_, *connector_, order_.skip)),
      halt_with_stop_(stop_, [this] { halt(); }),
      watch_(
          config.name, *connector_, clock, log, [this] { return current()->ingest.progress(); },
          [this](const std::string& reason) { end_for(reason); }, stop_),
      thread_([this] { work(); }) {}

SourceRun::~SourceRun() = default;

void SourceRun::work() {
  try {
    set_result(capture_and_obey());
  } catch (const std::exception& error) {
    set_result(fail(Code::failed, error.what()));
  }
}

void SourceRun::set_result(std::optional<Status> result) {
  const std::scoped_lock lock(mutex_);
  result_ = std::move(result);
}

std::shared_ptr<SourceRun::Capture> SourceRun::current() const {
  const std::scoped_lock lock(mutex_);
  return capture_;
}

void SourceRun::halt() { current()->halt.request_stop(); }

void SourceRun::obey(const SourceOrder& order) {
  {
    const std::scoped_lock lock(mutex_);
    if (order == order_) return;
    order_ = order;
  }
  changed_.notify_all();
  if (order.is_paused) halt();
}

void SourceRun::end_for(const std::string& reason) {
  {
    const std::scoped_lock lock(mutex_);
    over_ = reason;
  }
  changed_.notify_all();
  halt();
}

Status SourceRun::capture_and_obey() {
  for (;;) {
    Status ended = capture();
    if (!stop_.stop_requested() && wait_for_order(ended)) continue;
    return ended;
  }
}

std::shared_ptr<SourceRun::Capture> SourceRun::begin_capture() {
  const std::scoped_lock lock(mutex_);
  over_.reset();
  capture_ = std::make_shared<Capture>(store_, clock_, config_, *connector_, order_.skip);
  if (order_.is_paused || stop_.stop_requested()) capture_->halt.request_stop();
  return capture_;
}

// Ok when it was halted: by a stop, or for a pause.
Status SourceRun::capture() {
  const auto capture = begin_capture();
  if (capture->halt.stop_requested()) return {};
  const Status ended = capture->ingest.run(capture->halt.get_token());
  std::optional<std::string> over;
  {
    const std::scoped_lock lock(mutex_);
    over = over_;
  }
  if (!ended || !over || stop_.stop_requested()) return ended;
  return end_at_ceiling(*over);
}

// A source that has failed is tried again by a new pause, which is then resumed, or by the end of
// the one in which it failed.
bool SourceRun::is_told_to_go_on(const Status& ended, bool was_paused) const {
  if (ended) return !order_.is_paused;
  return order_.is_paused != was_paused ||
         (order_.skip && order_.skip != capture_->skip &&
          order_.skip->from == store_.source_position(config_.name));
}

// Of a source that does nothing any more, nobody else sees to it.
bool SourceRun::must_drop_slot(const Status& ended) const {
  return over_ && connector_->at_ceiling() == RetainedWal::Then::drop &&
         (ended || ended.error().code != Code::history_lost);
}

// It is paused, or has failed. False when a stop is asked for.
bool SourceRun::wait_for_order(Status& ended) {
  for (;;) {
    if (!ended) set_result(ended);
    std::unique_lock lock(mutex_);
    rests_ = ended.has_value();
    const bool was_paused = order_.is_paused;
    over_.reset();  // what the watch has found before is acted on; it looks again
    changed_.wait(lock, stop_,
                  [&] { return is_told_to_go_on(ended, was_paused) || must_drop_slot(ended); });
    rests_ = false;
    if (stop_.stop_requested()) return false;
    if (is_told_to_go_on(ended, was_paused)) {
      result_.reset();
      return true;
    }
    const std::string reason = *over_;
    lock.unlock();
    const Status given_up = give_up_slot(reason);
    if (!given_up) ended = given_up;
    if (stop_.stop_requested()) return false;
  }
}

// The server's disk goes before what was not read yet, if the configuration says so.
Status SourceRun::end_at_ceiling(const std::string& reason) {
  if (connector_->at_ceiling() == RetainedWal::Then::stop) {
    return current()->ingest.end_with(
        {Code::misconfigured,
         reason + ": the source stops; set a larger `retained_wal`, so that it can catch up"});
  }
  return give_up_slot(reason);
}

Status SourceRun::give_up_slot(const std::string& reason) {
  for (;;) {
    const auto dropped = connector_->give_up_log(store_.source_position(config_.name));
    if (dropped) break;
    if (dropped.error().code == Code::history_lost) return end_with(dropped.error());
    if (!wait_to_retry(reason + ", and cannot be dropped", dropped.error())) return {};
  }
  log_.error("slot dropped", {{"source", config_.name}, {"reason", reason}});
  return end_with(
      {Code::history_lost,
       fmt::format("{}: the slot was dropped, so that the server can remove its log; to begin anew "
                   "with a full load, set `initial_load: when_needed`",
                   reason)});
}

// A full disk keeps a gap from being stored.
Status SourceRun::end_with(const Error& reason) {
  for (;;) {
    Status ended = current()->ingest.end_with(reason);
    if (ended.error().code == reason.code || action_for(ended.error().code) != Action::retry)
      return ended;
    if (!wait_to_retry(reason.what + "; this cannot be stored", ended.error())) return {};
  }
}

// False when a stop is asked for.
bool SourceRun::wait_to_retry(const std::string& what, const Error& error) {
  current()->ingest.set_waiting(what + ": " + error.what);
  return pause(retry_interval, stop_);
}

// With the lock, nothing begins to work meanwhile.
Result<std::uint64_t> SourceRun::load_anew_while_paused(const TableToLoad& table) {
  const std::scoped_lock lock(mutex_);
  if (!rests_ || !order_.is_paused)
    return fail(Code::conflict, "the source " + config_.name + " is no longer paused: ask again");
  return capture_->ingest.load_anew(table);
}

std::optional<Status> SourceRun::result() const {
  const std::scoped_lock lock(mutex_);
  return result_;
}

void SourceRun::report_state(const IngestProgress& progress) {
  const std::string confirmed = print_source_position(progress.position);
  switch (progress.state) {
    case IngestProgress::State::connecting:
      return log_.info("source connects", {{"source", config_.name}});
    case IngestProgress::State::streaming:
      return log_.info("source streams", {{"source", config_.name}, {"from", confirmed}});
    case IngestProgress::State::waiting:
      return log_.warning("source waits",
                          {{"source", config_.name}, {"problem", progress.problem}});
    case IngestProgress::State::stopped:
      return log_.info("source stopped", {{"source", config_.name}, {"confirmed", confirmed}});
    case IngestProgress::State::failed:
      return;  // the result says it
  }
}

void SourceRun::report_pause(bool is_paused) {
  if (is_paused == std::exchange(paused_reported_, is_paused)) return;
  has_worked_ = true;
  log_.info(is_paused ? "source paused" : "source resumed", {{"source", config_.name}});
}

void SourceRun::report() {
  bool rests = false;
  std::shared_ptr<Capture> capture;
  {
    const std::scoped_lock lock(mutex_);
    rests = rests_;
    capture = capture_;
  }
  report_pause(rests);
  const IngestProgress progress = capture->ingest.progress();
  const bool changed = progress.state != reported_.state || progress.problem != reported_.problem;
  has_worked_ = has_worked_ || progress.state == IngestProgress::State::streaming;
  if (changed) report_state(progress);
  reported_ = progress;
  if (changed || load_report_.is_due()) {
    load_report_.report(capture->ingest.loads().progress());
  }
}

// A source may have very many tables.
void SourceRun::tell_loads(SourceStatus& status) const {
  std::size_t idle = 0;
  for (const LoadProgress& load : capture_->ingest.loads().progress()) {
    const bool is_open =
        load.state == LoadProgress::State::waiting || load.state == LoadProgress::State::loading;
    status.loads_open += is_open ? 1 : 0;
    const bool is_idle = load.state != LoadProgress::State::loading &&
                         load.state != LoadProgress::State::failed && !load.is_asked_for;
    if (is_idle && ++idle > idle_loads_max) continue;
    status.loads.push_back({load.table, load.number, std::string(name_of(load.state)), load.rows,
                            load.rows_estimated, load.problem});
  }
}

SourceStatus SourceRun::status() const {
  const std::scoped_lock lock(mutex_);
  const IngestProgress progress = capture_->ingest.progress();
  SourceStatus status;
  status.name = config_.name;
  status.state = rests_ ? "paused" : std::string(name_of(progress.state));
  status.position = store_.durable().value;
  if (!progress.position.empty()) status.confirmed = print_source_position(progress.position);
  watch_.tell(progress, status);
  status.error = progress.problem;
  tell_loads(status);
  if (!progress.behind.empty()) {
    status.failed_from = progress.position;
    status.failed_behind = progress.behind;
  }
  return status;
}

}  // namespace tidelog
