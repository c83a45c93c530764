// The bytes of a segment's index, one function to write and one to read each structure. FORMAT.md
// section 12 is the specification. No I/O here.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/format.h"

namespace tidelog::format {

inline constexpr std::uint32_t index_magic = 0x49474C54;  // "TLGI"
inline constexpr std::size_t index_header_bytes = 128;
inline constexpr std::size_t index_page_bytes_target = 4096;

// The tables of an index. Each is a list of pages, sorted by its key.
enum class IndexTable : std::uint8_t {
  blocks,   // position: batches and where their blocks lie
  streams,  // stream id: revisions and blocks
  types,    // hash of the event type's name: blocks
  keys,     // hash of stream and key: block
  ids,      // hash of stream and event id: block
  names,    // one page: names and schemas that begin in this segment, and the files it adopted
};
inline constexpr std::size_t index_table_count = 6;

// A place between two batches.
struct BatchPlace {
  Position base;
  std::uint64_t sequence = 0;
  std::uint32_t chain = 0;
  bool operator==(const BatchPlace&) const = default;
};

struct IndexHeader {
  std::string uuid;  // of the store
  std::uint64_t segment_id = 0;
  std::uint32_t generation = 0;
  BatchPlace begin;  // before the segment's first batch
  BatchPlace end;    // after its last
  std::uint64_t block_count = 0;
  std::uint64_t id_count = 0;  // entries of the table `ids`
  std::uint64_t directory_offset = 0;
  std::uint64_t directory_bytes = 0;
  std::uint32_t directory_crc = 0;
  bool operator==(const IndexHeader&) const = default;
};
std::string encode(const IndexHeader& header);
Result<IndexHeader> read_index_header(std::string_view fixed);

struct IndexPage {
  std::uint64_t key = 0;          // of its first entry
  std::uint64_t first_block = 0;  // table `blocks`: number of its first block; otherwise 0
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
};
using IndexDirectory = std::array<std::vector<IndexPage>, index_table_count>;
std::string encode(const IndexDirectory& directory);
Result<IndexDirectory> read_index_directory(std::string_view bytes);

// -- table `blocks` --

struct SourceTime {
  SourceId source;
  UnixMicros commit_time;  // the running maximum
};

struct IndexedBlock {
  Position base;
  std::uint64_t offset = 0;  // in its file
  BlockEntry entry;
};

// A batch of the log, or of an adopted file: then with its places in the log.
struct IndexedBatch {
  std::uint64_t file = 0;  // 0: the log; n: the n-th adopted file of the table `names`
  Position base;
  std::uint64_t event_count = 0;
  UnixMicros append_time;
  SourceId source;
  UnixMicros commit_time;
  std::vector<StreamRun> runs;  // with the revisions of the log; their counts are not kept: 0
  std::vector<IndexedBlock> blocks;
};

struct BlockPage {
  std::uint64_t first_block = 0;
  UnixMicros append_time;           // of the batch before
  std::vector<SourceTime> sources;  // the running maxima before its first batch
  std::vector<IndexedBatch> batches;
};
std::string encode(const BlockPage& page);
Result<BlockPage> read_block_page(std::string_view bytes);

// -- tables `streams` and `types` --

// Numbers of blocks, rising. In the table `streams` each with the stream's first revision in it.
struct Posting {
  std::uint64_t key = 0;
  std::vector<std::uint32_t> blocks;
  std::vector<std::uint64_t> revisions;  // table `streams` only
};
// Appends one entry.
void put_posting(std::string& page, const Posting& posting, bool with_revisions);
// The entries of a page; those whose key `wanted` refuses are passed over undecoded.
template <class Wanted>
Result<std::vector<Posting>> read_postings(std::string_view page, bool with_revisions,
                                           Wanted wanted);

// -- tables `keys` and `ids` --

// Sorted by hash, then block; each pair once.
struct HashEntry {
  std::uint32_t hash = 0;
  std::uint32_t block = 0;
  auto operator<=>(const HashEntry&) const = default;
};
inline constexpr std::size_t hash_entry_bytes = 8;
void put_hash_entry(std::string& page, HashEntry entry);
HashEntry hash_entry_at(std::string_view page, std::size_t index);

std::uint32_t index_hash(std::string_view bytes);                   // of a type's name
std::uint32_t index_hash(StreamId stream, std::string_view bytes);  // of a key, an event id

// -- table `names` --

struct IndexedFile {
  std::uint64_t staging_id = 0;
  std::uint32_t generation = 0;
  Position base;  // where its first event stands
  std::uint64_t event_count = 0;
};

struct IndexNames {
  std::vector<StreamName> streams;
  std::vector<SourceName> sources;
  std::vector<SchemaEntry> schemas;
  std::vector<IndexedFile> files;
};
std::string encode(const IndexNames& names);
Result<IndexNames> read_index_names(std::string_view bytes);

// -- inline --

namespace detail {
Status read_posting_body(std::string_view body, bool with_revisions, Posting& posting);
}

// posting: varint key | sized body
template <class Wanted>
Result<std::vector<Posting>> read_postings(std::string_view page, bool with_revisions,
                                           Wanted wanted) {
  std::vector<Posting> found;
  ByteReader in(page);
  while (in.remaining() != 0) {
    const std::uint64_t key = in.varint();
    const std::string_view body = in.sized();
    if (in.failed() || !wanted(key)) continue;
    found.emplace_back().key = key;
    TRY_DO(detail::read_posting_body(body, with_revisions, found.back()));
  }
  return in.finish(std::move(found), "index posting");
}

}  // namespace tidelog::format
