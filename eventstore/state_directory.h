// StateDirectory: the state files of a store (state_file.h), by stream and position, and the lock
// of whoever makes, removes or rewrites them. Readers need no lock: a file is there whole or not.
#pragma once

#include <compare>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

struct SnapshotName {
  StreamId stream;
  Position position;
  bool base = false;
  friend auto operator<=>(const SnapshotName&, const SnapshotName&) = default;
};

// Any thread. The disk must outlive it.
class StateDirectory {
 public:
  StateDirectory(Disk& disk, const std::string& store_directory);

  // Sorted by stream, then position. None when there is no such folder.
  Result<std::vector<SnapshotName>> list() const;
  // Those of one stream.
  Result<std::vector<SnapshotName>> list(StreamId stream) const;
  std::string path(const SnapshotName& name) const;
  // What a file's name in the folder says; nothing for another file.
  static std::optional<SnapshotName> name_of(std::string_view file);
  const std::string& path() const { return path_; }

  // Makes the folder, and holds off everybody else who would change what is in it. Left-overs of a
  // crash are removed, and what is seen there then lasts. Code::conflict names the holder.
  Result<std::unique_ptr<DiskLock>> lock(const std::string& holder) const;

  // With the lock held. A file to write to; its name under which it counts, durably; away with it.
  std::string temporary_path(std::string_view name) const;
  Status publish(const std::string& temporary, const SnapshotName& name) const;
  Status remove(const SnapshotName& name) const;

 private:
  Disk& disk_;
  std::string path_;
};

}  // namespace tidelog
