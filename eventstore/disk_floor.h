// DiskFloor: how much of the disk stays free. Below it nothing is appended, so that there is space
// left for what brings space back. Looked at when a file grows and, by the store's background
// thread, every second.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/disk.h"
#include "core/result.h"

namespace tidelog {

// Any thread.
class DiskFloor {
 public:
  // `bytes` 0: no floor, and the disk is never asked.
  DiskFloor(Disk& disk, std::string directory, std::uint64_t bytes)
      : disk_(disk), directory_(std::move(directory)), bytes_(bytes) {}

  // Asks the disk. Code::disk_full below the floor.
  Status look();
  // Asks only if the last look found too little: as soon as there is space, this says so.
  Status check() { return is_low_.load(std::memory_order_relaxed) ? look() : Status(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  Disk& disk_;
  const std::string directory_;
  const std::uint64_t bytes_;
  std::atomic<bool> is_low_ = false;
};

}  // namespace tidelog
