#include "eventstore/batch_cursor.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"
#include "eventstore/block.h"

namespace tidelog {
namespace {

constexpr std::uint64_t window_bytes = 256 * 1024;

bool all_zero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

}  // namespace

Result<std::string_view> FileWindow::view(std::uint64_t offset, std::uint64_t bytes) {
  // No more is asked for than there is, whatever a length says.
  if (bytes > window_bytes) {
    TRY(const std::uint64_t file_bytes, file_->size());
    bytes = std::min(bytes, file_bytes - std::min(offset, file_bytes));
  }
  const bool inside = offset >= offset_ && offset - offset_ <= window_.size() &&
                      bytes <= window_.size() - (offset - offset_);
  if (!inside) {
    const bool goes_back = !window_.empty() && offset < offset_ && bytes < window_bytes;
    const std::uint64_t before = goes_back ? std::min(offset, (window_bytes - bytes) * 3 / 4) : 0;
    const std::uint64_t begin = offset - before;
    TRY_DO(file_->read(begin, std::max(bytes, window_bytes), window_));
    offset_ = begin;
    if (window_.size() <= before) return std::string_view();
  }
  return std::string_view(window_).substr(offset - offset_, bytes);
}

// The file by its name in `segments`; of an adopted one the segment's number, which comes first in
// it, is whoever opened it to say.
std::string BatchCursor::place_at(std::uint64_t file_offset) const {
  return next_.staged ? fmt::format("staging file {} at offset {}", next_.file_id, file_offset)
                      : fmt::format("segment {} at offset {} of {:08}-{}.log", next_.file_id,
                                    file_offset, next_.file_id, next_.generation);
}

std::string BatchCursor::place() const {
  return fmt::format("{}, position {}", place_at(next_.file_offset), next_.base.value);
}

std::string BatchCursor::batch_place() const {
  const std::uint64_t first = header_.base.value;
  return fmt::format("{}, batch {} ({})", place_at(batch_offset_), header_.sequence,
                     header_.event_count == 0 ? fmt::format("position {}", first)
                                              : fmt::format("positions {} to {}", first,
                                                            first + header_.event_count - 1));
}

void BatchCursor::go_to(std::uint64_t file_offset, std::uint64_t sequence, Position base,
                        std::uint32_t chain) {
  next_.file_offset = file_offset;
  next_.sequence = sequence;
  next_.base = base;
  next_.chain = chain;
}

BatchCursor::Step BatchCursor::bad(std::string why) {
  why_ = fmt::format("{}: {}", place(), std::move(why));
  return Step::bad;
}

Result<BatchCursor::Step> BatchCursor::next() {
  TRY(auto step, read_header());
  if (step != Step::batch) return step;
  TRY(step, read_extension());
  if (step != Step::batch) return step;
  batch_offset_ = next_.file_offset;
  next_.file_offset += header_.total_bytes();
  next_.sequence += 1;
  next_.chain = header_.crc;
  next_.base = header_.base + header_.event_count;
  return Step::batch;
}

Result<BatchCursor::Step> BatchCursor::read_header() {
  TRY(const std::string_view fixed, window_.view(next_.file_offset, format::batch_fixed_bytes));
  if (all_zero(fixed)) return Step::zeros;
  auto header = format::read_batch_header(fixed);
  if (!header && header.error().code == Code::unsupported) return fail_in(place(), header.error());
  if (!header) return bad(header.error().what);
  header_ = *header;
  if (next_.generation != 0) {
    TRY(const std::string_view second,
        window_.view(next_.file_offset + format::batch_fixed_bytes, format::second_fixed_bytes));
    if (auto read = format::read_second_header(second, header_); !read)
      return bad(read.error().what);
  }
  // Every batch was first written in generation 0.
  if (header_.file_id != next_.file_id || header_.generation != 0 ||
      header_.file_generation != next_.generation || header_.staged != next_.staged) {
    return bad(
        fmt::format("a batch of file {} generation {}", header_.file_id, header_.file_generation));
  }
  if (header_.sequence != next_.sequence) {
    return bad(fmt::format("batch {} where {} must be", header_.sequence, next_.sequence));
  }
  if (header_.chain != next_.chain) {
    return bad(fmt::format("batch {} follows checksum {:08x}, the one before it has {:08x}",
                           header_.sequence, header_.chain, next_.chain));
  }
  if (header_.base != next_.base) {
    return bad(fmt::format("batch {} begins at position {}, expected {}", header_.sequence,
                           header_.base.value, next_.base.value));
  }
  return Step::batch;
}

Result<BatchCursor::Step> BatchCursor::read_extension() {
  TRY(const std::string_view bytes,
      window_.view(next_.file_offset + header_.header_bytes(), header_.extension_bytes));
  auto extension = format::read_batch_extension(header_, bytes);
  if (!extension) return bad(extension.error().what);
  extension_ = *std::move(extension);

  block_offsets_.clear();
  std::uint64_t offset = next_.file_offset + header_.header_bytes() + header_.extension_bytes;
  std::uint64_t stored = 0;
  std::uint64_t events = 0;
  for (const format::BlockEntry& block : extension_.blocks) {
    if (block.stored_bytes > header_.body_bytes - stored)
      return bad(fmt::format("batch {}: its blocks are longer than its body", header_.sequence));
    block_offsets_.push_back(offset + stored);
    stored += block.stored_bytes;
    events += block.event_count;
  }
  for (const format::AdoptedFile& file : extension_.adopted) events += file.event_count;
  if (stored != header_.body_bytes || events != header_.event_count) {
    return bad(
        fmt::format("batch {}: its blocks have {} bytes and {} events, its header says {} and {}",
                    header_.sequence, stored, events, header_.body_bytes, header_.event_count));
  }
  return Step::batch;
}

Result<std::string_view> BatchCursor::block(std::size_t index) {
  INVARIANT(index < extension_.blocks.size(), "a block of this batch");
  const format::BlockEntry& entry = extension_.blocks[index];
  TRY(const std::string_view stored, window_.view(block_offsets_[index], entry.stored_bytes));
  if (stored.size() != entry.stored_bytes) {
    return fail(Code::corrupt,
                fmt::format("{}, block {}: the file ends within it", batch_place(), index));
  }
  auto raw = open_block(entry, stored, inflated_);
  if (!raw) return fail_in(fmt::format("{}, block {}", batch_place(), index), raw.error());
  return raw;
}

Status BatchCursor::verify_blocks() {
  for (std::size_t i = 0; i < extension_.blocks.size(); ++i) TRY_DO(block(i));
  return {};
}

}  // namespace tidelog
