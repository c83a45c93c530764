#include "eventstore/index_keeper.h"

#include <algorithm>
#include <chrono>

#include "eventstore/segment_index.h"

namespace tidelog {
namespace {

Result<bool> is_in_manifest(Disk& disk, const StorePaths& paths,
                            const format::ManifestSegment& segment) {
  TRY(const format::Manifest manifest, read_manifest(disk, paths));
  const auto& named = manifest.segments;
  return std::find(named.begin(), named.end(), segment) != named.end();
}

// The next segment's space is not for an index; what is too little for a segment is, since without
// an index each append of an application looks for its events' ids in the whole segment. An index
// is hardly ever larger than a quarter of its segment.
bool has_room(std::uint64_t free_bytes, std::uint64_t segment_bytes) {
  const std::uint64_t behind_next =
      free_bytes >= segment_bytes ? free_bytes - segment_bytes : free_bytes;
  return behind_next >= segment_bytes / 4;
}

}  // namespace

void IndexKeeper::notify() {
  const std::lock_guard lock(mutex_);
  is_changed_ = true;
  changed_.notify_all();
}

void IndexKeeper::run(const std::stop_token& stop) {
  // Old indexes are read through once after opening, at leisure.
  constexpr auto between_checks = std::chrono::milliseconds(200);
  constexpr auto until_retry = std::chrono::seconds(10);
  while (!stop.stop_requested()) {
    const auto done = step(stop);
    const bool is_idle = done && *done == Step::nothing_to_do;
    const bool was_whole = done && *done == Step::was_whole;
    std::unique_lock lock(mutex_);
    if (is_idle) {
      changed_.wait(lock, stop, [this] { return is_changed_; });
    } else if (was_whole || !done) {
      const std::chrono::milliseconds pause = done ? between_checks : until_retry;
      changed_.wait_for(lock, stop, pause, [this] { return is_changed_; });
    }
    is_changed_ = false;
  }
}

Status IndexKeeper::make_all() {
  for (;;) {
    TRY(const Step done, step({}));
    if (done == Step::nothing_to_do) return {};
  }
}

Result<IndexKeeper::Step> IndexKeeper::step(const std::stop_token& stop) {
  const std::lock_guard lock(working_);
  TRY(const auto task, next_task());
  if (!task) return Step::nothing_to_do;
  return look_after(*task, stop);
}

// The newest first: they are asked for most.
Result<std::optional<IndexKeeper::Task>> IndexKeeper::next_task() {
  Task task;
  TRY(task.manifest, read_manifest(disk_, paths_));
  for (std::size_t n = task.manifest.segments.size() - 1; n-- > 0;) {
    const format::ManifestSegment& segment = task.manifest.segments[n];
    if (done_.contains({segment.id, segment.generation})) continue;
    task.segment = n;
    return std::optional(std::move(task));
  }
  return std::optional<Task>();
}

Result<IndexKeeper::Step> IndexKeeper::look_after(const Task& task, const std::stop_token& stop) {
  const IndexSubject subject = task.subject();
  const auto index = SegmentIndex::open(disk_, paths_, subject.uuid, subject.segment, subject.end);
  const std::pair key{subject.segment.id, subject.segment.generation};
  if (index && (*index)->verify()) {
    done_.insert(key);
    return Step::was_whole;
  }
  const Status made = make(subject, stop);
  if (!made) {
    // Rewritten or let go meanwhile, it needs none.
    TRY(const bool is_named, is_in_manifest(disk_, paths_, subject.segment));
    if (!is_named) return Step::made;
  }
  const bool try_again =
      !made && (made.error().code == Code::disk_full || made.error().code == Code::cancelled);
  if (!try_again) done_.insert(key);
  if (!made) return error_of(made);
  return Step::made;
}

Status IndexKeeper::make(const IndexSubject& subject, const std::stop_token& stop) {
  const auto& [id, generation, base] = subject.segment;
  TRY(const auto log, open_segment(disk_, paths_, subject.segment));
  TRY(const std::uint64_t log_bytes, log->size());
  TRY(const std::uint64_t free_bytes, disk_.free_bytes(paths_.segments));
  if (!has_room(free_bytes, log_bytes))
    return fail(Code::disk_full, "the last space is for events, not for an index");
  TRY_DO(make_index(disk_, paths_, subject, stop));
  // The segment may have been rewritten or let go meanwhile.
  TRY(const bool is_named, is_in_manifest(disk_, paths_, subject.segment));
  if (is_named) return {};
  return disk_.remove(paths_.index(id, generation));
}

}  // namespace tidelog
