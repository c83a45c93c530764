// StoreReader: reads a store, in the writing process or beside it. It never sees what is not on
// disk, and never half a transaction. Each reader is one thread's; open as many as needed.
//
// Whoever names streams or categories (EventFilter) reads those streams as they stand: events that
// were truncated away no longer count and are passed over, and a deleted or tombstoned stream has
// none. What counts is learned when reading begins and each time it comes to the durable end.
// Whoever names none reads everything that is still on disk, what was done to streams among it.
#pragma once

#include <cstdint>
#include <functional>
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
#include "eventstore/block_events.h"
#include "eventstore/block_walk.h"
#include "eventstore/catalog.h"
#include "eventstore/event_filter.h"
#include "eventstore/index_cache.h"
#include "eventstore/indexed_blocks.h"
#include "eventstore/store_files.h"
#include "eventstore/stream_lives.h"
#include "eventstore/stream_table.h"

namespace tidelog {

struct SourceState {
  std::string name;
  std::string position;    // encoded resume position of its last durable batch
  UnixMicros commit_time;  // the running maximum
  UnixMicros append_time;  // of its last batch
};

struct StreamState {
  StreamId id;
  std::string name;
  Revision next;          // of its next event
  bool is_table = false;  // it has a schema
  StreamLife life;
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
  Disk& disk() const { return disk_; }

  // next() goes on with the first event at or after `position`, previous() with the last one
  // before it.
  Status seek(Position position);
  // The same at the stream's event of this revision, or of the next higher one that is kept and
  // counts; at the durable end when there is none.
  Status seek(std::string_view stream, Revision revision);
  // Narrows what next() and previous() give. Where segments have an index, only blocks that may
  // hold such events are read.
  void set_filter(EventFilter filter);
  // A filter of streams alone. Empty: all.
  void only_streams(std::vector<std::string> names);
  // next() ends before this position, at which a transaction begins: no batch from there on is
  // read, so that damage beyond it does not matter.
  void read_until(Position end) { until_ = end; }
  // previous() ends at this position: it gives nothing before it.
  void read_back_to(Position first) { back_to_ = first; }

  // The next event, or null at the durable end (call again later). Borrowed until the next call.
  // Code::corrupt names file, offset and positions; after an error the reader stays where it was.
  Result<const Event*> next();
  // The event before the place where the reader stands, or null at the store's begin. Memory is
  // bounded by a block and the list of a segment's batches.
  Result<const Event*> previous();
  // Where next() goes on, and previous() ended.
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
  // Every version of the stream's schema that its events up to the durable end may have, oldest
  // first; none for a stream without. A key, for one, is written as its version says.
  Result<std::vector<SchemaId>> schema_versions(std::string_view stream);
  // The names of all streams that have events up to the durable end, sorted; of all sources. What
  // begins behind damage in the last segment is not among them: whoever reads on meets the damage.
  Result<std::vector<std::string>> stream_names();
  Result<std::vector<std::string>> source_names();
  // What there is to know of them; in the order of their numbers.
  Result<std::vector<StreamState>> streams();
  Result<StoreStats> stats();

 private:
  enum class Direction : std::uint8_t { forwards, backwards };

  StoreReader(Disk& disk, const std::string& directory)
      : disk_(disk),
        paths_(directory),
        lives_(disk, paths_),
        indexes_(disk, paths_),
        events_(filter_, catalog_) {}

  DurablePage::Value bound();
  Status take_limit();
  std::optional<DurablePage::Value> bound_of_page();
  Status check_bound();
  Status load_manifest();
  std::size_t segment_of(Position position) const;
  const format::ManifestSegment& segment() const { return manifest_.segments[segment_index_]; }

  bool counts_only() const {
    return filter_.filter().names_streams() && !filter_.filter().also_not_counting;
  }
  bool counts(StreamId stream, Revision revision) const;
  Result<Position> begin_of_counting();
  Status learn_stream_names();

  // One walk over a segment's blocks at a time.
  Status start(Direction direction);
  Status start_at(std::size_t index, Direction direction);
  Result<bool> start_by_index(bool is_whole);
  Status start_by_scan();
  Status learn_names(SegmentIndex& index);
  void stop();
  Result<bool> go_to_next_segment();
  Status check_follows(const format::BatchPlace& end);

  using Step = Result<const Event*> (StoreReader::*)();
  Result<const Event*> repeat(Direction direction, Step step);
  Result<bool> may_repeat();
  Result<const Event*> step_forwards();
  Result<const Event*> step_backwards();
  Result<bool> next_block();
  Result<bool> previous_block();
  Status begin_block(const WalkedBlock* block);
  Result<const Event*> take();

  // For questions.
  Status apply_to_end(Catalog& catalog);
  Status apply_to_damage(Catalog& catalog);
  Result<Position> skip_to(std::size_t index, Revision revision);
  Result<const WalkedBlock*> block_at_position();
  Result<std::vector<SchemaId>> read_schema_versions(std::string_view stream);
  Result<std::size_t> last_segment_not(
      const std::function<bool(const format::SegmentHead&)>& is_beyond);
  Result<std::size_t> last_segment_before(UnixMicros time, std::string_view source);
  struct Beyond {
    Position base;
    UnixMicros before;
    SourceId source;
  };
  Result<std::optional<Beyond>> first_batch_beyond(std::size_t index, UnixMicros time,
                                                   std::string_view source, Position end);
  Result<Position> first_transaction_beyond(const Beyond& batch, UnixMicros time,
                                            std::string_view source, Position end);

  Disk& disk_;
  StorePaths paths_;
  format::Manifest manifest_;
  std::optional<DurablePage> page_;
  Position limit_;     // the durable end when the windows were read
  Position position_;  // of the next event to give
  Position until_{UINT64_MAX};
  Position back_to_;
  Position counting_from_;  // nothing before it counts
  Event event_;

  FilterMatch filter_;
  Catalog catalog_;
  StreamLives lives_;
  IndexCache indexes_;

  // The segment that is being read.
  std::size_t segment_index_ = 0;
  Direction direction_ = Direction::forwards;
  std::unique_ptr<BlockWalk> walk_;
  IndexedBlocks* indexed_ = nullptr;  // walk_, when it goes by this index
  SegmentIndex* index_ = nullptr;
  bool index_failed_ = false;  // reading its names
  bool names_known_ = false;   // of all that this segment holds

  // The block that is being read.
  BlockEvents events_;
  const WalkedBlock* block_ = nullptr;
  Position block_base_;
  Position block_end_;
  std::uint64_t batch_number_ = 0;
  struct Base {
    std::uint64_t revision = 0;  // of relative revision 0
    std::uint64_t batch = 0;     // that it holds for
  };
  std::uint64_t batches_begun_ = 0;
  StreamTable<Base> bases_;
  StreamTable<const format::StreamEntry*> stream_cache_;
  std::string_view source_name_;
};

}  // namespace tidelog
