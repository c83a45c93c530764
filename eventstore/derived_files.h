// DerivedFiles: the check of what lies beside the log and was made from it: state and aggregate
// snapshots by their checksums, their structure and what their names say. For verify; the indexes
// are checked with their segments (segment_check.h). Damage here costs time, never an event, and is
// mended by the next writer; only a base snapshot cannot be made again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/catalog.h"
#include "eventstore/format.h"
#include "eventstore/state_directory.h"
#include "eventstore/store_files.h"

namespace tidelog {

// One thread. `disk` and `paths` must outlive it. Works beside a running service: a file that went
// since it was listed is passed over.
class DerivedFiles {
 public:
  struct Findings {
    std::uint64_t state_count = 0;
    std::uint64_t aggregate_count = 0;
    std::vector<std::string> damage;    // one line each, naming the file
    std::vector<std::string> warnings;  // the same: nothing is lost
  };
  using OnBytes = std::function<void(std::uint64_t bytes)>;  // looked at since the last call

  DerivedFiles(Disk& disk, const StorePaths& paths, std::string uuid)
      : disk_(disk), paths_(paths), uuid_(std::move(uuid)) {}

  // Of all these files, and of the indexes, as far as they are there now.
  Result<std::uint64_t> bytes(const format::Manifest& manifest) const;

  // `catalog` knows the log's streams, or as many as could be read.
  Status check_snapshots(const Catalog& catalog, const OnBytes& on_bytes);

  const Findings& findings() const { return findings_; }

 private:
  using Check = std::function<Status()>;
  using Note = std::function<Status(const std::string& what)>;
  Status look_at(const std::string& path, std::uint64_t& count, const Check& check,
                 const Note& note, const OnBytes& on_bytes);
  Status check_state(const SnapshotName& name, const Catalog& catalog) const;
  Status check_aggregate(const std::string& path, StreamId stream, const Catalog& catalog) const;

  Disk& disk_;
  const StorePaths& paths_;
  std::string uuid_;
  Findings findings_;
};

}  // namespace tidelog
