// AggregateSnapshots: what an application saved of an aggregate (an application stream) at a
// revision, in its own bytes, so that it reads only the events since. FORMAT.md section 15. Losing
// one costs time, never truth: the events are all there.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

struct AggregateSnapshot {
  Revision revision;  // of the last event that is in it
  std::string bytes;
};

// One file, whole.
struct AggregateFile {
  std::string store;  // uuid, 16 bytes
  StreamId stream;
  std::string stream_name;
  std::vector<AggregateSnapshot> snapshots;  // rising revisions
};
std::string encode(const AggregateFile& file);
Result<AggregateFile> read_aggregate_file(std::string_view bytes);
// Where they are, in a store's folder.
std::string aggregate_folder(const std::string& store_directory);
// The folder's files and the streams that their names say, for verify.
struct AggregateFileName {
  std::string path;
  StreamId stream;
};
Result<std::vector<AggregateFileName>> aggregate_files(Disk& disk,
                                                       const std::string& store_directory);

// Any thread of the process that writes to the store. The disk must outlive it.
class AggregateSnapshots {
 public:
  // Of one stream the newest are kept, by revision.
  static constexpr std::size_t kept_max = 2;

  AggregateSnapshots(Disk& disk, const std::string& store_directory, std::string store_uuid);

  // Durable when it returns. The events up to `revision` must be durable already: EventStore has
  // acknowledged them.
  Status save(StreamId stream, std::string_view stream_name, const AggregateSnapshot& snapshot);
  // The newest at or before `revision`; nothing when there is none. `life` is the stream's
  // (StoreReader::streams): a snapshot that lacks events which still count, or is of a stream that
  // ended since, is not given. One small file is read.
  // Code::corrupt when it is damaged: read the events from the beginning; the next save replaces
  // it.
  Result<std::optional<AggregateSnapshot>> load(StreamId stream, std::string_view stream_name,
                                                Revision revision, const StreamLife& life) const;
  // For erasure and deletion: fine when there is none.
  Status remove(StreamId stream);

 private:
  std::string file_name(StreamId stream) const;

  Disk& disk_;
  const std::string directory_;
  const std::string store_uuid_;
  std::mutex mutex_;  // one change at a time
};

}  // namespace tidelog
