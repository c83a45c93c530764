// SegmentIndex: the index file of one sealed segment, opened for look-ups. Every part of it is
// verified before it is used. It is a shortcut and nothing else: whoever has none reads the segment
// itself, and the writer makes it anew (index_builder.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/index_format.h"
#include "eventstore/store_files.h"

namespace tidelog {

// One thread.
class SegmentIndex {
 public:
  // Code::not_found: there is none; Code::corrupt: it is damaged, or not of this segment, which
  // ends before position `end`. Either way the segment has to be read without.
  static Result<std::unique_ptr<SegmentIndex>> open(Disk& disk, const StorePaths& paths,
                                                    std::string_view uuid,
                                                    const format::ManifestSegment& segment,
                                                    Position end);

  const format::IndexHeader& header() const { return header_; }
  // Names and schemas that begin in the segment, and its adopted files. Read once.
  Result<const format::IndexNames*> names();

  // Pages of the block table: which one has the block or the position, and what is in it.
  std::size_t block_page_count() const { return pages(format::IndexTable::blocks).size(); }
  std::size_t page_of_block(std::uint64_t block) const;
  std::size_t page_of_position(Position position) const;
  Result<format::BlockPage> block_page(std::size_t page) const;

  // Numbers of blocks, unsorted and perhaps more than once, are added to `blocks`.
  Status add_blocks_of_stream(StreamId stream, std::vector<std::uint32_t>& blocks) const;
  Status add_blocks_of_streams(const std::function<bool(StreamId)>& wanted,
                               std::vector<std::uint32_t>& blocks) const;
  Status add_blocks_of_type(std::string_view type, std::vector<std::uint32_t>& blocks) const;
  // Of keys and event ids by their hash: a block may hold another one with the same.
  Status add_blocks_of_key(StreamId stream, std::string_view key,
                           std::vector<std::uint32_t>& blocks) const;
  Status add_blocks_of_id(StreamId stream, std::string_view id,
                          std::vector<std::uint32_t>& blocks) const;

  // Where the block begins that holds the stream's event of this revision, if it is here: an event
  // of it or of a higher one is found from there on. Nothing: the stream is not in this segment.
  Result<std::optional<Position>> position_of_revision(StreamId stream, Revision revision) const;

  // Every hash of the table `ids`, for a filter in memory.
  Status for_each_id_hash(const std::function<void(std::uint32_t)>& visit) const;

  // The first batch at which the running commit time of `source` passes `time` (or, for source 0,
  // the append time does), and the running time before it. Nothing: it never does in this segment.
  struct TimePlace {
    Position base;
    UnixMicros before;
  };
  Result<std::optional<TimePlace>> first_beyond(UnixMicros time, SourceId source) const;

  // Reads every page.
  Status verify() const;

 private:
  SegmentIndex(std::unique_ptr<File> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Status load(std::string_view uuid, const format::ManifestSegment& segment, Position end);
  const std::vector<format::IndexPage>& pages(format::IndexTable table) const {
    return directory_[static_cast<std::size_t>(table)];
  }
  Result<std::string> read_page(const format::IndexPage& page) const;
  Result<std::optional<format::Posting>> posting(format::IndexTable table, std::uint64_t key) const;
  Result<Position> position_of_block(std::uint32_t block) const;
  Status add_hashed(format::IndexTable table, std::uint32_t hash,
                    std::vector<std::uint32_t>& blocks) const;

  std::unique_ptr<File> file_;
  std::string path_;
  format::IndexHeader header_;
  format::IndexDirectory directory_;
  std::optional<format::IndexNames> names_;
};

}  // namespace tidelog
