#include "eventstore/index_format.h"

#include <fmt/format.h>

#include "core/crc32c.h"
#include "core/invariant.h"

namespace tidelog::format {
namespace {

constexpr std::size_t uuid_bytes = 16;
constexpr std::size_t page_bytes_min = 8;   // a page's entry in the directory
constexpr std::size_t batch_bytes_min = 8;  // a batch in a page

std::uint32_t narrow(ByteReader& in) {
  const std::uint64_t wide = in.varint();
  if (wide > UINT32_MAX) in.fail();
  return static_cast<std::uint32_t>(wide);
}

void put_place(std::string& out, const BatchPlace& place) {
  put_le(out, place.base.value);
  put_le(out, place.sequence);
  put_le(out, place.chain);
}

BatchPlace read_place(ByteReader& in) {
  BatchPlace place;
  place.base.value = in.le<std::uint64_t>();
  place.sequence = in.le<std::uint64_t>();
  place.chain = in.le<std::uint32_t>();
  return place;
}

}  // namespace

// u32 magic | u32 crc of what follows | u32 version | u32 generation | u64 segment id | 16 uuid |
// begin and end (u64 base | u64 sequence | u32 chain) | u64 blocks | u64 ids | u64 directory offset
// | u64 directory bytes | u32 directory crc | zeros
std::string encode(const IndexHeader& header) {
  INVARIANT(header.uuid.size() == uuid_bytes, "a uuid has 16 bytes");
  std::string out;
  put_le(out, index_magic);
  put_le(out, std::uint32_t{0});
  put_le(out, version);
  put_le(out, header.generation);
  put_le(out, header.segment_id);
  out += header.uuid;
  put_place(out, header.begin);
  put_place(out, header.end);
  put_le(out, header.block_count);
  put_le(out, header.id_count);
  put_le(out, header.directory_offset);
  put_le(out, header.directory_bytes);
  put_le(out, header.directory_crc);
  out.resize(index_header_bytes, '\0');
  patch_le(out, 4, crc32c(std::string_view(out).substr(8)));
  return out;
}

Result<IndexHeader> read_index_header(std::string_view fixed) {
  if (fixed.size() < index_header_bytes) return fail(Code::corrupt, "index header: cut short");
  fixed = fixed.substr(0, index_header_bytes);
  ByteReader in(fixed);
  if (in.le<std::uint32_t>() != index_magic)
    return fail(Code::corrupt, "index header: is not one of an index");
  const auto crc = in.le<std::uint32_t>();
  if (in.le<std::uint32_t>() != version)
    return fail(Code::corrupt, "index header: is of another format");
  if (crc != crc32c(fixed.substr(8)))
    return fail(Code::corrupt, "index header: its checksum does not match");
  IndexHeader h;
  h.generation = in.le<std::uint32_t>();
  h.segment_id = in.le<std::uint64_t>();
  h.uuid = in.bytes(uuid_bytes);
  h.begin = read_place(in);
  h.end = read_place(in);
  h.block_count = in.le<std::uint64_t>();
  h.id_count = in.le<std::uint64_t>();
  h.directory_offset = in.le<std::uint64_t>();
  h.directory_bytes = in.le<std::uint64_t>();
  h.directory_crc = in.le<std::uint32_t>();
  return h;
}

// each table: varint pages | page*; page: varint key delta | varint first block | varint bytes |
// u32 crc. The pages of all tables lie one after the other, from the header on.
std::string encode(const IndexDirectory& directory) {
  std::string out;
  for (const auto& pages : directory) {
    put_varint(out, pages.size());
    std::uint64_t key = 0;
    for (const IndexPage& page : pages) {
      put_varint(out, page.key - key);
      put_varint(out, page.first_block);
      put_varint(out, page.bytes);
      put_le(out, page.crc);
      key = page.key;
    }
  }
  return out;
}

Result<IndexDirectory> read_index_directory(std::string_view bytes) {
  ByteReader in(bytes);
  IndexDirectory directory;
  std::uint64_t offset = index_header_bytes;
  for (auto& pages : directory) {
    pages.resize(in.varint_count(page_bytes_min - 1));
    std::uint64_t key = 0;
    for (IndexPage& page : pages) {
      key += in.varint();
      page.key = key;
      page.first_block = in.varint();
      page.bytes = in.varint();
      page.crc = in.le<std::uint32_t>();
      page.offset = offset;
      offset += page.bytes;
    }
  }
  return in.finish(std::move(directory), "index directory");
}

// page:  varint first block | zigzag append time before | list<varint source | zigzag commit time>
//        | varint first position | batch*
// batch: varint file | varint events | zigzag append time - the one before | varint source | zigzag
//        commit time | list<varint stream | varint revision> | list<block>
// block: varint offset - the end of the block before | varint stored | varint raw | varint events |
//        u8 codec | u32 crc
// Positions follow on from the page's first.
std::string encode(const BlockPage& page) {
  std::string out;
  put_varint(out, page.first_block);
  put_zigzag(out, page.append_time.value);
  put_varint(out, page.sources.size());
  for (const SourceTime& s : page.sources) {
    put_varint(out, s.source.value);
    put_zigzag(out, s.commit_time.value);
  }
  put_varint(out, page.batches.empty() ? 0 : page.batches.front().base.value);
  UnixMicros append_time = page.append_time;
  for (const IndexedBatch& batch : page.batches) {
    put_varint(out, batch.file);
    put_varint(out, batch.event_count);
    put_zigzag(out, batch.append_time.value - append_time.value);
    append_time = batch.append_time;
    put_varint(out, batch.source.value);
    put_zigzag(out, batch.commit_time.value);
    put_varint(out, batch.runs.size());
    for (const StreamRun& run : batch.runs) {
      put_varint(out, run.stream.value);
      put_varint(out, run.base.value);
    }
    put_varint(out, batch.blocks.size());
    std::uint64_t offset = 0;
    for (const IndexedBlock& block : batch.blocks) {
      put_varint(out, block.offset - offset);
      put_block_entry(out, block.entry);
      offset = block.offset + block.entry.stored_bytes;
    }
  }
  return out;
}

Result<BlockPage> read_block_page(std::string_view bytes) {
  ByteReader in(bytes);
  BlockPage page;
  page.first_block = in.varint();
  page.append_time.value = in.zigzag_varint();
  page.sources.resize(in.varint_count(2));
  for (SourceTime& s : page.sources) {
    s.source.value = narrow(in);
    s.commit_time.value = in.zigzag_varint();
  }
  Position base{in.varint()};
  UnixMicros append_time = page.append_time;
  while (in.remaining() >= batch_bytes_min - 1) {
    IndexedBatch& batch = page.batches.emplace_back();
    batch.base = base;
    batch.file = in.varint();
    batch.event_count = in.varint();
    batch.append_time.value = append_time.value + in.zigzag_varint();
    append_time = batch.append_time;
    batch.source.value = narrow(in);
    batch.commit_time.value = in.zigzag_varint();
    batch.runs.resize(in.varint_count(2));
    for (StreamRun& run : batch.runs) {
      run.stream.value = narrow(in);
      run.base.value = in.varint();
    }
    batch.blocks.resize(in.varint_count(9));
    std::uint64_t offset = 0;
    for (IndexedBlock& block : batch.blocks) {
      block.base = base;
      block.offset = offset + in.varint();
      block.entry = read_block_entry(in);
      offset = block.offset + block.entry.stored_bytes;
      base = base + block.entry.event_count;
    }
  }
  return in.finish(std::move(page), "index block page");
}

// body: varint blocks | blocks * (varint block delta | [varint revision delta])
void put_posting(std::string& page, const Posting& posting, bool with_revisions) {
  std::string body;
  put_varint(body, posting.blocks.size());
  std::uint32_t block = 0;
  std::uint64_t revision = 0;
  for (std::size_t i = 0; i < posting.blocks.size(); ++i) {
    put_varint(body, posting.blocks[i] - block);
    block = posting.blocks[i];
    if (!with_revisions) continue;
    put_varint(body, posting.revisions[i] - revision);
    revision = posting.revisions[i];
  }
  put_varint(page, posting.key);
  put_sized(page, body);
}

Status detail::read_posting_body(std::string_view body, bool with_revisions, Posting& posting) {
  ByteReader in(body);
  const std::size_t count = in.varint_count(with_revisions ? 2 : 1);
  posting.blocks.reserve(count);
  std::uint64_t block = 0;
  std::uint64_t revision = 0;
  for (std::size_t i = 0; i < count; ++i) {
    block += in.varint();
    if (block > UINT32_MAX) in.fail();
    posting.blocks.push_back(static_cast<std::uint32_t>(block));
    if (with_revisions) posting.revisions.push_back(revision += in.varint());
  }
  TRY_DO(in.finish(true, "index posting"));
  return {};
}

void put_hash_entry(std::string& page, HashEntry entry) {
  put_le(page, entry.hash);
  put_le(page, entry.block);
}

HashEntry hash_entry_at(std::string_view page, std::size_t index) {
  ByteReader in(page.substr(index * hash_entry_bytes, hash_entry_bytes));
  HashEntry entry;
  entry.hash = in.le<std::uint32_t>();
  entry.block = in.le<std::uint32_t>();
  return entry;
}

// FNV-1a of 64 bits, whose upper half is mixed from all of it: keys are sorted by it, and every bit
// counts.
namespace {

constexpr std::uint64_t fnv_begin = 0xCBF2'9CE4'8422'2325;

std::uint64_t fnv(std::uint64_t hash, std::string_view bytes) {
  for (const char c : bytes) {
    hash ^= static_cast<std::uint8_t>(c);
    hash *= 0x100'0000'01B3;
  }
  return hash;
}

std::uint32_t upper_mixed(std::uint64_t hash) {
  hash ^= hash >> 32;
  hash *= 0x9E37'79B9'7F4A'7C15;
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

std::uint32_t index_hash(std::string_view bytes) { return upper_mixed(fnv(fnv_begin, bytes)); }

std::uint32_t index_hash(StreamId stream, std::string_view bytes) {
  char id[4];
  for (unsigned i = 0; i < 4; ++i) id[i] = static_cast<char>(stream.value >> (8 * i));
  return upper_mixed(fnv(fnv(fnv_begin, {id, 4}), bytes));
}

// list<varint id | sized name> of streams, then of sources | list<varint id | varint stream | sized
// schema> | list<varint staging id | varint generation | varint position | varint events>
std::string encode(const IndexNames& names) {
  std::string out;
  put_varint(out, names.streams.size());
  for (const StreamName& s : names.streams) {
    put_varint(out, s.id.value);
    put_sized(out, s.name);
  }
  put_varint(out, names.sources.size());
  for (const SourceName& s : names.sources) {
    put_varint(out, s.id.value);
    put_sized(out, s.name);
  }
  put_varint(out, names.schemas.size());
  for (const SchemaEntry& s : names.schemas) {
    put_varint(out, s.id.value);
    put_varint(out, s.stream.value);
    put_sized(out, s.schema);
  }
  put_varint(out, names.files.size());
  for (const IndexedFile& f : names.files) {
    put_varint(out, f.staging_id);
    put_varint(out, f.generation);
    put_varint(out, f.base.value);
    put_varint(out, f.event_count);
  }
  return out;
}

Result<IndexNames> read_index_names(std::string_view bytes) {
  ByteReader in(bytes);
  IndexNames names;
  names.streams.resize(in.varint_count(2));
  for (StreamName& s : names.streams) {
    s.id.value = narrow(in);
    s.name = in.sized();
  }
  names.sources.resize(in.varint_count(2));
  for (SourceName& s : names.sources) {
    s.id.value = narrow(in);
    s.name = in.sized();
  }
  names.schemas.resize(in.varint_count(3));
  for (SchemaEntry& s : names.schemas) {
    s.id.value = narrow(in);
    s.stream.value = narrow(in);
    s.schema = in.sized();
  }
  names.files.resize(in.varint_count(4));
  for (IndexedFile& f : names.files) {
    f.staging_id = in.varint();
    f.generation = narrow(in);
    f.base.value = in.varint();
    f.event_count = in.varint();
  }
  return in.finish(std::move(names), "index names");
}

}  // namespace tidelog::format
