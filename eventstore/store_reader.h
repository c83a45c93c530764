// StoreReader: reads a store, in the writing process or beside it. It never sees what is not on
// disk, and never half a transaction. Each reader is one thread's; open as many as needed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/catalog.h"
#include "eventstore/store_files.h"

namespace tidelog {

struct SourceState {
  std::string name;
  std::string position;    // encoded resume position of its last durable batch
  UnixMicros commit_time;  // the running maximum
  UnixMicros append_time;  // of its last batch
};

struct StoreStats {
  Position durable;         // the number of events, too, as long as nothing is removed
  std::uint64_t bytes = 0;  // of all its files, staging included
  std::uint64_t segment_count = 0;
  std::uint64_t batch_count = 0;
  std::uint64_t adopted_count = 0;
  std::vector<SourceState> sources;
};

class StoreReader {
 public:
  // Code::not_found when the directory has no store. `disk` must outlive the reader.
  static Result<std::unique_ptr<StoreReader>> open(Disk& disk, const std::string& directory);
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;

  const std::string& directory() const { return paths_.directory; }
  const std::string& uuid() const { return manifest_.uuid; }

  // The next event read is the first one at or after `position`.
  Status seek(Position position);
  // Narrows what next() gives to these streams; batches without them are skipped unread. Empty:
  // all.
  void only_streams(std::vector<std::string> names);
  // next() ends before this position, at which a transaction begins: no batch from there on is
  // read, so that damage beyond it does not matter.
  void read_until(Position end) { until_ = end; }

  // The next event, or null at the durable end (call again later). Borrowed until the next call.
  // Code::corrupt names file, offset and positions; after an error the reader stays where it was.
  Result<const Event*> next();
  // Where next() goes on.
  Position position() const { return position_; }
  // The durable end now.
  Position durable();
  // Where the store begins: what was before is no longer kept.
  Position first() const { return manifest_.segments.front().base; }

  // The position just after the last whole transaction that ends at or before `last` (inclusive).
  // A position whose event was removed ends its transaction like any other.
  Result<Position> end_through(Position last);
  // The same by time: by the running maximum of the commit times of `source`, or, with an empty
  // name, by append time. Code::not_found for a source that never wrote here.
  Result<Position> end_through(UnixMicros time, std::string_view source);

  // The schema that a row was stored with. It lives as long as the reader.
  Result<const Schema*> schema(SchemaId id);
  // The names of all streams that have events up to the durable end, sorted.
  Result<std::vector<std::string>> stream_names();
  Result<StoreStats> stats();

 private:
  StoreReader(Disk& disk, const std::string& directory) : disk_(disk), paths_(directory) {}

  DurablePage::Value bound();
  Status load_manifest();
  Status find_segment();
  Status start_at_segment(std::size_t index);
  Status open_segment(std::size_t index);
  Result<bool> next_segment();
  bool manifest_changed();
  // Moves to the next batch of the log; false at the durable end.
  Result<bool> next_log_batch();
  Result<bool> next_batch();
  Status begin_batch();
  Result<bool> next_staged_batch();
  Status end_staged();
  Result<bool> next_block();
  Result<const Event*> next_event();
  Result<const Event*> take(const Record& record);
  Status pass_removed(std::uint64_t count);
  bool is_wanted(StreamId stream);
  bool has_wanted(const std::vector<format::StreamRun>& runs);
  // The positions of one transaction.
  struct Bounds {
    Position first;
    Position after;
  };
  Result<Bounds> bounds_at(Position position);
  Status walk_to_end();
  Result<std::size_t> segment_before(UnixMicros time, std::string_view source);
  Result<Position> first_beyond(UnixMicros time, SourceId source, UnixMicros before,
                                Position batch_base);

  Disk& disk_;
  StorePaths paths_;
  format::Manifest manifest_;
  std::optional<DurablePage> page_;
  Position limit_;     // the durable end when the windows were read
  Position position_;  // of the next event to give
  Position until_{UINT64_MAX};
  Event event_;

  // The log.
  std::unique_ptr<File> segment_;
  std::optional<BatchCursor> log_;
  Catalog catalog_;

  // The staging file that the log's present batch adopts.
  std::unique_ptr<File> staged_file_;
  std::optional<BatchCursor> staged_;
  format::AdoptedFile adopted_;
  Position adopted_base_;
  // by stream: the revision where the file's first event stands
  std::vector<std::uint64_t> adopted_bases_;

  // The batch and the block that are being read.
  BatchCursor* batch_ = nullptr;
  std::size_t block_index_ = 0;
  Position block_base_;  // of the next block's first event
  ByteReader records_{{}};
  std::uint64_t block_events_left_ = 0;
  Position record_position_;  // of the next event record
  Transaction transaction_;
  // by stream: revision of relative revision 0
  std::vector<std::uint64_t> bases_;
  std::vector<const format::StreamEntry*> stream_cache_;  // by stream
  std::string_view source_name_;

  std::vector<std::string> only_;
  std::vector<std::uint8_t> wanted_;  // by stream: 0 unknown, 1 wanted, 2 not
};

}  // namespace tidelog
