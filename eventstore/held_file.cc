#include "eventstore/held_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "core/invariant.h"
#include "eventstore/block.h"

namespace tidelog {
namespace {

constexpr std::uint32_t magic = 0x50474C54;  // "TLGP"
constexpr std::size_t tail_bytes = 32;
constexpr std::size_t block_bytes = 256 << 10;
constexpr std::size_t dropped_bytes_min = 2;

// tail = u32 magic | u32 version | u64 staging id | u64 length of the foot | u32 crc of the foot |
//        u32 crc of the 28 bytes before
std::string tail_of(std::uint64_t id, std::string_view foot) {
  std::string tail;
  put_le(tail, magic);
  put_le(tail, format::version);
  put_le(tail, id);
  put_le(tail, std::uint64_t{foot.size()});
  put_le(tail, crc32c(foot));
  put_le(tail, crc32c(tail));
  return tail;
}

// What it says of the foot before it.
struct Tail {
  std::uint64_t foot_bytes = 0;
  std::uint32_t foot_crc = 0;
};

Result<Tail> read_tail(std::string_view bytes, std::uint64_t id) {
  ByteReader in(bytes);
  const auto found_magic = in.le<std::uint32_t>();
  const auto found_version = in.le<std::uint32_t>();
  const auto found_id = in.le<std::uint64_t>();
  Tail tail;
  tail.foot_bytes = in.le<std::uint64_t>();
  tail.foot_crc = in.le<std::uint32_t>();
  const auto crc = in.le<std::uint32_t>();
  if (in.failed() || found_magic != magic || crc != crc32c(bytes.substr(0, tail_bytes - 4)))
    return fail(Code::corrupt, "it does not end as a kept transaction does");
  if (found_version != format::version) {
    return fail(Code::unsupported, fmt::format("it has version {} of its format, known is {}",
                                               found_version, format::version));
  }
  if (found_id != id) return fail(Code::corrupt, fmt::format("it is file {}", found_id));
  return tail;
}

}  // namespace

HeldFile::~HeldFile() {
  // Best effort: the next opening of the store removes what is left.
  if (name_ == Name::held) static_cast<void>(disk_.remove(paths_.held));
}

// record = varint part | sized bytes
Status HeldFile::add(std::uint64_t part, std::string_view head, std::string_view rest) {
  INVARIANT(name_ != Name::kept, "nothing is added to a transaction that was kept");
  const std::size_t size = head.size() + rest.size();
  if (!raw_.empty() && raw_.size() + size > block_bytes) TRY_DO(flush());
  put_varint(raw_, part);
  put_varint(raw_, size);
  raw_.append(head).append(rest);
  ++raw_records_;
  return {};
}

void HeldFile::drop(std::uint64_t part) {
  INVARIANT(name_ != Name::kept, "nothing is dropped from a transaction that was kept");
  dropped_[part] = records_ + raw_records_;
}

Status HeldFile::rest() {
  TRY_DO(flush());
  file_.reset();
  raw_ = {};
  stored_ = {};
  return {};
}

Status HeldFile::open_to_write() {
  if (file_) return {};
  if (name_ == Name::none) {
    TRY(file_, disk_.create(paths_.held));
    name_ = Name::held;
    return {};
  }
  TRY(file_, disk_.open_write(path()));
  return {};
}

Status HeldFile::flush() {
  if (raw_records_ == 0) return {};
  TRY_DO(floor_.look());
  TRY_DO(open_to_write());
  stored_.clear();
  TRY(const format::BlockEntry block, put_block(stored_, raw_, raw_records_));
  TRY_DO(file_->write(file_offset_, stored_));
  blocks_.push_back(block);
  file_offset_ += block.stored_bytes;
  records_ += raw_records_;
  raw_.clear();
  raw_records_ = 0;
  return {};
}

Status HeldFile::for_each(const std::function<Status(const Record&)>& visit) {
  if (name_ != Name::none) {
    TRY_DO(flush());
    TRY(file_, disk_.open_read(path()));
  }
  std::string stored;
  std::string inflated;
  std::uint64_t offset = 0;
  std::uint64_t first_record = 0;
  for (const format::BlockEntry& block : blocks_) {
    TRY_DO(file_->read(offset, block.stored_bytes, stored));
    if (stored.size() != block.stored_bytes)
      return fail(Code::corrupt, path() + ": shorter than its blocks");
    auto raw = open_block(block, stored, inflated);
    if (!raw) return fail_in(path(), std::move(raw).error());
    if (raw->data() == inflated.data() && stored.size() > block_bytes) std::string().swap(stored);
    TRY_DO(visit_block(*raw, first_record, visit));
    offset += block.stored_bytes;
    first_record += block.event_count;
  }
  file_.reset();
  // What never was enough for a file.
  return visit_block(raw_, first_record, visit);
}

Status HeldFile::visit_block(std::string_view raw, std::uint64_t first_record,
                             const std::function<Status(const Record&)>& visit) const {
  std::uint64_t number = first_record;
  for (ByteReader in(raw); in.remaining() != 0; ++number) {
    const std::uint64_t part = in.varint();
    const std::string_view bytes = in.sized();
    if (in.failed()) return fail(Code::corrupt, path() + ": a record is longer than its block");
    const auto dropped = dropped_.find(part);
    TRY_DO(visit({bytes, dropped != dropped_.end() && number < dropped->second}));
  }
  return {};
}

// foot = sized about | list<block> | list<varint part | varint records>
std::string HeldFile::foot() const {
  std::string out;
  put_sized(out, about_);
  put_varint(out, blocks_.size());
  for (const format::BlockEntry& block : blocks_) format::put_block_entry(out, block);
  put_varint(out, dropped_.size());
  for (const auto& [part, records] : dropped_) {
    put_varint(out, part);
    put_varint(out, records);
  }
  return out;
}

Status HeldFile::read_foot(std::string_view bytes) {
  ByteReader in(bytes);
  about_ = in.sized();
  blocks_.resize(in.varint_count(format::block_entry_bytes_min));
  for (format::BlockEntry& block : blocks_) {
    block = format::read_block_entry(in);
    if (std::max(block.stored_bytes, block.raw_bytes) > format::block_raw_bytes_max) in.fail();
    file_offset_ += block.stored_bytes;
    records_ += block.event_count;
  }
  const std::size_t dropped = in.varint_count(dropped_bytes_min);
  for (std::size_t i = 0; i < dropped; ++i) {
    const std::uint64_t part = in.varint();
    dropped_[part] = in.varint();
  }
  TRY_DO(in.finish(true, "foot of a kept transaction"));
  return {};
}

Status HeldFile::synced(Status status) {
  sync_failed_ = !status;
  return status;
}

Status HeldFile::keep(std::string_view about) {
  INVARIANT(name_ != Name::kept, "a transaction is kept once");
  about_ = about;
  TRY_DO(flush());
  TRY_DO(floor_.look());
  TRY_DO(open_to_write());
  const std::string bytes = foot();
  const std::string end = bytes + tail_of(id_, bytes);
  TRY_DO(file_->write(file_offset_, end));
  // A write that a full disk cut off may have been longer than the one that replaced it.
  TRY_DO(file_->truncate(file_offset_ + end.size()));
  TRY_DO(synced(file_->sync()));
  file_.reset();
  TRY_DO(disk_.rename(paths_.held, paths_.kept));
  name_ = Name::kept;
  raw_ = {};
  stored_ = {};
  return synced(disk_.sync_directory(paths_.folder));
}

Result<std::unique_ptr<HeldFile>> HeldFile::open(Disk& disk, HeldPaths paths, std::uint64_t id,
                                                 DiskFloor& floor) {
  auto held = std::make_unique<HeldFile>(disk, std::move(paths), id, floor);
  held->name_ = Name::kept;
  const std::string& path = held->path();
  auto file = disk.open_read(path);
  if (!file && file.error().code == Code::not_found) {
    return fail(Code::corrupt, path +
                                   " is missing: a transaction that was prepared and has not "
                                   "ended");
  }
  if (!file) return error_of(file);
  TRY(const std::uint64_t size, (*file)->size());
  if (size < tail_bytes) return fail(Code::corrupt, path + ": too short for a kept transaction");
  std::string bytes;
  TRY_DO((*file)->read(size - tail_bytes, tail_bytes, bytes));
  auto tail = read_tail(bytes, id);
  if (!tail) return fail_in(path, std::move(tail).error());
  if (tail->foot_bytes > size - tail_bytes)
    return fail(Code::corrupt, path + ": shorter than its foot");
  const std::uint64_t foot_offset = size - tail_bytes - tail->foot_bytes;
  TRY_DO((*file)->read(foot_offset, tail->foot_bytes, bytes));
  if (crc32c(bytes) != tail->foot_crc)
    return fail(Code::corrupt, path + ": the checksum of its foot is wrong");
  if (auto read = held->read_foot(bytes); !read) return fail_in(path, std::move(read).error());
  if (held->file_offset_ != foot_offset)
    return fail(Code::corrupt, path + ": its blocks do not fill it");
  return held;
}

void HeldFile::remove() {
  INVARIANT(name_ == Name::kept, "others go with their objects");
  name_ = Name::none;
  static_cast<void>(disk_.remove(paths_.kept));
}

}  // namespace tidelog
