#include "app/source_watch.h"

#include <algorithm>
#include <utility>

#include "app/pause.h"
#include "connectors/postgres/retained_wal.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(2000);

// Whether it has a place in the server's log that it goes on from.
bool stands(const IngestProgress& progress) {
  const auto resume = read_postgres_resume(progress.position);
  return resume && resume->phase == PostgresResume::Phase::streaming;
}

// Whether the slot of our name holds the log for this source. Before it streams, there may be one
// that an interrupted begin has left behind, which is dropped at once.
bool has_slot(const PostgresOptions& options, const IngestProgress& progress) {
  const auto resume = read_postgres_resume(progress.position);
  return resume && resume->slot == postgres::slot_name(options) &&
         resume->phase == PostgresResume::Phase::streaming;
}

}  // namespace

SourceWatch::SourceWatch(const PostgresOptions& options, Clock& clock, Log& log,
                         std::function<IngestProgress()> progress,
                         std::function<void(const std::string&)> end, std::stop_token stop)
    : options_(options),
      clock_(clock),
      log_(log),
      progress_(std::move(progress)),
      end_(std::move(end)),
      stop_(std::move(stop)),
      server_(options_),
      thread_([this] { work(); }) {}

void SourceWatch::work() {
  const auto interval = std::min(look_interval, options_.heartbeat.value_or(look_interval));
  do {
    const IngestProgress progress = progress_();
    look_if_due(progress);
    beat_if_due(progress);
  } while (pause(interval, stop_));
}

void SourceWatch::look_if_due(const IngestProgress& progress) {
  if (looked_ && clock_.steady() - *looked_ < look_interval) return;
  looked_ = clock_.steady();
  look(progress);
}

void SourceWatch::look(const IngestProgress& progress) {
  const auto seen = server_.look(progress.position);
  const auto end = seen ? read_postgres_lsn(seen->server_position) : Result<Lsn>(Lsn{});
  if (seen) judge(progress, *seen);
  const std::scoped_lock lock(mutex_);
  if (!seen || !end) {
    lag_.not_known();
    seen_.reset();
    return;
  }
  lag_.look(*end, seen->lag_bytes, clock_.now());
  seen_ = *seen;
}

// Two looks in a row, so that nothing is ended for what is over already: the slot that a load
// begins with is dropped before the new one is made.
void SourceWatch::judge(const IngestProgress& progress, const SourceProgress& seen) {
  const auto over =
      has_slot(options_, progress) ? over_ceiling(options_, seen.retained_bytes) : std::nullopt;
  const bool again = std::exchange(was_over_, over.has_value());
  {
    const std::scoped_lock lock(mutex_);
    warning_ = over.value_or("");
  }
  if (!over) return;
  if (options_.retained_wal->then == RetainedWal::Then::warn) {
    if (!again) log_.warning("source warns", {{"source", options_.name}, {"warning", *over}});
  } else if (again) {
    end_(*over);
  }
}

void SourceWatch::beat_if_due(const IngestProgress& progress) {
  if (!options_.heartbeat || progress.state != IngestProgress::State::streaming) return;
  if (beat_ && clock_.steady() - *beat_ < *options_.heartbeat) return;
  beat_ = clock_.steady();
  const Status done = server_.beat();
  if (!done && !std::exchange(beat_failed_, true)) {
    log_.warning("source has no heartbeat",
                 {{"source", options_.name}, {"problem", done.error().what}});
  }
  if (done) beat_failed_ = false;
}

void SourceWatch::tell(const IngestProgress& progress, SourceStatus& status) const {
  const std::scoped_lock lock(mutex_);
  status.warning = warning_;
  if (!seen_) return;
  status.retained_bytes = seen_->retained_bytes;
  status.wal_status = seen_->wal_status;
  status.safe_wal_bytes = seen_->safe_wal_bytes;
  const bool goes_on = progress.state == IngestProgress::State::streaming ||
                       progress.state == IngestProgress::State::waiting;
  if (!goes_on || !stands(progress)) return;
  status.lag_bytes = lag_.bytes();
  status.lag_seconds = lag_.seconds(progress.commit_time, clock_.now());
}

}  // namespace tidelog
