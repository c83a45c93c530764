#include "eventstore/format.h"

#include <fmt/format.h>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/invariant.h"

namespace tidelog::format {
namespace {

constexpr std::size_t uuid_bytes = 16;
constexpr std::size_t manifest_fixed_bytes = 4 + 4 + uuid_bytes + 8;
constexpr std::size_t manifest_segment_bytes = 8 + 4 + 8;
constexpr std::size_t crc_bytes = 4;

enum Flag : std::uint8_t { flag_commit = 1, flag_staged = 2 };

void pad(std::string& out) { out.resize(aligned(out.size()), '\0'); }

Status expect_magic(std::uint32_t met, std::uint32_t expected, std::string_view what) {
  if (met == expected) return {};
  return fail(Code::corrupt,
              fmt::format("{}: begins with {:08x}, expected {:08x}", what, met, expected));
}

Status expect_crc(std::uint32_t stored, std::uint32_t computed, std::string_view what) {
  if (stored == computed) return {};
  return fail(Code::corrupt,
              fmt::format("{}: checksum is {:08x}, its bytes give {:08x}", what, stored, computed));
}

// Checked before any checksum, since a newer version may keep its checksum elsewhere.
Status expect_version(std::uint32_t met, std::string_view what) {
  if (met == version) return {};
  return fail(
      Code::unsupported,
      fmt::format("{}: written in format {}, this tidelog reads format {}: use a newer tidelog",
                  what, met, version));
}

template <class T, class Put>
void put_list(std::string& out, const std::vector<T>& items, Put put) {
  put_varint(out, items.size());
  for (const T& item : items) put(item);
}

template <class T, class Read>
std::vector<T> read_list(ByteReader& in, std::size_t item_bytes_min, Read read) {
  std::vector<T> items(in.varint_count(item_bytes_min));
  for (T& item : items) read(item);
  return items;
}

std::uint32_t narrow(ByteReader& in) {
  const std::uint64_t wide = in.varint();
  if (wide > UINT32_MAX) in.fail();
  return static_cast<std::uint32_t>(wide);
}

// schema: varint id | varint stream | sized schema
void put_schemas(std::string& out, const std::vector<SchemaEntry>& schemas) {
  put_list(out, schemas, [&](const SchemaEntry& s) {
    put_varint(out, s.id.value);
    put_varint(out, s.stream.value);
    put_sized(out, s.schema);
  });
}

// life: u8 status | varint first revision that counts
void put_life(std::string& out, const StreamLife& life) {
  put_le(out, static_cast<std::uint8_t>(life.status));
  put_varint(out, life.first.value);
}

StreamLife read_life(ByteReader& in) {
  const auto status = in.le<std::uint8_t>();
  if (status > stream_status_max) in.fail();
  return {static_cast<StreamStatus>(status), {in.varint()}};
}

std::vector<SchemaEntry> read_schemas(ByteReader& in) {
  return read_list<SchemaEntry>(in, 3, [&](SchemaEntry& s) {
    s.id.value = narrow(in);
    s.stream.value = narrow(in);
    s.schema = in.sized();
  });
}

// sized source position | runs (varint stream | varint base | varint count) | streams (varint id |
// sized name) | sources (varint id | sized name) | schemas | blocks (varint stored | varint raw |
// varint events | u8 codec | u32 crc) | adopted (varint staging id | varint generation | varint
// file bytes | varint batches | varint events | u32 chain) | changes (varint stream | varint
// revision | life)
std::string encode_extension(const BatchExtension& extension) {
  std::string ext;
  put_sized(ext, extension.source_position);
  put_list(ext, extension.runs, [&](const StreamRun& r) {
    put_varint(ext, r.stream.value);
    put_varint(ext, r.base.value);
    put_varint(ext, r.count);
  });
  put_list(ext, extension.streams, [&](const StreamName& s) {
    put_varint(ext, s.id.value);
    put_sized(ext, s.name);
  });
  put_list(ext, extension.sources, [&](const SourceName& s) {
    put_varint(ext, s.id.value);
    put_sized(ext, s.name);
  });
  put_schemas(ext, extension.schemas);
  put_list(ext, extension.blocks, [&](const BlockEntry& b) { put_block_entry(ext, b); });
  put_list(ext, extension.adopted, [&](const AdoptedFile& a) {
    put_varint(ext, a.staging_id);
    put_varint(ext, a.generation);
    put_varint(ext, a.file_bytes);
    put_varint(ext, a.batch_count);
    put_varint(ext, a.event_count);
    put_le(ext, a.chain);
  });
  put_list(ext, extension.changes, [&](const StreamChange& c) {
    put_varint(ext, c.stream.value);
    put_varint(ext, c.revision.value);
    put_life(ext, c.life);
  });
  INVARIANT(ext.size() <= extension_bytes_max, "a batch's extension stays within its limit");
  return ext;
}

Status check_lengths(const BatchHeader& header) {
  if (header.extension_bytes <= extension_bytes_max && header.body_bytes <= body_bytes_max)
    return {};
  return fail(Code::corrupt, fmt::format("batch header: claims {} and {} bytes, limits {} and {}",
                                         header.extension_bytes, header.body_bytes,
                                         extension_bytes_max, body_bytes_max));
}

}  // namespace

void put_block_entry(std::string& out, const BlockEntry& block) {
  put_varint(out, block.stored_bytes);
  put_varint(out, block.raw_bytes);
  put_varint(out, block.event_count);
  put_le(out, static_cast<std::uint8_t>(block.codec));
  put_le(out, block.crc);
}

BlockEntry read_block_entry(ByteReader& in) {
  BlockEntry block;
  block.stored_bytes = in.varint();
  block.raw_bytes = in.varint();
  block.event_count = in.varint();
  block.codec = static_cast<Codec>(in.le<std::uint8_t>());
  block.crc = in.le<std::uint32_t>();
  return block;
}

// u32 magic | u32 version | 16 uuid | u64 count | count * (u64 id | u32 generation | u64 base) |
// u32 crc of all before
std::string encode(const Manifest& manifest) {
  INVARIANT(manifest.uuid.size() == uuid_bytes, "a uuid has 16 bytes");
  std::string out;
  put_le(out, manifest_magic);
  put_le(out, version);
  out += manifest.uuid;
  put_le(out, static_cast<std::uint64_t>(manifest.segments.size()));
  for (const ManifestSegment& s : manifest.segments) {
    put_le(out, s.id);
    put_le(out, s.generation);
    put_le(out, s.base.value);
  }
  put_le(out, crc32c(out));
  return out;
}

Result<Manifest> read_manifest(std::string_view bytes) {
  ByteReader in(bytes);
  TRY_DO(expect_magic(in.le<std::uint32_t>(), manifest_magic, "manifest"));
  TRY_DO(expect_version(in.le<std::uint32_t>(), "manifest"));
  if (bytes.size() < manifest_fixed_bytes + crc_bytes)
    return fail(Code::corrupt, "manifest: cut short");
  ByteReader end(bytes.substr(bytes.size() - crc_bytes));
  TRY_DO(expect_crc(end.le<std::uint32_t>(), crc32c(bytes.substr(0, bytes.size() - crc_bytes)),
                    "manifest"));
  Manifest m;
  m.uuid = in.bytes(uuid_bytes);
  const auto count = in.le<std::uint64_t>();
  if (count > in.remaining() / manifest_segment_bytes)
    return fail(Code::corrupt, "manifest: claims too many segments");
  m.segments.resize(count);
  for (ManifestSegment& s : m.segments) {
    s.id = in.le<std::uint64_t>();
    s.generation = in.le<std::uint32_t>();
    s.base.value = in.le<std::uint64_t>();
  }
  in.bytes(crc_bytes);
  if (m.segments.empty()) return fail(Code::corrupt, "manifest: lists no segment");
  return in.finish(std::move(m), "manifest");
}

// u32 magic | u32 version | u64 counter | u64 durable batches | u64 durable | u64 segment id | u64
// file offset | zeros | u32 crc
std::string encode(const Superblock& superblock) {
  std::string out;
  put_le(out, superblock_magic);
  put_le(out, version);
  put_le(out, superblock.counter);
  put_le(out, superblock.durable_batches);
  put_le(out, superblock.durable.value);
  put_le(out, superblock.segment_id);
  put_le(out, superblock.file_offset);
  out.resize(superblock_slot_bytes - crc_bytes, '\0');
  put_le(out, crc32c(out));
  return out;
}

Result<Superblock> read_superblock(std::string_view slot) {
  if (slot.size() < superblock_slot_bytes) return fail(Code::corrupt, "superblock: cut short");
  ByteReader in(slot);
  TRY_DO(expect_magic(in.le<std::uint32_t>(), superblock_magic, "superblock"));
  TRY_DO(expect_version(in.le<std::uint32_t>(), "superblock"));
  const std::string_view covered = slot.substr(0, superblock_slot_bytes - crc_bytes);
  ByteReader end(slot.substr(covered.size()));
  TRY_DO(expect_crc(end.le<std::uint32_t>(), crc32c(covered), "superblock"));
  Superblock s;
  s.counter = in.le<std::uint64_t>();
  s.durable_batches = in.le<std::uint64_t>();
  s.durable.value = in.le<std::uint64_t>();
  s.segment_id = in.le<std::uint64_t>();
  s.file_offset = in.le<std::uint64_t>();
  return s;
}

// fixed: u32 magic | u32 crc of the fixed part after it | u32 version | u32 generation | u64
// segment id | u64 base |
//        u64 base sequence | i64 append time | u32 chain | u32 next schema | u64 next staging id |
//        u64 body bytes | u32 body crc | u32 0
// body: streams (varint id | sized name | varint next | life) | sources (varint id | sized name |
// sized position | zigzag commit time |
//       zigzag append time) | schemas
std::string encode(const SegmentHead& head) {
  std::string body;
  put_list(body, head.streams, [&](const StreamEntry& s) {
    put_varint(body, s.id.value);
    put_sized(body, s.name);
    put_varint(body, s.next.value);
    put_life(body, s.life);
  });
  put_list(body, head.sources, [&](const SourceEntry& s) {
    put_varint(body, s.id.value);
    put_sized(body, s.name);
    put_sized(body, s.position);
    put_zigzag(body, s.commit_time.value);
    put_zigzag(body, s.append_time.value);
  });
  put_schemas(body, head.schemas);

  std::string out;
  put_le(out, head_magic);
  put_le(out, std::uint32_t{0});
  put_le(out, version);
  put_le(out, head.generation);
  put_le(out, head.segment_id);
  put_le(out, head.base.value);
  put_le(out, head.base_sequence);
  put_le(out, head.append_time.value);
  put_le(out, head.chain);
  put_le(out, head.next_schema.value);
  put_le(out, head.next_staging_id);
  put_le(out, static_cast<std::uint64_t>(body.size()));
  put_le(out, crc32c(body));
  put_le(out, std::uint32_t{0});
  INVARIANT(out.size() == head_fixed_bytes, "the fixed head has its documented size");
  patch_le(out, 4, crc32c(std::string_view(out).substr(8)));
  out += body;
  pad(out);
  return out;
}

Result<HeadLengths> read_head_lengths(std::string_view fixed) {
  if (fixed.size() < head_fixed_bytes) return fail(Code::corrupt, "segment head: cut short");
  fixed = fixed.substr(0, head_fixed_bytes);
  ByteReader in(fixed);
  TRY_DO(expect_magic(in.le<std::uint32_t>(), head_magic, "segment head"));
  const auto crc = in.le<std::uint32_t>();
  TRY_DO(expect_version(in.le<std::uint32_t>(), "segment head"));
  TRY_DO(expect_crc(crc, crc32c(fixed.substr(8)), "segment head"));
  ByteReader lengths(fixed.substr(64));
  HeadLengths result;
  result.body_bytes = lengths.le<std::uint64_t>();
  result.total_bytes = aligned(head_fixed_bytes + result.body_bytes);
  return result;
}

Result<SegmentHead> read_segment_head(std::string_view fixed, std::string_view body) {
  TRY(const auto lengths, read_head_lengths(fixed));
  if (lengths.body_bytes > body.size())
    return fail(Code::corrupt, "segment head: its file is too short");
  body = body.substr(0, lengths.body_bytes);
  ByteReader in(fixed.substr(12));
  SegmentHead head;
  head.generation = in.le<std::uint32_t>();
  head.segment_id = in.le<std::uint64_t>();
  head.base.value = in.le<std::uint64_t>();
  head.base_sequence = in.le<std::uint64_t>();
  head.append_time.value = in.le<std::int64_t>();
  head.chain = in.le<std::uint32_t>();
  head.next_schema.value = in.le<std::uint32_t>();
  head.next_staging_id = in.le<std::uint64_t>();
  in.le<std::uint64_t>();
  TRY_DO(expect_crc(in.le<std::uint32_t>(), crc32c(body), "segment head body"));

  ByteReader b(body);
  head.streams = read_list<StreamEntry>(b, 5, [&](StreamEntry& s) {
    s.id.value = narrow(b);
    s.name = b.sized();
    s.next.value = b.varint();
    s.life = read_life(b);
  });
  head.sources = read_list<SourceEntry>(b, 5, [&](SourceEntry& s) {
    s.id.value = narrow(b);
    s.name = b.sized();
    s.position = b.sized();
    s.commit_time.value = b.zigzag_varint();
    s.append_time.value = b.zigzag_varint();
  });
  head.schemas = read_schemas(b);
  return b.finish(std::move(head), "segment head body");
}

// u32 magic | u32 crc of the fixed part after it | u8 version | u8 flags | u16 0 | u32 generation |
// u64 file id | u64 sequence | u64 base | u64 event count | i64 append time | i64 commit time | u64
// durable batches | u32 chain | u32 source | u32 extension bytes | u32 extension crc | u64 body
// bytes; then the extension
std::string encode(BatchHeader& header, const BatchExtension& extension) {
  const std::string ext = encode_extension(extension);
  header.extension_bytes = static_cast<std::uint32_t>(ext.size());
  header.extension_crc = crc32c(ext);

  std::string out;
  out.reserve(batch_fixed_bytes + ext.size());
  put_le(out, batch_magic);
  put_le(out, std::uint32_t{0});
  put_le(out, static_cast<std::uint8_t>(version));
  put_le(out, static_cast<std::uint8_t>((header.commit ? flag_commit : 0) |
                                        (header.staged ? flag_staged : 0)));
  put_le(out, std::uint16_t{0});
  put_le(out, header.generation);
  put_le(out, header.file_id);
  put_le(out, header.sequence);
  put_le(out, header.base.value);
  put_le(out, header.event_count);
  put_le(out, header.append_time.value);
  put_le(out, header.commit_time.value);
  put_le(out, header.durable_batches);
  put_le(out, header.chain);
  put_le(out, header.source.value);
  put_le(out, header.extension_bytes);
  put_le(out, header.extension_crc);
  put_le(out, header.body_bytes);
  INVARIANT(out.size() == batch_fixed_bytes, "the fixed header has its documented size");
  header.crc = crc32c(std::string_view(out).substr(8));
  patch_le(out, 4, header.crc);
  out += ext;
  return out;
}

Result<BatchHeader> read_batch_header(std::string_view fixed) {
  if (fixed.size() < batch_fixed_bytes) return fail(Code::corrupt, "batch header: cut short");
  fixed = fixed.substr(0, batch_fixed_bytes);
  ByteReader in(fixed);
  TRY_DO(expect_magic(in.le<std::uint32_t>(), batch_magic, "batch header"));
  BatchHeader h;
  h.crc = in.le<std::uint32_t>();
  TRY_DO(expect_crc(h.crc, crc32c(fixed.substr(8)), "batch header"));
  TRY_DO(expect_version(in.le<std::uint8_t>(), "batch header"));
  const auto flags = in.le<std::uint8_t>();
  if ((flags & ~(flag_commit | flag_staged)) != 0) {
    return fail(Code::unsupported,
                fmt::format("batch header: flags {:02x} are of a newer format", flags));
  }
  h.commit = (flags & flag_commit) != 0;
  h.staged = (flags & flag_staged) != 0;
  in.le<std::uint16_t>();
  h.generation = in.le<std::uint32_t>();
  h.file_id = in.le<std::uint64_t>();
  h.sequence = in.le<std::uint64_t>();
  h.base.value = in.le<std::uint64_t>();
  h.event_count = in.le<std::uint64_t>();
  h.append_time.value = in.le<std::int64_t>();
  h.commit_time.value = in.le<std::int64_t>();
  h.durable_batches = in.le<std::uint64_t>();
  h.chain = in.le<std::uint32_t>();
  h.source.value = in.le<std::uint32_t>();
  h.extension_bytes = in.le<std::uint32_t>();
  h.extension_crc = in.le<std::uint32_t>();
  h.body_bytes = in.le<std::uint64_t>();
  h.file_generation = h.generation;
  h.kept_count = h.event_count;
  TRY_DO(check_lengths(h));
  return h;
}

// u32 magic | u32 crc of the part after it | u32 generation of the file | u32 extension bytes | u32
// extension crc | u32 crc of the original header | u64 body bytes | u64 kept events; then the
// extension
std::string encode_rewritten(std::string_view original, BatchHeader& header,
                             const BatchExtension& extension) {
  INVARIANT(original.size() == batch_fixed_bytes, "the original header is kept whole");
  const std::string ext = encode_extension(extension);
  header.rewritten = true;
  header.extension_bytes = static_cast<std::uint32_t>(ext.size());
  header.extension_crc = crc32c(ext);

  std::string second;
  put_le(second, second_magic);
  put_le(second, std::uint32_t{0});
  put_le(second, header.file_generation);
  put_le(second, header.extension_bytes);
  put_le(second, header.extension_crc);
  put_le(second, header.crc);
  put_le(second, header.body_bytes);
  put_le(second, header.kept_count);
  INVARIANT(second.size() == second_fixed_bytes, "the second header has its documented size");
  patch_le(second, 4, crc32c(std::string_view(second).substr(8)));
  return std::string(original) + second + ext;
}

Status read_second_header(std::string_view fixed, BatchHeader& header) {
  if (fixed.size() < second_fixed_bytes) return fail(Code::corrupt, "second header: cut short");
  fixed = fixed.substr(0, second_fixed_bytes);
  ByteReader in(fixed);
  TRY_DO(expect_magic(in.le<std::uint32_t>(), second_magic, "second header"));
  TRY_DO(expect_crc(in.le<std::uint32_t>(), crc32c(fixed.substr(8)), "second header"));
  header.rewritten = true;
  header.file_generation = in.le<std::uint32_t>();
  header.extension_bytes = in.le<std::uint32_t>();
  header.extension_crc = in.le<std::uint32_t>();
  const auto original = in.le<std::uint32_t>();
  header.body_bytes = in.le<std::uint64_t>();
  header.kept_count = in.le<std::uint64_t>();
  if (original != header.crc) {
    return fail(Code::corrupt, fmt::format("second header: belongs to a batch with checksum "
                                           "{:08x}, not {:08x}",
                                           original, header.crc));
  }
  if (header.kept_count > header.event_count) {
    return fail(Code::corrupt, fmt::format("second header: {} events are left of {}",
                                           header.kept_count, header.event_count));
  }
  return check_lengths(header);
}

Result<BatchExtension> read_batch_extension(const BatchHeader& header, std::string_view bytes) {
  TRY_DO(expect_crc(header.extension_crc, crc32c(bytes), "batch extension"));
  ByteReader in(bytes);
  BatchExtension e;
  e.source_position = in.sized();
  e.runs = read_list<StreamRun>(in, 3, [&](StreamRun& r) {
    r.stream.value = narrow(in);
    r.base.value = in.varint();
    r.count = in.varint();
  });
  e.streams = read_list<StreamName>(in, 2, [&](StreamName& s) {
    s.id.value = narrow(in);
    s.name = in.sized();
  });
  e.sources = read_list<SourceName>(in, 2, [&](SourceName& s) {
    s.id.value = narrow(in);
    s.name = in.sized();
  });
  e.schemas = read_schemas(in);
  e.blocks = read_list<BlockEntry>(in, block_entry_bytes_min,
                                   [&](BlockEntry& b) { b = read_block_entry(in); });
  e.adopted = read_list<AdoptedFile>(in, 9, [&](AdoptedFile& a) {
    a.staging_id = in.varint();
    a.generation = narrow(in);
    a.file_bytes = in.varint();
    a.batch_count = in.varint();
    a.event_count = in.varint();
    a.chain = in.le<std::uint32_t>();
  });
  e.changes = read_list<StreamChange>(in, 4, [&](StreamChange& c) {
    c.stream.value = narrow(in);
    c.revision.value = in.varint();
    c.life = read_life(in);
  });
  return in.finish(std::move(e), "batch extension");
}

}  // namespace tidelog::format
