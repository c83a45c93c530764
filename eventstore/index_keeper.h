// IndexKeeper: sees to it, in the writing process, that every sealed segment has its index: makes
// those that are missing, and makes damaged and foreign ones anew. Nobody waits for it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <utility>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/index_builder.h"
#include "eventstore/store_files.h"

namespace tidelog {

// Any thread. `disk` and `paths` must outlive it.
class IndexKeeper {
 public:
  IndexKeeper(Disk& disk, const StorePaths& paths) : disk_(disk), paths_(paths) {}

  // Until asked to stop. A segment whose index cannot be made is left without: its own damage is
  // for whoever reads it, and a full disk is tried again later.
  void run(const std::stop_token& stop);
  // The manifest has changed.
  void notify();
  // All that is to be done now, in the calling thread.
  Status make_all();

 private:
  // A sealed segment that was not looked after yet.
  struct Task {
    format::Manifest manifest;
    std::size_t segment = 0;
    IndexSubject subject() const {
      return {manifest.uuid, manifest.segments[segment], manifest.segments[segment + 1].base};
    }
  };

  enum class Step : std::uint8_t { was_whole, made, nothing_to_do };
  Result<Step> step(const std::stop_token& stop);
  Result<std::optional<Task>> next_task();
  Result<Step> look_after(const Task& task, const std::stop_token& stop);
  Status make(const IndexSubject& subject, const std::stop_token& stop);

  Disk& disk_;
  const StorePaths& paths_;
  std::mutex working_;  // one index at a time: they have the same temporary name. Guards done_
  std::set<std::pair<std::uint64_t, std::uint32_t>> done_;  // segment id, generation
  std::mutex mutex_;                                        // guards what follows
  std::condition_variable_any changed_;
  bool is_changed_ = false;
};

}  // namespace tidelog
