#include "app/source_watch.h"

#include <algorithm>
#include <utility>

#include "app/pause.h"

namespace tidelog {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(2000);

}  // namespace

SourceWatch::SourceWatch(std::string name, const SourceConnector& connector, Clock& clock, Log& log,
                         std::function<IngestProgress()> progress,
                         std::function<void(const std::string&)> end, std::stop_token stop)
    : name_(std::move(name)),
      connector_(connector),
      clock_(clock),
      log_(log),
      progress_(std::move(progress)),
      end_(std::move(end)),
      stop_(std::move(stop)),
      server_(connector_.looker()),
      thread_([this] { work(); }) {}

void SourceWatch::work() {
  const auto interval = std::min(look_interval, connector_.heartbeat().value_or(look_interval));
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
  const auto seen = server_->look(progress.position);
  if (seen) judge(progress, *seen);
  const std::scoped_lock lock(mutex_);
  if (!seen) {
    lag_.not_known();
    seen_.reset();
    return;
  }
  lag_.look(seen->end, seen->missing, clock_.now());
  seen_ = *seen;
}

// Two looks in a row, so that nothing is ended for what is over already: the slot that a load
// begins with is dropped before the new one is made.
void SourceWatch::judge(const IngestProgress& progress, const ServerLook& seen) {
  const auto over = connector_.over_ceiling(progress.position, seen);
  const bool again = std::exchange(was_over_, over.has_value());
  {
    const std::scoped_lock lock(mutex_);
    warning_ = over.value_or("");
  }
  if (!over) return;
  if (connector_.at_ceiling() == RetainedWal::Then::warn) {
    if (!again) log_.warning("source warns", {{"source", name_}, {"warning", *over}});
  } else if (again) {
    end_(*over);
  }
}

void SourceWatch::beat_if_due(const IngestProgress& progress) {
  const auto heartbeat = connector_.heartbeat();
  if (!heartbeat || progress.state != IngestProgress::State::streaming) return;
  if (beat_ && clock_.steady() - *beat_ < *heartbeat) return;
  beat_ = clock_.steady();
  const Status done = server_->beat();
  if (!done && !std::exchange(beat_failed_, true)) {
    log_.warning("source has no heartbeat", {{"source", name_}, {"problem", done.error().what}});
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
  if (!goes_on || !connector_.stands(progress.position)) return;
  if (seen_->in_bytes) status.lag_bytes = lag_.missing();
  status.lag_seconds = lag_.seconds(progress.commit_time, clock_.now());
}

}  // namespace tidelog
