// Makes the index of a sealed segment from the segment itself and the files that it adopted. The
// same segment always gives the same bytes, so that an index can be checked against a fresh one.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/catalog.h"
#include "eventstore/format.h"
#include "eventstore/index_format.h"
#include "eventstore/segment_walk.h"
#include "eventstore/store_files.h"
#include "eventstore/stream_table.h"

namespace tidelog {

// Which index: of the store `uuid`, for a segment that ends before position `end`, where the next
// one begins.
struct IndexSubject {
  std::string_view uuid;
  format::ManifestSegment segment;
  Position end;
};

// Takes the bytes of an index: everything from the header's end on in rising order, the header
// last.
using IndexOutput = std::function<Status(std::uint64_t file_offset, std::string_view bytes)>;

// An index in the making, while somebody walks its segment and tells of all that is met. One
// thread. What it is given must outlive it. An error is the output's: nothing more is to be told
// then.
class IndexBuilder {
 public:
  IndexBuilder(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
               const IndexOutput& output);

  // The walk was just opened, with the catalog.
  void begin(const SegmentWalk& walk, const Catalog& catalog);
  // Of each batch, also of those without events: its begin, each of its blocks and their events,
  // its end.
  void begin_batch(const SegmentWalk& walk);
  void add(const Record& event);
  void end_block() { ++block_; }
  Status end_batch(SegmentWalk& walk);
  // The walk is at the segment's end. When there was no memory for all hashes it walks again.
  Status finish(const SegmentWalk& walk, const std::stop_token& stop);

 private:
  // The hashes [first, last] that are collected in one walk.
  struct HashRange {
    std::uint64_t first;
    std::uint64_t last;
    bool holds(std::uint32_t hash) const { return hash >= first && hash <= last; }
    bool any() const { return first <= last; }
  };
  static constexpr HashRange no_hashes{1, 0};
  // Of a stream, as far as the walk came.
  struct Met {
    std::uint64_t base = 0;        // where its relative revisions begin
    std::uint64_t moved = 0;       // after the first half of a key change its key's hash and one
    std::uint64_t next_block = 0;  // the posting has the blocks before
    format::Posting* posting = nullptr;
  };
  HashRange part_of_hashes(std::uint64_t part) const;

  // -- what the segment holds --
  Status walk_again(HashRange keys, HashRange ids, const std::stop_token& stop);
  void begin_walk(HashRange keys, HashRange ids);
  void add_names(const SegmentWalk& walk);
  void add_names(const format::BatchExtension& extension);
  void add_to_stream(Met& met, const Record& event);
  void add_to_type(const EventBody& event);
  void add_to_type(format::Posting*& posting, std::string_view name);
  void add_keys(Met& met, const EventBody& event);
  void add_hash(std::vector<format::HashEntry>& into, const HashRange& range,
                std::uint32_t hash) const;

  // -- the file --
  void begin_page(Position base);
  Status place_batch(SegmentWalk& walk);
  Status end_block_page();
  Status write_structure();
  Status write_postings(format::IndexTable table, const std::vector<format::Posting>& postings);
  Status write_hashes(format::IndexTable table, std::vector<format::HashEntry>& entries);
  Status write_page(format::IndexTable table, std::uint64_t key, std::uint64_t first_block,
                    const std::string& bytes);
  Status write_directory();

  Disk& disk_;
  const StorePaths& paths_;
  const IndexSubject& subject_;
  const IndexOutput& output_;
  const std::uint64_t parts_;  // that the hashes are collected in, each in a walk of its own

  bool structure_ = true;  // whether this walk collects anything but hashes
  HashRange key_range_ = no_hashes;
  HashRange id_range_ = no_hashes;
  std::uint64_t block_ = 0;
  std::uint64_t first_block_ = 0;  // of the batch
  StreamTable<Met> met_;

  std::map<StreamId, format::Posting> streams_;
  std::map<std::uint32_t, format::Posting> types_;
  std::array<format::Posting*, event_type_max + 1> type_postings_{};  // of types that are not named
  std::vector<format::HashEntry> keys_;
  std::vector<format::HashEntry> ids_;
  format::IndexNames names_;
  std::set<StreamId> named_streams_;
  std::set<SourceId> named_sources_;
  std::set<SchemaId> named_schemas_;

  format::BlockPage page_;
  Position page_base_;
  std::size_t page_bytes_ = 0;
  UnixMicros append_time_;
  std::map<SourceId, UnixMicros> running_;

  format::IndexHeader header_;
  format::IndexDirectory directory_;
  std::uint64_t file_offset_ = format::index_header_bytes;
};

// Code::cancelled when asked to stop. Damage in the segment is Code::corrupt: it has no index then.
Status build_index(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                   const std::stop_token& stop, const IndexOutput& output);

// Builds it into a file of a temporary name, syncs and renames that. The name's own durability does
// not matter: an index that a power loss takes away is made again.
Status make_index(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                  const std::stop_token& stop);

}  // namespace tidelog
