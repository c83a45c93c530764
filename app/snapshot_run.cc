#include "app/snapshot_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <map>
#include <memory>
#include <optional>

#include "app/pause.h"
#include "app/writing.h"
#include "eventstore/state_directory.h"
#include "eventstore/store_reader.h"
#include "projections/snapshots.h"

namespace tidelog {
namespace {

constexpr auto look_interval_min = std::chrono::seconds(1);
constexpr auto look_interval_max = std::chrono::seconds(10);

struct SnapshotMaker {
  Disk& disk;
  EventStore& store;
  SnapshotPolicy policy;
  Clock& clock;
  Log& log;

  // What is known of a stream's last snapshot; of one that an earlier run made, its time and the
  // log's size then are taken to be those of the first look.
  struct Last {
    std::optional<SnapshotName> name;
    Revision revision;
    std::uint64_t log_bytes = 0;
    std::chrono::steady_clock::time_point time;
  };
  std::map<StreamId, Last> lasts{};
  std::string told{};

  Result<Last*> last_of(StoreReader& reader, const StreamState& stream, std::uint64_t log_bytes) {
    const StateDirectory directory(disk, reader.directory());
    TRY(const auto names, directory.list(stream.id));
    const auto newest = names.empty() ? std::nullopt : std::optional(names.back());
    const auto [entry, is_new] = lasts.try_emplace(stream.id);
    Last& last = entry->second;
    if (is_new || last.name != newest) {
      last = {newest, {}, log_bytes, clock.steady()};
      if (newest) {
        const auto file = open_snapshot(reader, stream, *newest);
        if (file) last.revision = (*file)->about().revision;  // damaged: as if there were none
      }
    }
    return &last;
  }

  bool is_due(const StreamState& stream, const Last& last, std::uint64_t log_bytes) const {
    if (stream.next <= last.revision) return false;
    return stream.next.value - last.revision.value >= policy.events ||
           log_bytes - std::min(log_bytes, last.log_bytes) >= policy.bytes ||
           clock.steady() - last.time >= policy.time;
  }

  Status make(StoreReader& reader, const StateDirectory& directory, const StreamState& stream,
              const std::stop_token& stop) {
    const auto begin = clock.steady();
    TRY(const SnapshotName made,
        make_snapshot(
            reader, {stream.name, store.durable()},
            [&](const std::string& what) {
              log.warning("state snapshot was damaged and is removed", {{"problem", what}});
            },
            stop));
    TRY_DO(prune_snapshots(directory, stream.id, policy.keep));
    const std::chrono::duration<double> took = clock.steady() - begin;
    log.info("state snapshot made", {{"stream", stream.name},
                                     {"position", fmt::format("{}", made.position.value)},
                                     {"seconds", fmt::format("{:.1f}", took.count())}});
    return {};
  }

  Status look(const std::stop_token& stop) {
    TRY(const auto reader, store.reader());
    TRY(const StoreStats stats, reader->stats());
    TRY(const auto streams, reader->streams());
    const StateDirectory directory(disk, reader->directory());
    std::unique_ptr<DiskLock> lock;
    for (const StreamState& stream : streams) {
      if (!stream.is_table) continue;
      TRY(const Last* last, last_of(*reader, stream, stats.bytes));
      if (!is_due(stream, *last, stats.bytes)) continue;
      if (!lock) {
        TRY(lock, directory.lock(lock_holder(clock, "run")));
      }
      TRY_DO(make(*reader, directory, stream, stop));
    }
    return {};
  }

  void follow(const std::stop_token& stop) {
    using std::chrono::milliseconds;
    const auto interval =
        std::clamp<milliseconds>(policy.time, look_interval_min, look_interval_max);
    while (pause(interval, stop)) {
      const Status looked = look(stop);
      if (looked) told.clear();
      if (looked || looked.error().code == Code::cancelled) continue;
      // The same trouble is told once.
      if (told != looked.error().what) {
        log.warning("state snapshot waits", {{"problem", looked.error().what}});
      }
      told = looked.error().what;
    }
  }

  void operator()(const std::stop_token& stop) {
    try {
      follow(stop);
    } catch (const std::exception& error) {
      log.error("state snapshots stopped", {{"error", error.what()}});
    }
  }
};

}  // namespace

SnapshotRun::SnapshotRun(Disk& disk, EventStore& store, SnapshotPolicy policy, Clock& clock,
                         Log& log)
    : thread_(SnapshotMaker{disk, store, policy, clock, log}) {}

}  // namespace tidelog
