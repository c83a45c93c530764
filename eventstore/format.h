// The bytes of a store's files, one function to write and one to read each. FORMAT.md is the
// specification; section numbers below are its. No I/O here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog::format {

inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t alignment = 8;

inline constexpr std::uint32_t manifest_magic = 0x4D474C54;    // "TLGM"
inline constexpr std::uint32_t superblock_magic = 0x53474C54;  // "TLGS"
inline constexpr std::uint32_t head_magic = 0x48474C54;        // "TLGH"
inline constexpr std::uint32_t batch_magic = 0x42474C54;       // "TLGB"
inline constexpr std::uint32_t second_magic = 0x52474C54;      // "TLGR"

inline constexpr std::size_t head_fixed_bytes = 80;
inline constexpr std::size_t batch_fixed_bytes = 96;
inline constexpr std::size_t second_fixed_bytes = 40;
inline constexpr std::size_t superblock_slot_bytes = 64;
inline constexpr std::uint64_t superblock_slot_offsets[2] = {0, 4096};

inline constexpr std::size_t block_raw_bytes_target = 8 * 1024;
inline constexpr std::uint64_t block_raw_bytes_max = 1ULL << 30;
inline constexpr std::uint64_t extension_bytes_max = 1ULL << 30;
inline constexpr std::uint64_t body_bytes_max = 1ULL << 62;  // so that no file offset overflows

constexpr std::uint64_t aligned(std::uint64_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

// -- section 2: manifest --

struct ManifestSegment {
  std::uint64_t id = 0;
  std::uint32_t generation = 0;
  Position base;  // of its first batch
  bool operator==(const ManifestSegment&) const = default;
};

struct Manifest {
  std::string uuid;                       // 16 bytes: which store this is
  std::vector<ManifestSegment> segments;  // rising ids, the last one is written to
  bool operator==(const Manifest&) const = default;
};

std::string encode(const Manifest& manifest);
Result<Manifest> read_manifest(std::string_view bytes);

// -- section 3: superblock --

// A lower bound of what is durable. The valid slot with the larger counter counts.
struct Superblock {
  std::uint64_t counter = 0;
  std::uint64_t durable_batches = 0;  // every batch with a smaller sequence is on disk
  Position durable;                   // and so is every event before this
  std::uint64_t segment_id = 0;
  std::uint64_t file_offset = 0;  // where the next batch goes
};

std::string encode(const Superblock& superblock);
Result<Superblock> read_superblock(std::string_view slot);

// -- section 4: segment head --

struct StreamEntry {
  StreamId id;
  std::string name;
  Revision next;  // revision of its next event
  StreamLife life = {};
};

struct SourceEntry {
  SourceId id;
  std::string name;
  std::string position;    // encoded resume position
  UnixMicros commit_time;  // the running maximum
  UnixMicros append_time;  // of its last batch
};

struct SchemaEntry {
  SchemaId id;
  StreamId stream;
  std::string schema;  // core/schema.h
};

// What a reader needs when earlier segments are gone.
struct SegmentHead {
  std::uint64_t segment_id = 0;
  std::uint32_t generation = 0;
  std::uint32_t chain = 0;  // header checksum of the last batch before this segment; 0 in the first
  Position base;
  std::uint64_t base_sequence = 0;
  UnixMicros append_time;  // of that last batch
  SchemaId next_schema;
  std::uint64_t next_staging_id = 0;
  std::vector<StreamEntry> streams;
  std::vector<SourceEntry> sources;
  std::vector<SchemaEntry> schemas;  // each stream's newest
};

std::string encode(const SegmentHead& head);  // padded to `alignment`

// The fixed part says how long the rest is, under its own checksum.
struct HeadLengths {
  std::uint64_t body_bytes = 0;
  std::uint64_t total_bytes = 0;  // padded
};
Result<HeadLengths> read_head_lengths(std::string_view fixed);
Result<SegmentHead> read_segment_head(std::string_view fixed, std::string_view body);

// -- section 5: batch --

enum class Codec : std::uint8_t { none = 0, lz4 = 1, zstd = 2 };

struct BlockEntry {
  std::uint64_t stored_bytes = 0;
  std::uint64_t raw_bytes = 0;
  std::uint64_t event_count = 0;
  Codec codec = Codec::none;
  std::uint32_t crc = 0;  // of the stored bytes
};

// varint stored length | varint raw length | varint events | u8 codec | u32 crc: also in indexes
// and in kept transactions.
inline constexpr std::size_t block_entry_bytes_min = 8;
void put_block_entry(std::string& out, const BlockEntry& block);
BlockEntry read_block_entry(ByteReader& in);

// A stream's part in a batch.
struct StreamRun {
  StreamId stream;
  Revision base;  // of its first event here; in a staging file, counted from the file's begin
  std::uint64_t count = 0;
};

struct StreamName {
  StreamId id;
  std::string name;
};

struct SourceName {
  SourceId id;
  std::string name;
};

// A stream that was truncated, deleted or tombstoned by an event of the batch, or that the batch's
// first event of it began anew. In the order of the events; the last one of a stream counts.
struct StreamChange {
  StreamId stream;
  Revision revision;  // of the event that changed it
  StreamLife life;
  bool operator==(const StreamChange&) const = default;
};

// A staging file that a commit batch makes visible.
struct AdoptedFile {
  std::uint64_t staging_id = 0;
  std::uint32_t generation = 0;  // of the file: higher when it was rewritten
  std::uint64_t file_bytes = 0;
  std::uint64_t batch_count = 0;
  std::uint64_t event_count = 0;
  std::uint32_t chain = 0;  // header checksum of its last batch
};

struct BatchHeader {
  bool commit = false;  // adopts staging files; has no blocks of its own
  bool staged = false;  // lies in a staging file
  std::uint32_t generation = 0;
  std::uint64_t file_id = 0;   // segment id or staging id: bytes of another file never pass
  std::uint64_t sequence = 0;  // number of the batch in the store, or in the staging file
  Position base;               // of its first event; in a staging file, counted from its begin
  std::uint64_t event_count = 0;
  UnixMicros append_time;  // never goes back
  UnixMicros commit_time;  // the running maximum of its source
  // `durable_through`: batches with a smaller sequence were on disk by then
  std::uint64_t durable_batches = 0;
  std::uint32_t chain = 0;  // header checksum of the batch before it
  SourceId source;
  std::uint32_t extension_bytes = 0;
  std::uint32_t extension_crc = 0;
  std::uint64_t body_bytes = 0;

  std::uint32_t crc = 0;  // of the header itself: set by reading and writing
  // Of a batch in a rewritten file: what its second header says. The lengths above are then the
  // present ones, the rest and `crc`, which the chain covers, are as once written.
  bool rewritten = false;
  std::uint32_t file_generation = 0;
  std::uint64_t kept_count = 0;  // events that are still there

  std::uint64_t header_bytes() const {
    return batch_fixed_bytes + (rewritten ? second_fixed_bytes : 0);
  }
  std::uint64_t total_bytes() const {
    return aligned(header_bytes() + extension_bytes + body_bytes);
  }
};

struct BatchExtension {
  std::string source_position;
  std::vector<StreamRun> runs;
  std::vector<StreamName> streams;  // names used here for the first time in the log
  std::vector<SourceName> sources;
  std::vector<SchemaEntry> schemas;  // versions that begin here; an adopted file's are all listed
  std::vector<BlockEntry> blocks;
  std::vector<AdoptedFile> adopted;
  std::vector<StreamChange> changes;
};

// Sets extension_bytes, extension_crc and crc of `header`. The body (the blocks' stored bytes)
// follows, then zero padding.
std::string encode(BatchHeader& header, const BatchExtension& extension);
Result<BatchHeader> read_batch_header(std::string_view fixed);
// The same batch in a rewritten file: `original` is the header as it was first written, byte for
// byte, and comes back followed by the second header and the extension.
std::string encode_rewritten(std::string_view original, BatchHeader& header,
                             const BatchExtension& extension);
// Takes over what the second header says; `header` is the original's.
Status read_second_header(std::string_view fixed, BatchHeader& header);
Result<BatchExtension> read_batch_extension(const BatchHeader& header, std::string_view bytes);

}  // namespace tidelog::format
