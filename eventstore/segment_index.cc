#include "eventstore/segment_index.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/crc32c.h"

namespace tidelog {

using format::IndexTable;

namespace {

// The last page whose `field` is at most `value`; the first when there is none.
template <class Field>
std::size_t last_at_most(const std::vector<format::IndexPage>& pages, std::uint64_t value,
                         Field field) {
  const auto after = std::upper_bound(
      pages.begin(), pages.end(), value,
      [field](std::uint64_t v, const format::IndexPage& page) { return v < page.*field; });
  return after == pages.begin() ? 0 : static_cast<std::size_t>(after - pages.begin()) - 1;
}

// The first page that may hold entries with this key: the one before the first that begins with it.
std::size_t first_with(const std::vector<format::IndexPage>& pages, std::uint64_t key) {
  const auto at =
      std::lower_bound(pages.begin(), pages.end(), key,
                       [](const format::IndexPage& page, std::uint64_t k) { return page.key < k; });
  return at == pages.begin() ? 0 : static_cast<std::size_t>(at - pages.begin()) - 1;
}

}  // namespace

Result<std::unique_ptr<SegmentIndex>> SegmentIndex::open(Disk& disk, const StorePaths& paths,
                                                         std::string_view uuid,
                                                         const format::ManifestSegment& segment,
                                                         Position end) {
  const std::string path = paths.index(segment.id, segment.generation);
  TRY(auto file, disk.open_read(path));
  std::unique_ptr<SegmentIndex> index(new SegmentIndex(std::move(file), path));
  auto loaded = index->load(uuid, segment, end);
  if (!loaded) return fail_in(path, loaded.error());
  return index;
}

Status SegmentIndex::load(std::string_view uuid, const format::ManifestSegment& segment,
                          Position end) {
  std::string bytes;
  TRY_DO(file_->read(0, format::index_header_bytes, bytes));
  TRY(header_, format::read_index_header(bytes));
  const bool is_ours = header_.uuid == uuid && header_.segment_id == segment.id &&
                       header_.generation == segment.generation &&
                       header_.begin.base == segment.base && header_.end.base == end;
  if (!is_ours) return fail(Code::corrupt, "is not the index of this segment");
  TRY_DO(file_->read(header_.directory_offset, header_.directory_bytes, bytes));
  if (bytes.size() != header_.directory_bytes || crc32c(bytes) != header_.directory_crc)
    return fail(Code::corrupt, "its directory does not match its checksum");
  TRY(directory_, format::read_index_directory(bytes));
  return {};
}

Result<std::string> SegmentIndex::read_page(const format::IndexPage& page) const {
  std::string bytes;
  TRY_DO(file_->read(page.offset, page.bytes, bytes));
  if (bytes.size() != page.bytes || crc32c(bytes) != page.crc) {
    return fail(Code::corrupt, fmt::format("{}: the page at offset {} does not match its checksum",
                                           path_, page.offset));
  }
  return bytes;
}

Result<const format::IndexNames*> SegmentIndex::names() {
  if (names_) return &*names_;
  const auto& page = pages(IndexTable::names);
  if (page.size() != 1) return fail(Code::corrupt, path_ + ": has no page of names");
  TRY(const std::string bytes, read_page(page.front()));
  TRY(names_, format::read_index_names(bytes));
  return &*names_;
}

std::size_t SegmentIndex::page_of_block(std::uint64_t block) const {
  return last_at_most(pages(IndexTable::blocks), block, &format::IndexPage::first_block);
}

std::size_t SegmentIndex::page_of_position(Position position) const {
  return last_at_most(pages(IndexTable::blocks), position.value, &format::IndexPage::key);
}

Result<format::BlockPage> SegmentIndex::block_page(std::size_t page) const {
  TRY(const std::string bytes, read_page(pages(IndexTable::blocks)[page]));
  return format::read_block_page(bytes);
}

Result<std::optional<format::Posting>> SegmentIndex::posting(IndexTable table,
                                                             std::uint64_t key) const {
  const auto& all = pages(table);
  if (all.empty()) return std::optional<format::Posting>();
  const auto& page = all[last_at_most(all, key, &format::IndexPage::key)];
  TRY(const std::string bytes, read_page(page));
  TRY(auto found, format::read_postings(bytes, table == IndexTable::streams,
                                        [key](std::uint64_t k) { return k == key; }));
  if (found.empty()) return std::optional<format::Posting>();
  return std::optional(std::move(found.front()));
}

Status SegmentIndex::add_blocks_of_stream(StreamId stream,
                                          std::vector<std::uint32_t>& blocks) const {
  TRY(const auto found, posting(IndexTable::streams, stream.value));
  if (found) blocks.insert(blocks.end(), found->blocks.begin(), found->blocks.end());
  return {};
}

Status SegmentIndex::add_blocks_of_streams(const std::function<bool(StreamId)>& wanted,
                                           std::vector<std::uint32_t>& blocks) const {
  for (const auto& page : pages(IndexTable::streams)) {
    TRY(const std::string bytes, read_page(page));
    TRY(const auto found, format::read_postings(bytes, true, [&](std::uint64_t key) {
          return key <= UINT32_MAX && wanted({static_cast<std::uint32_t>(key)});
        }));
    for (const auto& each : found)
      blocks.insert(blocks.end(), each.blocks.begin(), each.blocks.end());
  }
  return {};
}

Status SegmentIndex::add_blocks_of_type(std::string_view type,
                                        std::vector<std::uint32_t>& blocks) const {
  TRY(const auto found, posting(IndexTable::types, format::index_hash(type)));
  if (found) blocks.insert(blocks.end(), found->blocks.begin(), found->blocks.end());
  return {};
}

// Entries with one hash may go on over several pages.
Status SegmentIndex::add_hashed(IndexTable table, std::uint32_t hash,
                                std::vector<std::uint32_t>& blocks) const {
  const auto& all = pages(table);
  for (std::size_t n = first_with(all, hash); n < all.size() && all[n].key <= hash; ++n) {
    TRY(const std::string bytes, read_page(all[n]));
    const std::size_t count = bytes.size() / format::hash_entry_bytes;
    std::size_t low = 0;
    for (std::size_t high = count; low < high;) {
      const std::size_t middle = low + (high - low) / 2;
      if (format::hash_entry_at(bytes, middle).hash < hash) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    for (; low < count; ++low) {
      const format::HashEntry entry = format::hash_entry_at(bytes, low);
      if (entry.hash != hash) return {};
      blocks.push_back(entry.block);
    }
  }
  return {};
}

Status SegmentIndex::add_blocks_of_key(StreamId stream, std::string_view key,
                                       std::vector<std::uint32_t>& blocks) const {
  return add_hashed(IndexTable::keys, format::index_hash(stream, key), blocks);
}

Status SegmentIndex::add_blocks_of_id(StreamId stream, std::string_view id,
                                      std::vector<std::uint32_t>& blocks) const {
  return add_hashed(IndexTable::ids, format::index_hash(stream, id), blocks);
}

Result<Position> SegmentIndex::position_of_block(std::uint32_t block) const {
  if (block_page_count() == 0) return fail(Code::corrupt, path_ + ": has no blocks");
  TRY(const format::BlockPage page, block_page(page_of_block(block)));
  std::uint64_t number = page.first_block;
  for (const auto& batch : page.batches) {
    if (block >= number && block - number < batch.blocks.size())
      return batch.blocks[block - number].base;
    number += batch.blocks.size();
  }
  return fail(Code::corrupt, fmt::format("{}: block {} is not in its page", path_, block));
}

Result<std::optional<Position>> SegmentIndex::position_of_revision(StreamId stream,
                                                                   Revision revision) const {
  TRY(const auto found, posting(IndexTable::streams, stream.value));
  if (!found || found->blocks.empty()) return std::optional<Position>();
  const auto after =
      std::upper_bound(found->revisions.begin(), found->revisions.end(), revision.value);
  const auto n = static_cast<std::size_t>(after - found->revisions.begin());
  TRY(const Position position, position_of_block(found->blocks[n == 0 ? 0 : n - 1]));
  return std::optional(position);
}

Status SegmentIndex::for_each_id_hash(const std::function<void(std::uint32_t)>& visit) const {
  for (const auto& page : pages(IndexTable::ids)) {
    TRY(const std::string bytes, read_page(page));
    for (std::size_t i = 0; i < bytes.size() / format::hash_entry_bytes; ++i)
      visit(format::hash_entry_at(bytes, i).hash);
  }
  return {};
}

namespace {

std::optional<UnixMicros> running(const format::BlockPage& page, SourceId source) {
  if (source.value == 0) return page.append_time;
  for (const auto& s : page.sources) {
    if (s.source == source) return s.commit_time;
  }
  return std::nullopt;
}

}  // namespace

// Both times only rise: the page is the last one before which the time is not passed.
Result<std::optional<SegmentIndex::TimePlace>> SegmentIndex::first_beyond(UnixMicros time,
                                                                          SourceId source) const {
  std::size_t low = 0;
  for (std::size_t high = block_page_count(); low < high;) {
    const std::size_t middle = low + (high - low) / 2;
    TRY(const format::BlockPage page, block_page(middle));
    const auto before = running(page, source);
    if (before && *before > time) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  // An event of the source may come only after batches without events that passed the time.
  for (std::size_t n = low == 0 ? 0 : low - 1; n < block_page_count(); ++n) {
    TRY(const format::BlockPage page, block_page(n));
    UnixMicros before = running(page, source).value_or(UnixMicros{});
    for (const auto& batch : page.batches) {
      const bool counts = source.value == 0 || batch.source == source;
      const UnixMicros now = source.value == 0 ? batch.append_time : batch.commit_time;
      if (counts && now > time && (source.value == 0 || batch.event_count != 0))
        return std::optional(TimePlace{batch.base, before});
      if (counts) before = now;
    }
  }
  return std::optional<TimePlace>();
}

Status SegmentIndex::verify() const {
  for (const auto& table : directory_) {
    for (const auto& page : table) TRY_DO(read_page(page));
  }
  return {};
}

}  // namespace tidelog
