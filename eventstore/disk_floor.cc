#include "eventstore/disk_floor.h"

#include <fmt/format.h>

namespace tidelog {

Status DiskFloor::look() {
  if (bytes_ == 0) return {};
  TRY(const std::uint64_t free_bytes, disk_.free_bytes(directory_));
  is_low_.store(free_bytes < bytes_, std::memory_order_relaxed);
  if (free_bytes >= bytes_) return {};
  return fail(Code::disk_full,
              fmt::format("{} bytes are free on the disk of {}, and {} are to stay free (the "
                          "store's disk_floor): appends go on when there is space again",
                          free_bytes, directory_, bytes_));
}

}  // namespace tidelog
