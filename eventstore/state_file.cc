#include "eventstore/state_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/crc32c.h"
#include "core/invariant.h"
#include "eventstore/block.h"

namespace tidelog {
namespace {

// head      = u32 magic | u32 version
// foot      = u32 magic | u32 version | u64 directory offset | u64 directory length |
//             u32 crc of the directory | u32 crc of the 28 bytes before
constexpr std::size_t head_bytes = 8;
constexpr std::size_t foot_bytes = 32;
constexpr std::uint32_t magic = 0x54474C54;  // "TLGT"
constexpr std::size_t write_bytes = 1 << 20;
// A directory entry, a schema: at least so long.
constexpr std::size_t entry_bytes_min = 10;
constexpr std::size_t schema_bytes_min = 2;

enum Flag : std::uint8_t {
  flag_base = 1,
  flag_loaded = 2,
  flag_some_unknown = 4,
  flag_loading = 8
};
constexpr std::uint8_t flags_known = flag_base | flag_loaded | flag_some_unknown | flag_loading;

// row = sized key | sized row | varint schema id | varint position | varint revision | varint
// copies
void put_row(std::string& out, const StoredRow& row) {
  put_sized(out, row.key);
  put_sized(out, row.row);
  put_varint(out, row.schema.value);
  put_varint(out, row.position.value);
  put_varint(out, row.revision.value);
  put_varint(out, row.copies);
}

std::uint32_t read_u32(ByteReader& in) {
  const std::uint64_t number = in.varint();
  if (number > UINT32_MAX) in.fail();
  return static_cast<std::uint32_t>(number);
}

StoredRow read_stored_row(ByteReader& in) {
  StoredRow row;
  row.key = in.sized();
  row.row = in.sized();
  row.schema = {read_u32(in)};
  row.position = {in.varint()};
  row.revision = {in.varint()};
  row.copies = read_u32(in);
  if (row.copies == 0) in.fail();
  return row;
}

// entry = sized first key | varint file offset | varint stored length | varint raw length |
//         varint number of rows, or of entries | u8 codec | u32 crc
void put_entry(std::string& out, std::string_view first_key, std::uint64_t file_offset,
               const format::BlockEntry& block) {
  put_sized(out, first_key);
  put_varint(out, file_offset);
  put_varint(out, block.stored_bytes);
  put_varint(out, block.raw_bytes);
  put_varint(out, block.event_count);
  out.push_back(static_cast<char>(block.codec));
  put_le(out, block.crc);
}

void put_about(std::string& out, const StateAbout& about, std::uint64_t key_count) {
  out.append(about.store);
  out.push_back(static_cast<char>((about.base ? flag_base : 0) | (about.loaded ? flag_loaded : 0) |
                                  (about.some_unknown ? flag_some_unknown : 0) |
                                  (about.loading ? flag_loading : 0)));
  put_varint(out, about.stream.value);
  put_sized(out, about.stream_name);
  put_varint(out, about.position.value);
  put_varint(out, about.revision.value);
  put_zigzag(out, about.append_time.value);
  put_varint(out, about.schema.value);
  put_varint(out, key_count);
  put_varint(out, about.row_count);
  put_varint(out, about.gap_count);
  put_varint(out, about.before_history_count);
  put_varint(out, about.contradiction_count);
  put_varint(out, about.contradictions.size());
  for (const auto& one : about.contradictions) {
    out.push_back(static_cast<char>(one.what));
    put_varint(out, one.position.value);
  }
}

StateAbout read_about(ByteReader& in, std::uint64_t& key_count) {
  StateAbout about;
  about.store = in.bytes(16);
  const auto flags = in.le<std::uint8_t>();
  if ((flags & ~flags_known) != 0) in.fail();
  about.base = (flags & flag_base) != 0;
  about.loaded = (flags & flag_loaded) != 0;
  about.some_unknown = (flags & flag_some_unknown) != 0;
  about.loading = (flags & flag_loading) != 0;
  about.stream = {read_u32(in)};
  about.stream_name = in.sized();
  about.position = {in.varint()};
  about.revision = {in.varint()};
  about.append_time = {in.zigzag_varint()};
  about.schema = {read_u32(in)};
  key_count = in.varint();
  about.row_count = in.varint();
  about.gap_count = in.varint();
  about.before_history_count = in.varint();
  about.contradiction_count = in.varint();
  about.contradictions.resize(in.varint_count(2));
  for (auto& one : about.contradictions) {
    one.what = in.le<std::uint8_t>();
    one.position = {in.varint()};
  }
  return about;
}

}  // namespace

// -- writing --

Result<StateFileWriter> StateFileWriter::create(Disk& disk, const std::string& path) {
  TRY(auto file, disk.create(path));
  StateFileWriter writer(std::move(file));
  put_le(writer.pending_, magic);
  put_le(writer.pending_, format::version);
  return writer;
}

Status StateFileWriter::add(const StoredRow& row) {
  INVARIANT(key_count_ == 0 || KeyOrder(last_key_) < KeyOrder(row.key), "rows come in order");
  last_key_ = row.key;
  ++key_count_;
  if (block_rows_ == 0) block_first_key_ = row.key;
  put_row(block_, row);
  ++block_rows_;
  schemas_.try_emplace(row.schema, true);
  return block_.size() >= format::block_raw_bytes_target ? end_block() : Status{};
}

// Puts a block into the file and gives the entry that says where.
Result<std::string> StateFileWriter::placed_block(const std::string& raw, std::uint64_t count,
                                                  const std::string& first_key) {
  const std::uint64_t offset = file_offset_ + pending_.size();
  TRY(const format::BlockEntry block, put_block(pending_, raw, count));
  std::string entry;
  put_entry(entry, first_key, offset, block);
  TRY_DO(write_pending(write_bytes));
  return entry;
}

Status StateFileWriter::end_block() {
  if (block_rows_ == 0) return {};
  TRY(const std::string entry, placed_block(block_, block_rows_, block_first_key_));
  block_.clear();
  block_rows_ = 0;
  if (index_entries_ == 0) index_first_key_ = block_first_key_;
  index_ += entry;
  ++index_entries_;
  return index_.size() >= format::block_raw_bytes_target ? end_index_block() : Status{};
}

Status StateFileWriter::end_index_block() {
  if (index_entries_ == 0) return {};
  TRY(const std::string entry, placed_block(index_, index_entries_, index_first_key_));
  index_.clear();
  index_entries_ = 0;
  directory_ += entry;
  ++directory_entries_;
  return {};
}

Status StateFileWriter::write_pending(std::size_t bytes_min) {
  if (pending_.size() < bytes_min) return {};
  TRY_DO(file_->write(file_offset_, pending_));
  file_offset_ += pending_.size();
  pending_.clear();
  return {};
}

Status StateFileWriter::finish(const StateAbout& about, const EncodedSchemas& schemas) {
  INVARIANT(about.store.size() == 16, "a store's uuid has 16 bytes");
  TRY_DO(end_block());
  TRY_DO(end_index_block());
  if (about.schema != SchemaId{}) schemas_.try_emplace(about.schema, true);
  std::vector<SchemaId> ids;
  for (const auto& [id, used] : schemas_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  std::string directory;
  put_about(directory, about, key_count_);
  put_varint(directory, ids.size());
  for (const SchemaId id : ids) {
    TRY(const std::string encoded, schemas(id));
    put_varint(directory, id.value);
    put_sized(directory, encoded);
  }
  put_varint(directory, directory_entries_);
  directory += directory_;
  const std::uint64_t offset = file_offset_ + pending_.size();
  pending_ += directory;
  std::string foot;
  put_le(foot, magic);
  put_le(foot, format::version);
  put_le(foot, offset);
  put_le(foot, std::uint64_t{directory.size()});
  put_le(foot, crc32c(directory));
  put_le(foot, crc32c(foot));
  pending_ += foot;
  TRY_DO(write_pending(0));
  return file_->sync();
}

// -- reading --

Result<std::unique_ptr<StateFile>> StateFile::open(Disk& disk, const std::string& path) {
  std::unique_ptr<StateFile> state(new StateFile);
  state->path_ = path;
  TRY(state->file_, disk.open_read(path));
  const Status read = [&]() -> Status {
    const File& file = *state->file_;
    TRY(const std::uint64_t bytes, file.size());
    state->file_bytes_ = bytes;
    if (bytes < head_bytes + foot_bytes) return fail(Code::corrupt, "too short for a state file");
    std::string head;
    std::string foot;
    TRY_DO(file.read(0, head_bytes, head));
    TRY_DO(file.read(bytes - foot_bytes, foot_bytes, foot));
    if (head.size() != head_bytes || foot.size() != foot_bytes) {
      return fail(Code::corrupt, "became shorter while it was read");
    }
    ByteReader in(foot);
    const auto foot_magic = in.le<std::uint32_t>();
    const auto foot_version = in.le<std::uint32_t>();
    const auto offset = in.le<std::uint64_t>();
    const auto length = in.le<std::uint64_t>();
    const auto directory_crc = in.le<std::uint32_t>();
    const auto foot_crc = in.le<std::uint32_t>();
    if (crc32c(std::string_view(foot).substr(0, foot_bytes - 4)) != foot_crc) {
      return fail(Code::corrupt, "its foot's checksum does not fit");
    }
    if (foot_magic != magic || head.substr(0, 8) != foot.substr(0, 8)) {
      return fail(Code::corrupt, "its head is not that of a state file");
    }
    if (foot_version != format::version) {
      return fail(Code::unsupported,
                  fmt::format("format version {}: use a newer tidelog", foot_version));
    }
    if (offset < head_bytes || offset > bytes || length != bytes - foot_bytes - offset) {
      return fail(Code::corrupt, "its foot does not fit its length");
    }
    std::string directory;
    TRY_DO(file.read(offset, length, directory));
    if (directory.size() != length || crc32c(directory) != directory_crc) {
      return fail(Code::corrupt, "its directory's checksum does not fit");
    }
    return state->read_directory(directory);
  }();
  if (!read) return fail_in(path, read.error());
  return state;
}

Status StateFile::read_directory(std::string_view bytes) {
  ByteReader in(bytes);
  about_ = read_about(in, key_count_);
  const std::size_t schema_count = in.varint_count(schema_bytes_min);
  for (std::size_t i = 0; i < schema_count; ++i) {
    const SchemaId id{read_u32(in)};
    TRY(auto schema, read_schema(in.sized()));
    schemas_.push_back({id, std::make_unique<const Schema>(std::move(schema))});
  }
  const std::size_t entries = in.varint_count(entry_bytes_min);
  const std::string_view rest = in.rest();
  TRY_DO(in.finish(true, "directory"));
  TRY(directory_, read_entries(rest, entries));
  return {};
}

Result<std::vector<StateFile::Entry>> StateFile::read_entries(std::string_view raw,
                                                              std::uint64_t count) {
  ByteReader in(raw);
  std::vector<Entry> entries;
  if (count > raw.size() / entry_bytes_min) {
    return fail(Code::corrupt, "index: shorter than its number of entries");
  }
  entries.resize(count);
  for (Entry& entry : entries) {
    entry.first_key = in.sized();
    entry.file_offset = in.varint();
    entry.block.stored_bytes = in.varint();
    entry.block.raw_bytes = in.varint();
    entry.block.event_count = in.varint();
    entry.block.codec = static_cast<format::Codec>(in.le<std::uint8_t>());
    entry.block.crc = in.le<std::uint32_t>();
  }
  return in.finish(std::move(entries), "index");
}

Result<const Schema*> StateFile::schema(SchemaId id) const {
  const auto at = std::find_if(schemas_.begin(), schemas_.end(),
                               [&](const Version& version) { return version.id == id; });
  if (at != schemas_.end()) return at->schema.get();
  return fail(Code::corrupt, fmt::format("{}: schema {} is used but not there", path_, id.value));
}

std::vector<SchemaId> StateFile::schema_ids() const {
  std::vector<SchemaId> ids;
  for (const Version& version : schemas_) ids.push_back(version.id);
  return ids;
}

Result<std::string_view> StateFile::read_block(const Entry& entry, std::string& stored,
                                               std::string& inflated) const {
  const std::uint64_t length = entry.block.stored_bytes;
  if (entry.file_offset > file_bytes_ || length > file_bytes_ - entry.file_offset) {
    return fail(Code::corrupt, fmt::format("{}: a block lies beyond the file's end", path_));
  }
  TRY_DO(file_->read(entry.file_offset, length, stored));
  if (stored.size() != length) {
    return fail(Code::corrupt, fmt::format("{}: became shorter while it was read", path_));
  }
  auto raw = open_block(entry.block, stored, inflated);
  if (!raw) return fail_in(fmt::format("{} at offset {}", path_, entry.file_offset), raw.error());
  return raw;
}

Result<std::vector<StateFile::Entry>> StateFile::read_index_block(std::size_t number) const {
  std::string stored;
  std::string inflated;
  const Entry& entry = directory_[number];
  TRY(const std::string_view raw, read_block(entry, stored, inflated));
  auto entries = read_entries(raw, entry.block.event_count);
  if (!entries) return fail_in(path_, entries.error());
  return entries;
}

Status StateFile::load_index_block(std::size_t number) {
  if (index_number_ == number) return {};
  index_number_.reset();
  TRY(index_, read_index_block(number));
  index_number_ = number;
  return {};
}

Status StateFile::load_row_block(const Entry& entry) {
  if (rows_offset_ == entry.file_offset) return {};
  rows_offset_.reset();
  rows_.clear();
  TRY(const std::string_view raw, read_block(entry, rows_stored_, rows_inflated_));
  ByteReader in(raw);
  while (in.remaining() != 0) rows_.push_back(read_stored_row(in));
  TRY_DO(in.finish(true, path_ + ": block of rows"));
  if (rows_.size() != entry.block.event_count) {
    return fail(Code::corrupt,
                fmt::format("{} at offset {}: {} rows, {} said", path_, entry.file_offset,
                            rows_.size(), entry.block.event_count));
  }
  rows_offset_ = entry.file_offset;
  return {};
}

Result<std::optional<StoredRow>> StateFile::find(std::string_view key) {
  const KeyOrder wanted(key);
  // The last entry that begins at or before the key.
  const auto place_in = [&](const std::vector<Entry>& entries) {
    const auto after = std::partition_point(
        entries.begin(), entries.end(),
        [&](const Entry& entry) { return KeyOrder(entry.first_key) <= wanted; });
    return after - entries.begin();
  };
  std::optional<StoredRow> found;
  const auto in_directory = place_in(directory_);
  if (in_directory == 0) return found;
  TRY_DO(load_index_block(static_cast<std::size_t>(in_directory - 1)));
  const auto in_index = place_in(index_);
  if (in_index == 0) return found;
  TRY_DO(load_row_block(index_[static_cast<std::size_t>(in_index - 1)]));
  const auto at = std::partition_point(
      rows_.begin(), rows_.end(), [&](const StoredRow& row) { return KeyOrder(row.key) < wanted; });
  if (at != rows_.end() && at->key == key) found = *at;
  return found;
}

// -- reading all --

Result<bool> StateCursor::next_block() {
  while (index_next_ == index_.size()) {
    if (index_number_ == file_.directory_.size()) return false;
    TRY(index_, file_.read_index_block(index_number_));
    ++index_number_;
    index_next_ = 0;
  }
  const StateFile::Entry& entry = index_[index_next_++];
  TRY(const std::string_view raw, file_.read_block(entry, stored_, inflated_));
  block_ = ByteReader(raw);
  block_rows_left_ = entry.block.event_count;
  return true;
}

Result<const StoredRow*> StateCursor::next() {
  const auto damaged = [&](std::string_view what) {
    return fail(Code::corrupt, fmt::format("{}: {}", file_.path_, what));
  };
  while (block_.remaining() == 0) {
    if (block_rows_left_ != 0) return damaged("a block holds fewer rows than it says");
    TRY(const bool more, next_block());
    if (more) continue;
    if (key_count_ != file_.key_count_ || row_count_ != file_.about_.row_count) {
      return damaged(fmt::format("holds {} keys and {} rows, and says {} and {}", key_count_,
                                 row_count_, file_.key_count_, file_.about_.row_count));
    }
    return nullptr;
  }
  row_ = read_stored_row(block_);
  if (block_.failed()) return damaged("a row is shorter than its content says");
  if (block_rows_left_-- == 0) return damaged("a block holds more rows than it says");
  if (key_count_ > 0 && KeyOrder(last_key_) >= KeyOrder(row_.key)) {
    return damaged("its rows are not in order");
  }
  last_key_ = row_.key;
  ++key_count_;
  row_count_ += row_.copies;
  return &row_;
}

Status verify_state_file(Disk& disk, const std::string& path) {
  TRY(const auto file, StateFile::open(disk, path));
  StateCursor rows(*file);
  for (;;) {
    TRY(const StoredRow* row, rows.next());
    if (row == nullptr) return {};
    TRY_DO(file->schema(row->schema));
  }
}

Status copy_state_file(Disk& disk, const StateFile& from, const std::string& path,
                       const std::string& uuid, const std::function<bool(const StoredRow&)>& gone) {
  TRY(auto out, StateFileWriter::create(disk, path));
  StateAbout about = from.about();
  about.store = uuid;
  about.row_count = 0;
  StateCursor rows(from);
  for (;;) {
    TRY(const StoredRow* row, rows.next());
    if (row == nullptr) break;
    if (gone(*row)) continue;
    about.row_count += row->copies;
    TRY_DO(out.add(*row));
  }
  TRY_DO(out.finish(about, [&](SchemaId id) -> Result<std::string> {
    TRY(const Schema* schema, from.schema(id));
    std::string bytes;
    put_schema(bytes, *schema);
    return bytes;
  }));
  return verify_state_file(disk, path);
}

}  // namespace tidelog
