#include "eventstore/store_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"
#include "eventstore/recovery.h"

namespace tidelog {
namespace {

template <class T>
T& at_stream(std::vector<T>& by_stream, StreamId stream) {
  if (by_stream.size() <= stream.value) by_stream.resize(stream.value + 1);
  return by_stream[stream.value];
}

}  // namespace

Result<std::unique_ptr<StoreReader>> StoreReader::open(Disk& disk, const std::string& directory) {
  std::unique_ptr<StoreReader> reader(new StoreReader(disk, directory));
  auto manifest = reader->load_manifest();
  if (!manifest && manifest.error().code == Code::not_found) {
    return fail(Code::not_found,
                fmt::format("{} holds no store ({})", directory, manifest.error().what));
  }
  if (!manifest) return error_of(manifest);
  TRY_DO(reader->seek({0}));
  return reader;
}

Status StoreReader::load_manifest() {
  TRY(manifest_, read_manifest(disk_, paths_));
  return {};
}

bool StoreReader::manifest_changed() {
  const auto now = read_manifest(disk_, paths_);
  return now && *now != manifest_;
}

// The superblock stands in for a durable page that is missing or damaged: an older bound, but a
// true one.
DurablePage::Value StoreReader::bound() {
  if (!page_) {
    if (auto page = DurablePage::open(disk_, paths_, false)) page_ = *std::move(page);
  }
  if (page_) {
    if (const auto value = page_->load()) return *value;
  }
  const auto superblock = read_superblock(disk_, paths_);
  if (superblock && *superblock) return {(*superblock)->durable, (*superblock)->durable_batches};
  return {};
}

Position StoreReader::durable() { return bound().durable; }

// -- moving about --

Status StoreReader::seek(Position position) {
  log_.reset();  // when this fails, the next call of next() tries again
  position_ = position;
  limit_ = durable();
  TRY_DO(load_manifest());
  // A file of it may have been rewritten or removed since: then there is a newer manifest.
  for (;;) {
    const format::Manifest met = manifest_;
    const Status found = find_segment();
    if (found || found.error().code != Code::corrupt) return found;
    TRY_DO(load_manifest());
    if (manifest_ == met) return found;
  }
}

Status StoreReader::find_segment() {
  const auto& segments = manifest_.segments;
  const auto after =
      std::upper_bound(segments.begin(), segments.end(), position_,
                       [](Position p, const format::ManifestSegment& s) { return p < s.base; });
  const std::size_t index =
      after == segments.begin() ? 0 : static_cast<std::size_t>(after - segments.begin()) - 1;
  return start_at_segment(index);
}

Status StoreReader::start_at_segment(std::size_t index) {
  catalog_.restart();
  stream_cache_.clear();
  wanted_.clear();
  return open_segment(index);
}

Status StoreReader::open_segment(std::size_t index) {
  const format::ManifestSegment& segment = manifest_.segments[index];
  TRY(auto file, open_named(disk_, paths_.segment(segment.id, segment.generation)));
  TRY(const auto opened, read_head(*file, paths_, segment));
  TRY_DO(catalog_.apply(opened.head));
  segment_ = std::move(file);
  log_.emplace(*segment_, opened.first);
  staged_.reset();
  batch_ = nullptr;
  records_ = ByteReader({});
  block_events_left_ = 0;
  return {};
}

// Goes on in the segment after this one, which must follow it without a hole. False when there is
// none.
Result<bool> StoreReader::next_segment() {
  const BatchCursor::Expected before = log_->expected();
  if (manifest_.segments.back().id <= before.file_id) TRY_DO(load_manifest());
  if (manifest_.segments.back().id <= before.file_id) return false;
  const auto next = std::upper_bound(
      manifest_.segments.begin(), manifest_.segments.end(), before.file_id,
      [](std::uint64_t id, const format::ManifestSegment& s) { return id < s.id; });
  TRY_DO(open_segment(static_cast<std::size_t>(next - manifest_.segments.begin())));
  const BatchCursor::Expected& first = log_->expected();
  const bool let_go = manifest_.segments.front().id > before.file_id + 1;
  if (let_go) return true;  // what lay between is no longer kept
  if (first.sequence != before.sequence || first.chain != before.chain ||
      first.base != before.base) {
    return fail(Code::corrupt, fmt::format("segment {} ends with batch {} before position {}, but "
                                           "segment {} goes on with batch {} at {}: what was "
                                           "between them is missing",
                                           before.file_id, before.sequence, before.base.value,
                                           first.file_id, first.sequence, first.base.value));
  }
  return true;
}

void StoreReader::only_streams(std::vector<std::string> names) {
  only_ = std::move(names);
  wanted_.clear();
}

bool StoreReader::is_wanted(StreamId stream) {
  if (only_.empty()) return true;
  std::uint8_t& wanted = at_stream(wanted_, stream);
  if (wanted == 0) {
    const format::StreamEntry* entry = catalog_.stream(stream);
    const bool listed =
        entry != nullptr && std::find(only_.begin(), only_.end(), entry->name) != only_.end();
    wanted = listed ? 1 : 2;
  }
  return wanted == 1;
}

bool StoreReader::has_wanted(const std::vector<format::StreamRun>& runs) {
  return std::any_of(runs.begin(), runs.end(),
                     [this](const format::StreamRun& run) { return is_wanted(run.stream); });
}

// -- batches --

Result<bool> StoreReader::next_batch() {
  if (staged_) {
    TRY(const bool more, next_staged_batch());
    if (more) return true;
    TRY_DO(end_staged());
  }
  return next_log_batch();
}

Result<bool> StoreReader::next_log_batch() {
  for (;;) {
    if (log_->expected().base >= until_) return false;
    if (log_->expected().base >= limit_) {
      const Position now = durable();
      if (now <= limit_) return false;
      limit_ = now;
      log_->forget_window();
    }
    TRY(const auto step, log_->next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, log_->why());
    if (step == BatchCursor::Step::zeros) {
      TRY(const bool more, next_segment());
      if (more) continue;
      return fail(Code::corrupt,
                  fmt::format("segment {} ends at offset {}: positions {} to {} are missing",
                              log_->expected().file_id, log_->expected().file_offset,
                              log_->expected().base.value, limit_.value - 1));
    }
    const format::BatchHeader& header = log_->header();
    TRY_DO(catalog_.apply(header, log_->extension()));
    const Position end = header.base + header.event_count;
    if (end <= position_) continue;
    if (!has_wanted(log_->extension().runs)) {
      position_ = end;
      continue;
    }
    TRY_DO(begin_batch());
    if (!staged_) return true;
    return next_batch();
  }
}

Status StoreReader::begin_batch() {
  const format::BatchHeader& header = log_->header();
  const format::SourceEntry* source = catalog_.source(header.source);
  source_name_ = source == nullptr ? std::string_view() : std::string_view(source->name);
  if (!header.commit) {
    batch_ = &*log_;
    block_index_ = 0;
    block_base_ = header.base;
    for (const auto& run : log_->extension().runs) at_stream(bases_, run.stream) = run.base.value;
    return {};
  }
  const auto& files = log_->extension().adopted;
  if (files.size() != 1) {
    return fail(Code::unsupported, fmt::format("batch {} adopts {} files: use a newer tidelog",
                                               header.sequence, files.size()));
  }
  adopted_ = files.front();
  adopted_base_ = header.base;
  for (const auto& run : log_->extension().runs)
    at_stream(adopted_bases_, run.stream) = run.base.value;
  TRY(staged_file_,
      open_named(disk_, paths_.adopted(header.file_id, adopted_.staging_id, adopted_.generation)));
  BatchCursor::Expected first;
  first.file_id = adopted_.staging_id;
  first.generation = adopted_.generation;
  first.staged = true;
  staged_.emplace(*staged_file_, first);
  batch_ = nullptr;
  return {};
}

Result<bool> StoreReader::next_staged_batch() {
  for (;;) {
    TRY(const auto step, staged_->next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, staged_->why());
    if (step == BatchCursor::Step::zeros) return false;
    const format::BatchHeader& header = staged_->header();
    TRY_DO(catalog_.define(staged_->extension()));
    const Position base = adopted_base_ + header.base.value;
    if (base + header.event_count <= position_) continue;
    if (!has_wanted(staged_->extension().runs)) {
      position_ = base + header.event_count;
      continue;
    }
    batch_ = &*staged_;
    block_index_ = 0;
    block_base_ = base;
    for (const auto& run : staged_->extension().runs) {
      at_stream(bases_, run.stream) = at_stream(adopted_bases_, run.stream) + run.base.value;
    }
    return true;
  }
}

// The commit batch said how its file ends: a file cut short, or another one, is not taken for a
// smaller transaction.
Status StoreReader::end_staged() {
  const BatchCursor::Expected& end = staged_->expected();
  const bool whole = end.sequence == adopted_.batch_count &&
                     end.base.value == adopted_.event_count && end.chain == adopted_.chain &&
                     end.file_offset == adopted_.file_bytes;
  if (!whole) {
    return fail(
        Code::corrupt,
        fmt::format(
            "adopted file {} ends after {} batches and {} events, its commit says {} and {} "
            "(positions {} to {})",
            adopted_.staging_id, end.sequence, end.base.value, adopted_.batch_count,
            adopted_.event_count, adopted_base_.value,
            adopted_base_.value + adopted_.event_count - 1));
  }
  staged_.reset();
  staged_file_.reset();
  batch_ = nullptr;
  return {};
}

// -- events --

Result<bool> StoreReader::next_block() {
  if (batch_ == nullptr) return false;
  const auto& blocks = batch_->extension().blocks;
  while (block_index_ < blocks.size()) {
    const std::size_t index = block_index_++;
    const Position base = block_base_;
    block_base_ = block_base_ + blocks[index].event_count;
    if (block_base_ <= position_) continue;
    TRY(const std::string_view raw, batch_->block(index));
    records_ = ByteReader(raw);
    block_events_left_ = blocks[index].event_count;
    transaction_ = {};  // it borrows from the block before; each block names its own
    record_position_ = base;
    return true;
  }
  return false;
}

Result<const Event*> StoreReader::next() {
  if (position_ >= until_) return nullptr;
  if (!log_) TRY_DO(seek(position_));
  for (;;) {
    auto event = next_event();
    if (event) return event;
    // A file that was rewritten or let go is gone, and a newer manifest says so.
    const bool again = event.error().code == Code::corrupt && manifest_changed();
    log_.reset();  // the next call begins anew at position_
    if (!again) return event;
    TRY_DO(seek(position_));
  }
}

Result<const Event*> StoreReader::next_event() {
  for (;;) {
    while (records_.remaining() != 0) {
      TRY(const Record record, read_record(records_));
      if (record.is_transaction) {
        transaction_ = record.transaction;
        continue;
      }
      if (record.removed_count != 0) {
        TRY_DO(pass_removed(record.removed_count));
        continue;
      }
      if (block_events_left_-- == 0) {
        return fail(Code::corrupt,
                    fmt::format("the block at position {} holds more events than it says",
                                record_position_.value));
      }
      const Position position = record_position_;
      record_position_ = record_position_ + std::uint64_t{1};
      if (position < position_ || !is_wanted(record.event.stream)) {
        ++transaction_.event_index;
        continue;
      }
      TRY(const Event* event, take(record));
      position_ = record_position_;
      ++transaction_.event_index;
      return event;
    }
    if (block_events_left_ != 0) {
      return fail(Code::corrupt,
                  fmt::format("the block at position {} holds fewer events than it says",
                              record_position_.value));
    }
    TRY(const bool block, next_block());
    if (block) continue;
    TRY(const bool batch, next_batch());
    if (batch) continue;
    position_ = std::max(position_, std::min(limit_, until_));
    return nullptr;
  }
}

Status StoreReader::pass_removed(std::uint64_t count) {
  if (count > block_events_left_) {
    return fail(Code::corrupt,
                fmt::format("the block at position {} holds more events than it says",
                            record_position_.value));
  }
  block_events_left_ -= count;
  record_position_ = record_position_ + count;
  transaction_.event_index += count;
  position_ = std::max(position_, record_position_);
  return {};
}

Result<const Event*> StoreReader::take(const Record& record) {
  const StreamId stream = record.event.stream;
  const format::StreamEntry*& entry = at_stream(stream_cache_, stream);
  if (entry == nullptr) entry = catalog_.stream(stream);
  if (entry == nullptr || bases_.size() <= stream.value) {
    return fail(Code::corrupt,
                fmt::format("the event at position {} is of stream {}, which has no name",
                            record_position_.value - 1, stream.value));
  }
  static_cast<EventBody&>(event_) = record.event;
  event_.position = {record_position_.value - 1};
  event_.revision = {bases_[stream.value] + record.relative_revision};
  event_.append_time = log_->header().append_time;
  event_.stream_name = entry->name;
  event_.source_name = source_name_;
  event_.transaction = transaction_;
  if (staged_) {
    event_.transaction.event_count = adopted_.event_count;
    event_.transaction.event_index = event_.position.value - adopted_base_.value;
  }
  return &event_;
}

Result<const Schema*> StoreReader::schema(SchemaId id) {
  const Schema* schema = catalog_.schema(id);
  if (schema == nullptr)
    return fail(Code::corrupt, fmt::format("schema {} is used but not defined", id.value));
  return schema;
}

// -- questions --

Result<Position> StoreReader::end_through(Position last) {
  const Position end = durable();
  if (last >= end) return end;
  TRY(const auto probe, open(disk_, paths_.directory));
  if (last < probe->first()) return probe->first();
  TRY_DO(probe->seek(last));
  TRY(const Bounds bounds, probe->bounds_at(last));
  return bounds.after.value == last.value + 1 ? bounds.after : bounds.first;
}

// Of the transaction that the position belongs to. One that was removed whole is nobody's any more:
// its positions stand alone. The reader has just been put to `position`.
Result<StoreReader::Bounds> StoreReader::bounds_at(Position position) {
  for (;;) {
    while (records_.remaining() != 0) {
      TRY(const Record record, read_record(records_));
      if (record.is_transaction) {
        transaction_ = record.transaction;
        continue;
      }
      const std::uint64_t count = std::max<std::uint64_t>(record.removed_count, 1);
      if (position < record_position_ + count) {
        if (staged_) return Bounds{adopted_base_, adopted_base_ + adopted_.event_count};
        const std::uint64_t index =
            transaction_.event_index + (position.value - record_position_.value);
        if (index >= transaction_.event_count) return Bounds{position, position + std::uint64_t{1}};
        const Position first{position.value - index};
        return Bounds{first, first + transaction_.event_count};
      }
      record_position_ = record_position_ + count;
      transaction_.event_index += count;
    }
    TRY(const bool block, next_block());
    if (block) continue;
    TRY(const bool batch, next_batch());
    if (batch) continue;
    return fail(Code::corrupt,
                fmt::format("position {} is below the durable end {} but cannot be read",
                            position.value, limit_.value));
  }
}

Result<Position> StoreReader::end_through(UnixMicros time, std::string_view source) {
  TRY(const auto probe, open(disk_, paths_.directory));
  TRY(const std::size_t index, probe->segment_before(time, source));
  TRY_DO(probe->start_at_segment(index));
  const Position end = probe->durable();
  probe->limit_ = end;
  bool seen_source = source.empty();
  for (;;) {
    if (probe->log_->expected().base >= end) break;
    TRY(const auto step, probe->log_->next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, probe->log_->why());
    if (step == BatchCursor::Step::zeros) {
      TRY(const bool more, probe->next_segment());
      if (!more)
        return fail(Code::corrupt,
                    fmt::format("the log ends before its durable end {}", end.value));
      continue;
    }
    const format::BatchHeader& header = probe->log_->header();
    const format::SourceEntry* before =
        source.empty() ? nullptr : probe->catalog_.source_named(source);
    const UnixMicros running = before == nullptr ? UnixMicros{} : before->commit_time;
    TRY_DO(probe->catalog_.apply(header, probe->log_->extension()));
    if (source.empty()) {
      if (header.append_time > time) return header.base;
      continue;
    }
    const format::SourceEntry* entry = probe->catalog_.source_named(source);
    seen_source = seen_source || entry != nullptr;
    const bool beyond = entry != nullptr && header.source == entry->id && header.event_count != 0 &&
                        header.commit_time > time;
    if (beyond) return probe->first_beyond(time, entry->id, running, header.base);
  }
  if (!seen_source && probe->catalog_.source_named(source) == nullptr) {
    return fail(Code::not_found,
                fmt::format("no source named {} has written to this store", source));
  }
  return end;
}

// The last segment that begins at or before `time`.
Result<std::size_t> StoreReader::segment_before(UnixMicros time, std::string_view source) {
  for (std::size_t index = manifest_.segments.size(); index-- > 1;) {
    const format::ManifestSegment& segment = manifest_.segments[index];
    TRY(const auto file, open_named(disk_, paths_.segment(segment.id, segment.generation)));
    TRY(const auto opened, read_head(*file, paths_, segment));
    if (source.empty()) {
      if (opened.head.append_time <= time) return index;
      continue;
    }
    const auto entry = std::find_if(opened.head.sources.begin(), opened.head.sources.end(),
                                    [&](const format::SourceEntry& s) { return s.name == source; });
    if (entry != opened.head.sources.end() && entry->commit_time <= time) return index;
  }
  return std::size_t{0};
}

// The first transaction, from `batch_base` on, at which the running maximum passes `time`. The
// batch there holds one.
Result<Position> StoreReader::first_beyond(UnixMicros time, SourceId source, UnixMicros before,
                                           Position batch_base) {
  const std::string name = catalog_.source(source)->name;
  TRY_DO(seek(batch_base));
  UnixMicros running = before;
  for (;;) {
    TRY(const Event* event, next());
    if (event == nullptr) return limit_;
    if (event->source_name != name) continue;
    running = std::max(running, event->transaction.commit_time);
    if (running > time) return Position{event->position.value - event->transaction.event_index};
  }
}

// Reads the headers from the last segment's begin to the durable end, for what the catalog then
// says.
Status StoreReader::walk_to_end() {
  const DurablePage::Value end = bound();
  TRY_DO(start_at_segment(manifest_.segments.size() - 1));
  while (log_->expected().sequence < end.durable_batches) {
    TRY(const auto step, log_->next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, log_->why());
    if (step == BatchCursor::Step::batch) {
      TRY_DO(catalog_.apply(log_->header(), log_->extension()));
      continue;
    }
    TRY(const bool more, next_segment());
    if (!more)
      return fail(Code::corrupt, fmt::format("batches {} to {} are missing",
                                             log_->expected().sequence, end.durable_batches));
  }
  return {};
}

Result<std::vector<std::string>> StoreReader::stream_names() {
  TRY(const auto probe, open(disk_, paths_.directory));
  TRY_DO(probe->walk_to_end());
  std::vector<std::string> names;
  for (const auto& [id, stream] : probe->catalog_.streams()) {
    if (stream.next.value != 0) names.push_back(stream.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<StoreStats> StoreReader::stats() {
  StoreStats stats;
  TRY(const auto probe, open(disk_, paths_.directory));
  TRY_DO(probe->walk_to_end());
  const DurablePage::Value end = probe->bound();
  stats.durable = end.durable;
  stats.batch_count = end.durable_batches;
  stats.segment_count = probe->manifest_.segments.size();
  for (const auto& [id, s] : probe->catalog_.sources()) {
    stats.sources.push_back({s.name, s.position, s.commit_time, s.append_time});
  }
  for (const std::string& directory : {paths_.directory, paths_.segments, paths_.staging}) {
    TRY(const auto names, disk_.list(directory));
    for (const std::string& name : names) {
      const auto named = segment_file_named(name);
      if (named && named->kind == SegmentFile::Kind::adopted) ++stats.adopted_count;
      const auto file = disk_.open_read(directory + "/" + name);
      if (!file) continue;  // a directory, or gone since it was listed
      TRY(const std::uint64_t bytes, (*file)->size());
      stats.bytes += bytes;
    }
  }
  return stats;
}

}  // namespace tidelog
