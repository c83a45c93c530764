// BatchBuilder: collects whole transactions for one append. It encodes events straight into blocks
// and is reused.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/format.h"
#include "eventstore/kept_transaction.h"

namespace tidelog {

class StagingWriter;

// One thread.
class BatchBuilder {
 public:
  // begin, add…, then commit or roll_back; any number of times.
  void begin(const Transaction& transaction);
  void add(const EventBody& event);
  void commit();
  void roll_back();
  bool in_transaction() const { return in_transaction_; }
  // The events of the open transaction. They borrow from here, until anything is changed.
  void for_each_open(const std::function<void(const EventBody&)>& visit) const;

  // Which source the batch comes from and where to go on after it. A batch may have a source
  // position and no events.
  void set_source(SourceId source, std::string_view position);

  // Moves the open transaction to a staging file, begin and events in order, and leaves the builder
  // without it.
  Status move_open_transaction_to(StagingWriter& staging);

  void clear();
  // For a staging file, whose transaction goes on in its next batch: empties the builder in the
  // middle of one.
  void drop_open_transaction();

  // encoded so far, the open transaction included
  std::uint64_t bytes() const { return raw_.size(); }
  std::uint64_t open_transaction_bytes() const { return raw_.size() - open_.raw_bytes; }
  std::uint64_t event_count() const { return event_count_; }  // the open transaction included
  bool empty() const { return event_count_ == 0 && position_.empty(); }
  std::uint64_t event_count(StreamId stream) const;

  // For the store: the blocks' raw bytes, the streams' counts, the schema versions that begin here.
  struct Block {
    std::string_view raw;
    std::uint64_t event_count = 0;
  };
  std::vector<Block> blocks() const;
  // bases are 0 until the store sets them
  const std::vector<format::StreamRun>& runs() const { return runs_; }
  const std::vector<format::SchemaEntry>& schemas() const { return schemas_; }
  SourceId source() const { return source_; }
  const std::string& source_position() const { return position_; }
  UnixMicros commit_time() const { return commit_time_; }  // the largest, of the transactions here

 private:
  struct BlockStart {
    std::size_t offset = 0;
    std::uint64_t event_count = 0;
  };
  // Where the open transaction began: what roll_back returns to.
  struct Mark {
    std::size_t raw_bytes = 0;
    std::size_t block_count = 0;
    std::uint64_t last_block_events = 0;
    std::size_t schema_count = 0;
    std::uint64_t event_count = 0;
    UnixMicros commit_time;
  };

  void start_block();
  void put_transaction();
  std::uint64_t next_of_stream(StreamId stream);

  std::string raw_;
  std::vector<BlockStart> block_starts_;
  std::vector<format::StreamRun> runs_;
  absl::flat_hash_map<StreamId, std::size_t> run_of_;
  std::vector<format::SchemaEntry> schemas_;
  std::uint64_t event_count_ = 0;
  SourceId source_;
  std::string position_;
  UnixMicros commit_time_;

  bool in_transaction_ = false;
  Mark open_;
  KeptTransaction transaction_;
  std::vector<std::size_t> count_offsets_;  // where its event_count is to be patched
};

}  // namespace tidelog
