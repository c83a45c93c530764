#include "eventstore/indexed_blocks.h"

#include <fmt/format.h>

#include <algorithm>

#include "eventstore/block.h"

namespace tidelog {
namespace {

// Beyond this many streams their keys are not looked up one by one: their blocks are read.
constexpr std::size_t key_streams_max = 64;

using Blocks = std::vector<std::uint32_t>;

void sort_once(Blocks& blocks) {
  if (!std::is_sorted(blocks.begin(), blocks.end())) std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
}

Blocks common(const Blocks& one, const Blocks& other) {
  Blocks both;
  std::set_intersection(one.begin(), one.end(), other.begin(), other.end(),
                        std::back_inserter(both));
  return both;
}

Result<Blocks> blocks_of_streams(const SegmentIndex& index, FilterMatch& filter,
                                 const Catalog& catalog) {
  Blocks blocks;
  if (const auto known = filter.known_streams(catalog)) {
    for (const StreamId stream : *known) TRY_DO(index.add_blocks_of_stream(stream, blocks));
  } else {
    TRY_DO(index.add_blocks_of_streams(
        [&](StreamId stream) { return filter.wants_stream(stream, catalog); }, blocks));
  }
  sort_once(blocks);
  return blocks;
}

Result<Blocks> blocks_of_types(const SegmentIndex& index, const std::vector<std::string>& types,
                               const std::vector<std::string>& application_types = {}) {
  Blocks blocks;
  for (const std::string& type : types) TRY_DO(index.add_blocks_of_type(type, blocks));
  for (const std::string& type : application_types) TRY_DO(index.add_blocks_of_type(type, blocks));
  sort_once(blocks);
  return blocks;
}

Result<Blocks> blocks_of_keys(const SegmentIndex& index, const std::vector<StreamId>& streams,
                              FilterMatch& filter, const Catalog& catalog) {
  Blocks blocks;
  for (const StreamId stream : streams) {
    for (const std::string& key : filter.filter().keys)
      TRY_DO(index.add_blocks_of_key(stream, key, blocks));
  }
  if (filter.filter().whole_history) {
    TRY(const Blocks keyless, blocks_of_types(index, {"truncate", "undecoded"}));
    if (!keyless.empty()) {
      TRY(const Blocks own, blocks_of_streams(index, filter, catalog));
      const Blocks both = common(keyless, own);
      blocks.insert(blocks.end(), both.begin(), both.end());
    }
  }
  sort_once(blocks);
  return blocks;
}

Result<Blocks> blocks_of_ids(const SegmentIndex& index, const std::vector<StreamId>& streams,
                             const std::vector<std::string>& ids) {
  Blocks blocks;
  for (const StreamId stream : streams) {
    for (const std::string& id : ids) TRY_DO(index.add_blocks_of_id(stream, id, blocks));
  }
  sort_once(blocks);
  return blocks;
}

}  // namespace

Result<std::optional<Blocks>> wanted_blocks(const SegmentIndex& index, FilterMatch& filter,
                                            const Catalog& catalog) {
  std::optional<Blocks> wanted;
  const auto narrow = [&wanted](Blocks blocks) {
    wanted = wanted ? common(*wanted, blocks) : std::move(blocks);
  };
  const auto streams = filter.known_streams(catalog);
  const bool are_few = streams && streams->size() <= key_streams_max;
  const bool by_key = !filter.filter().keys.empty() && are_few;
  const bool by_id = !filter.filter().event_ids.empty() && are_few;
  if (by_key) {
    TRY(Blocks blocks, blocks_of_keys(index, *streams, filter, catalog));
    narrow(std::move(blocks));
  }
  if (by_id) {
    TRY(Blocks blocks, blocks_of_ids(index, *streams, filter.filter().event_ids));
    narrow(std::move(blocks));
  }
  if (!by_key && !by_id && filter.filter().names_streams()) {
    TRY(Blocks blocks, blocks_of_streams(index, filter, catalog));
    narrow(std::move(blocks));
  }
  if (filter.filter().names_types() && !(wanted && wanted->empty())) {
    TRY(Blocks blocks,
        blocks_of_types(index, filter.filter().types, filter.filter().application_types));
    narrow(std::move(blocks));
  }
  return wanted;
}

IndexedBlocks::IndexedBlocks(Disk& disk, const StorePaths& paths, SegmentIndex& index,
                             std::optional<Blocks> blocks)
    : disk_(disk), paths_(paths), index_(index), blocks_(std::move(blocks)) {}

// -- the block table --

template <class T>
Result<T> IndexedBlocks::of_index(Result<T> result) {
  if (!result) index_failed_ = true;
  return result;
}

Status IndexedBlocks::load_page(std::size_t page) {
  if (page_number_ == page) return {};
  page_number_.reset();
  TRY(page_, of_index(index_.block_page(page)));
  in_page_.clear();
  for (std::uint32_t b = 0; b < page_.batches.size(); ++b) {
    for (std::uint32_t i = 0; i < page_.batches[b].blocks.size(); ++i) in_page_.push_back({b, i});
  }
  page_number_ = page;
  batch_base_ = UINT64_MAX;  // the batch that the present block borrows from is gone
  return {};
}

Status IndexedBlocks::load_page_of(std::uint32_t block) {
  const bool is_here =
      page_number_ && block >= page_.first_block && block - page_.first_block < in_page_.size();
  if (is_here) return {};
  TRY_DO(load_page(index_.page_of_block(block)));
  if (block >= page_.first_block && block - page_.first_block < in_page_.size()) return {};
  index_failed_ = true;
  return fail(Code::corrupt, fmt::format("index of segment {}: block {} is not in its page",
                                         index_.header().segment_id, block));
}

// Where the list has the first block that ends after `position`.
Result<std::uint64_t> IndexedBlocks::first_at(Position position) {
  if (index_.block_page_count() == 0 || position <= index_.header().begin.base)
    return std::uint64_t{0};
  std::uint64_t block = index_.header().block_count;
  const std::size_t page = index_.page_of_position(position);
  TRY_DO(load_page(page));
  for (std::size_t n = 0; n < in_page_.size(); ++n) {
    const auto& found = page_.batches[in_page_[n].batch].blocks[in_page_[n].block];
    if (found.base + found.entry.event_count <= position) continue;
    block = page_.first_block + n;
    break;
  }
  if (!blocks_) return block;
  const auto at = std::lower_bound(blocks_->begin(), blocks_->end(), block);
  return static_cast<std::uint64_t>(at - blocks_->begin());
}

// -- walking --

Result<const WalkedBlock*> IndexedBlocks::next(Position from, Position limit) {
  if (!started_) {
    started_ = true;
    TRY(at_, first_at(from));
  }
  while (at_ < count()) {
    TRY_DO(place(block_at(at_)));
    if (block_.base >= limit) return nullptr;
    const std::uint32_t block = block_at(at_++);
    if (block_.end() > from) return read(block);
  }
  ended_ = true;
  return nullptr;
}

Result<const WalkedBlock*> IndexedBlocks::previous(Position before) {
  if (!started_) {
    started_ = true;
    at_ = count();
    if (before < index_.header().end.base) {
      TRY(at_, first_at(before));
      if (at_ < count()) ++at_;  // the block that `before` lies in
    }
  }
  while (at_ > 0) {
    const std::uint32_t block = block_at(--at_);
    TRY_DO(place(block));
    if (block_.base < before) return read(block);
  }
  return nullptr;
}

// Everything about a block but its bytes.
Status IndexedBlocks::place(std::uint32_t block) {
  TRY_DO(load_page_of(block));
  const InPage& at = in_page_[block - page_.first_block];
  const format::IndexedBatch& batch = page_.batches[at.batch];
  block_.base = batch.blocks[at.block].base;
  block_.event_count = batch.blocks[at.block].entry.event_count;
  if (batch_base_ == batch.base.value) return {};
  batch_base_ = batch.base.value;
  ++block_.batch_number;
  block_.runs = &batch.runs;
  block_.append_time = batch.append_time;
  block_.source = batch.source;
  block_.is_adopted = batch.file != 0;
  if (!block_.is_adopted) return {};
  TRY(const format::IndexNames* names, of_index(index_.names()));
  if (batch.file > names->files.size()) {
    index_failed_ = true;
    return fail(Code::corrupt, "index: a batch is in an adopted file that is not listed");
  }
  block_.adopted_base = names->files[batch.file - 1].base;
  block_.adopted_count = names->files[batch.file - 1].event_count;
  return {};
}

Result<const WalkedBlock*> IndexedBlocks::read(std::uint32_t block) {
  const InPage& at = in_page_[block - page_.first_block];
  const format::IndexedBatch& batch = page_.batches[at.batch];
  const format::IndexedBlock& found = batch.blocks[at.block];
  TRY(Window* const window, window_of(batch.file));
  TRY(const std::string_view stored, window->view(found.offset, found.entry.stored_bytes));
  const bool is_cut = stored.size() != found.entry.stored_bytes;
  auto raw = is_cut ? fail(Code::corrupt, "the file ends within its block")
                    : open_block(found.entry, stored, inflated_);
  if (!raw) {
    return fail_in(fmt::format("{} at offset {} (positions {} to {})", window->path, found.offset,
                               found.base.value, found.base.value + found.entry.event_count - 1),
                   raw.error());
  }
  block_.raw = *raw;
  return &block_;
}

Result<IndexedBlocks::Window*> IndexedBlocks::window_of(std::uint64_t file) {
  const std::uint64_t id = index_.header().segment_id;
  if (file == 0) {
    if (log_.file) return &log_;
    log_.path = paths_.segment(id, index_.header().generation);
    TRY(log_.file, open_named(disk_, log_.path));
    return &log_;
  }
  if (adopted_file_ == file) return &adopted_;
  TRY(const format::IndexNames* names, of_index(index_.names()));
  const format::IndexedFile& adopted = names->files[file - 1];
  adopted_ = {};
  adopted_file_ = 0;
  adopted_.path = paths_.adopted(id, adopted.staging_id, adopted.generation);
  TRY(adopted_.file, open_named(disk_, adopted_.path));
  adopted_file_ = file;
  return &adopted_;
}

Result<std::string_view> IndexedBlocks::Window::view(std::uint64_t begin, std::uint64_t count) {
  constexpr std::uint64_t ahead_bytes = 128 * 1024;
  constexpr std::uint64_t near_bytes = 4096;
  const bool inside =
      begin >= offset && begin - offset <= bytes.size() && count <= bytes.size() - (begin - offset);
  if (!inside) {
    const bool goes_on = last_end != 0 && begin >= last_end && begin - last_end <= near_bytes;
    const bool goes_back =
        last_begin > begin && last_begin - std::min(last_begin, begin + count) <= near_bytes;
    offset = begin;
    std::uint64_t wanted = count;
    if (goes_on) wanted = std::max(count, ahead_bytes);
    if (goes_back && count < ahead_bytes) {
      offset = begin - std::min(begin, ahead_bytes - count);
      wanted = begin - offset + count;
    }
    // A length comes from a page whose checksum was right, and is still no reason to take all
    // memory.
    if (wanted > ahead_bytes) {
      TRY(const std::uint64_t file_bytes, file->size());
      wanted = std::min(wanted, file_bytes - std::min(offset, file_bytes));
    }
    TRY_DO(file->read(offset, wanted, bytes));
  }
  last_begin = begin;
  last_end = begin + count;
  if (begin - offset > bytes.size()) return std::string_view();
  return std::string_view(bytes).substr(begin - offset, count);
}

}  // namespace tidelog
