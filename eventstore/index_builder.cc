#include "eventstore/index_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/crc32c.h"
#include "core/event.h"
#include "core/record_reader.h"
#include "eventstore/index_format.h"
#include "eventstore/segment_walk.h"
#include "eventstore/stream_table.h"

namespace tidelog {
namespace {

using format::HashEntry;
using format::IndexTable;

constexpr Position no_limit{UINT64_MAX};

// Sorted in memory at once; a segment with more events is walked once for each part of the hashes.
constexpr std::uint64_t hash_entries_max = 4 << 20;
constexpr std::size_t hash_entries_per_page =
    format::index_page_bytes_target / format::hash_entry_bytes;

// Entries come in the order of their blocks: a stable sort by hash leaves them in both orders.
void sort_by_hash(std::vector<HashEntry>& entries) {
  constexpr unsigned digit_bits = 11;
  constexpr std::size_t digits = std::size_t{1} << digit_bits;
  std::vector<HashEntry> sorted(entries.size());
  for (unsigned shift = 0; shift < 32; shift += digit_bits) {
    const auto digit = [&](const HashEntry& e) { return (e.hash >> shift) & (digits - 1); };
    std::array<std::size_t, digits + 1> begins{};
    for (const HashEntry& entry : entries) ++begins[digit(entry) + 1];
    for (std::size_t d = 0; d < digits; ++d) begins[d + 1] += begins[d];
    for (const HashEntry& entry : entries) sorted[begins[digit(entry)]++] = entry;
    entries.swap(sorted);
  }
}

// Gives the builder what `walk` meets up to the segment's end.
Status tell(IndexBuilder& builder, SegmentWalk& walk, const std::stop_token& stop) {
  while (!walk.ended()) {
    if (stop.stop_requested()) return fail(Code::cancelled, "stopped while making an index");
    TRY(const bool more, walk.next(no_limit, [](auto&&...) { return true; }));
    if (!more) continue;
    builder.begin_batch(walk);
    BatchCursor& cursor = walk.batch();
    Record record;
    for (std::size_t i = 0; i < cursor.extension().blocks.size(); ++i) {
      TRY(const std::string_view raw, cursor.block(i));
      ByteReader in(raw);
      while (in.remaining() != 0) {
        TRY_DO(read_next_record(in, record));
        if (!record.is_transaction && record.removed_count == 0) builder.add(record);
      }
      builder.end_block();
    }
    TRY_DO(builder.end_batch(walk));
  }
  return {};
}

}  // namespace

// ---- What the segment holds ----

IndexBuilder::IndexBuilder(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                           const IndexOutput& output)
    : disk_(disk),
      paths_(paths),
      subject_(subject),
      output_(output),
      parts_((subject.end.value - subject.segment.base.value) / hash_entries_max + 1) {}

IndexBuilder::HashRange IndexBuilder::part_of_hashes(std::uint64_t part) const {
  constexpr std::uint64_t all = std::uint64_t{UINT32_MAX} + 1;
  return {all * part / parts_, all * (part + 1) / parts_ - 1};
}

void IndexBuilder::begin(const SegmentWalk& walk, const Catalog& catalog) {
  begin_walk(part_of_hashes(0), parts_ == 1 ? part_of_hashes(0) : no_hashes);
  const BatchCursor::Expected& first = walk.expected();
  header_.begin = {first.base, first.sequence, first.chain};
  for (const auto& [id, entry] : catalog.streams()) named_streams_.insert(id);
  for (const auto& [id, entry] : catalog.sources()) {
    named_sources_.insert(id);
    running_[id] = entry.commit_time;
  }
  append_time_ = catalog.append_time();
  begin_page(first.base);
}

void IndexBuilder::begin_walk(HashRange keys, HashRange ids) {
  key_range_ = keys;
  id_range_ = ids;
  met_.clear();
  block_ = 0;
}

Status IndexBuilder::walk_again(HashRange keys, HashRange ids, const std::stop_token& stop) {
  structure_ = false;
  begin_walk(keys, ids);
  Catalog catalog;
  TRY(const auto walk, SegmentWalk::open(disk_, paths_, subject_.segment, catalog));
  return tell(*this, *walk, stop);
}

void IndexBuilder::begin_batch(const SegmentWalk& walk) {
  first_block_ = block_;
  for (const format::StreamRun& run : walk.runs()) met_[run.stream].base = run.base.value;
  if (structure_) add_names(walk);
}

Status IndexBuilder::end_batch(SegmentWalk& walk) {
  if (block_ > UINT32_MAX)
    return fail(Code::unsupported, "a segment of more than 2^32 blocks has no index");
  return structure_ ? place_batch(walk) : Status();
}

// In the order in which they are met, each once.
void IndexBuilder::add_names(const SegmentWalk& walk) {
  add_names(walk.log_extension());
  if (walk.adopted() == nullptr) return;
  const format::AdoptedFile& file = *walk.adopted();
  if (names_.files.empty() || names_.files.back().staging_id != file.staging_id) {
    names_.files.push_back(
        {file.staging_id, file.generation, walk.adopted_base(), file.event_count});
  }
}

void IndexBuilder::add_names(const format::BatchExtension& extension) {
  for (const auto& s : extension.streams) {
    if (named_streams_.insert(s.id).second) names_.streams.push_back(s);
  }
  for (const auto& s : extension.sources) {
    if (named_sources_.insert(s.id).second) names_.sources.push_back(s);
  }
  for (const auto& s : extension.schemas) {
    if (named_schemas_.insert(s.id).second) names_.schemas.push_back(s);
  }
}

void IndexBuilder::add(const Record& record) {
  const EventBody& event = record.event;
  Met& met = met_[event.stream];
  if (structure_) {
    if (met.next_block <= block_) add_to_stream(met, record);
    add_to_type(event);
  }
  if (key_range_.any()) add_keys(met, event);
  if (event.type != EventType::application || !id_range_.any()) return;
  if (const auto id = find_attribute(event.attributes, Attribute::event_id))
    add_hash(ids_, id_range_, format::index_hash(event.stream, *id));
}

void IndexBuilder::add_to_stream(Met& met, const Record& record) {
  if (met.posting == nullptr) {
    met.posting = &streams_[record.event.stream];
    met.posting->key = record.event.stream.value;
  }
  met.posting->blocks.push_back(static_cast<std::uint32_t>(block_));
  met.posting->revisions.push_back(met.base + record.relative_revision);
  met.next_block = block_ + 1;
}

void IndexBuilder::add_to_type(const EventBody& event) {
  add_to_type(type_postings_[static_cast<std::size_t>(event.type)], name_of(event.type));
  if (event.type != EventType::application) return;
  format::Posting* posting = nullptr;
  if (const auto name = find_attribute(event.attributes, Attribute::name))
    add_to_type(posting, *name);
}

void IndexBuilder::add_to_type(format::Posting*& posting, std::string_view name) {
  if (posting == nullptr) posting = &types_[format::index_hash(name)];
  if (posting->blocks.empty() || posting->blocks.back() != block_)
    posting->blocks.push_back(static_cast<std::uint32_t>(block_));
}

// An event is found by its key, by its old one, and the second half of a key change also by the
// key that the first half took away.
void IndexBuilder::add_keys(Met& met, const EventBody& event) {
  if (event.key) {
    const std::uint32_t hash = format::index_hash(event.stream, *event.key);
    add_hash(keys_, key_range_, hash);
    if (met.moved != 0 && event.moved && event.type == EventType::insert)
      add_hash(keys_, key_range_, static_cast<std::uint32_t>(met.moved - 1));
    met.moved = event.moved && event.type == EventType::remove ? std::uint64_t{hash} + 1 : 0;
  }
  if (event.before_kind == Before::key)
    add_hash(keys_, key_range_, format::index_hash(event.stream, event.before));
}

void IndexBuilder::add_hash(std::vector<HashEntry>& into, const HashRange& range,
                            std::uint32_t hash) const {
  if (range.holds(hash)) into.push_back({hash, static_cast<std::uint32_t>(block_)});
}

// ---- The file ----

void IndexBuilder::begin_page(Position base) {
  page_ = {};
  page_.first_block = block_;
  page_.append_time = append_time_;
  for (const auto& [id, time] : running_) page_.sources.push_back({id, time});
  page_base_ = base;
  page_bytes_ = 0;
}

Status IndexBuilder::place_batch(SegmentWalk& walk) {
  format::IndexedBatch batch;
  batch.file = walk.adopted() == nullptr ? 0 : names_.files.size();
  batch.base = walk.base();
  batch.event_count = walk.event_count();
  batch.append_time = walk.log_header().append_time;
  batch.source = walk.log_header().source;
  batch.commit_time = walk.log_header().commit_time;
  batch.runs = walk.runs();
  const auto& blocks = walk.batch().extension().blocks;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    batch.blocks.push_back({{}, walk.batch().block_offset(i), blocks[i]});
  constexpr std::size_t batch_bytes = 24;
  constexpr std::size_t run_bytes = 5;
  constexpr std::size_t block_bytes = 12;
  page_bytes_ += batch_bytes + batch.runs.size() * run_bytes + blocks.size() * block_bytes;
  if (page_.batches.empty()) page_.first_block = first_block_;
  append_time_ = batch.append_time;
  if (batch.source.value != 0) running_[batch.source] = batch.commit_time;
  page_.batches.push_back(std::move(batch));
  return page_bytes_ >= format::index_page_bytes_target ? end_block_page() : Status();
}

Status IndexBuilder::end_block_page() {
  if (page_.batches.empty()) return {};
  TRY_DO(
      write_page(IndexTable::blocks, page_base_.value, page_.first_block, format::encode(page_)));
  const format::IndexedBatch& last = page_.batches.back();
  begin_page(last.base + last.event_count);
  return {};
}

Status IndexBuilder::finish(const SegmentWalk& walk, const std::stop_token& stop) {
  const BatchCursor::Expected& end = walk.expected();
  if (end.base != subject_.end) {
    return fail(Code::corrupt,
                fmt::format("segment {} ends at position {}, the next begins at {}",
                            subject_.segment.id, end.base.value, subject_.end.value));
  }
  header_.end = {end.base, end.sequence, end.chain};
  TRY_DO(write_structure());
  TRY_DO(write_hashes(IndexTable::keys, keys_));
  for (std::uint64_t part = 1; part < parts_; ++part) {
    TRY_DO(walk_again(part_of_hashes(part), no_hashes, stop));
    TRY_DO(write_hashes(IndexTable::keys, keys_));
  }
  for (std::uint64_t part = 0; part < parts_; ++part) {
    if (parts_ > 1) TRY_DO(walk_again(no_hashes, part_of_hashes(part), stop));
    TRY_DO(write_hashes(IndexTable::ids, ids_));
  }
  TRY_DO(write_page(IndexTable::names, 0, 0, format::encode(names_)));
  return write_directory();
}

Status IndexBuilder::write_structure() {
  TRY_DO(end_block_page());
  header_.block_count = block_;
  std::vector<format::Posting> postings;
  for (auto& [id, posting] : streams_) postings.push_back(std::move(posting));
  TRY_DO(write_postings(IndexTable::streams, postings));
  postings.clear();
  for (auto& [hash, posting] : types_) {
    posting.key = hash;
    postings.push_back(std::move(posting));
  }
  return write_postings(IndexTable::types, postings);
}

// A long posting has a page of its own, so that the short ones beside it cost no more than they
// must.
Status IndexBuilder::write_postings(IndexTable table,
                                    const std::vector<format::Posting>& postings) {
  std::string page;
  std::uint64_t key = 0;
  for (const format::Posting& posting : postings) {
    std::string entry;
    format::put_posting(entry, posting, table == IndexTable::streams);
    if (!page.empty() && page.size() + entry.size() > format::index_page_bytes_target) {
      TRY_DO(write_page(table, key, 0, page));
      page.clear();
    }
    if (page.empty()) key = posting.key;
    page += entry;
  }
  if (page.empty()) return {};
  return write_page(table, key, 0, page);
}

Status IndexBuilder::write_hashes(IndexTable table, std::vector<HashEntry>& entries) {
  sort_by_hash(entries);
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  if (table == IndexTable::ids) header_.id_count += entries.size();
  std::string page;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    format::put_hash_entry(page, entries[i]);
    const bool is_full = (i + 1) % hash_entries_per_page == 0 || i + 1 == entries.size();
    if (!is_full) continue;
    TRY_DO(write_page(table, format::hash_entry_at(page, 0).hash, 0, page));
    page.clear();
  }
  entries.clear();
  return {};
}

Status IndexBuilder::write_page(IndexTable table, std::uint64_t key, std::uint64_t first_block,
                                const std::string& bytes) {
  directory_[static_cast<std::size_t>(table)].push_back(
      {key, first_block, file_offset_, bytes.size(), crc32c(bytes)});
  TRY_DO(output_(file_offset_, bytes));
  file_offset_ += bytes.size();
  return {};
}

Status IndexBuilder::write_directory() {
  const std::string directory = format::encode(directory_);
  header_.uuid = subject_.uuid;
  header_.segment_id = subject_.segment.id;
  header_.generation = subject_.segment.generation;
  header_.directory_offset = file_offset_;
  header_.directory_bytes = directory.size();
  header_.directory_crc = crc32c(directory);
  TRY_DO(output_(file_offset_, directory));
  return output_(0, format::encode(header_));
}

Status build_index(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                   const std::stop_token& stop, const IndexOutput& output) {
  IndexBuilder builder(disk, paths, subject, output);
  Catalog catalog;
  TRY(const auto walk, SegmentWalk::open(disk, paths, subject.segment, catalog));
  builder.begin(*walk, catalog);
  TRY_DO(tell(builder, *walk, stop));
  return builder.finish(*walk, stop);
}

Status make_index(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                  const std::stop_token& stop) {
  const std::string path = paths.index(subject.segment.id, subject.segment.generation);
  const std::string temporary = path + ".new";
  TRY(const auto file, disk.create(temporary));
  Status made = build_index(
      disk, paths, subject, stop,
      [&](std::uint64_t offset, std::string_view bytes) { return file->write(offset, bytes); });
  if (made) made = file->sync();
  if (made) made = disk.rename(temporary, path);
  // Best effort: the next try replaces what is left.
  if (!made) static_cast<void>(disk.remove(temporary));
  return made;
}

}  // namespace tidelog
