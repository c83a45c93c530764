#include "eventstore/store_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"
#include "eventstore/recovery.h"

namespace tidelog {

Result<std::unique_ptr<StoreReader>> StoreReader::open(Disk& disk, const std::string& directory) {
  std::unique_ptr<StoreReader> reader(new StoreReader(disk, directory));
  TRY(reader->manifest_, manifest_of_store(disk, reader->paths_));
  TRY_DO(reader->check_bound());
  return reader;
}

// A store of which nobody knows how far it goes is not taken for an empty one.
Status StoreReader::check_bound() {
  if (bound_of_page()) return {};
  TRY(const auto superblock, read_superblock(disk_, paths_));
  if (superblock) return {};
  TRY(const std::size_t damaged, damaged_superblock_slots(disk_, paths_));
  if (damaged == 0) return {};  // a new store
  return fail(Code::corrupt,
              fmt::format("{} is damaged, and without a durable page nothing else says how far the "
                          "store goes: a writer (tidelog run) makes it anew; of a backup, restore "
                          "an older one",
                          paths_.superblock));
}

Status StoreReader::load_manifest() {
  TRY(manifest_, read_manifest(disk_, paths_));
  return {};
}

// The superblock stands in for a durable page that is missing or damaged: an older bound, but a
// true one.
std::optional<DurablePage::Value> StoreReader::bound_of_page() {
  if (!page_) {
    if (auto page = DurablePage::open(disk_, paths_, false)) page_ = *std::move(page);
  }
  if (!page_) return {};
  return page_->load();
}

DurablePage::Value StoreReader::bound() {
  if (const auto value = bound_of_page()) return *value;
  const auto superblock = read_superblock(disk_, paths_);
  if (superblock && *superblock) return bound_of(**superblock);
  return {};
}

Position StoreReader::durable() { return bound().durable; }

// -- moving about --

Status StoreReader::seek(Position position) {
  stop();
  position_ = position;
  return load_manifest();
}

void StoreReader::set_filter(EventFilter filter) {
  stop();
  filter_.set(std::move(filter));
}

void StoreReader::only_streams(std::vector<std::string> names) {
  EventFilter filter;
  filter.streams = std::move(names);
  set_filter(std::move(filter));
}

// The durable end, and which events of streams count there.
Status StoreReader::take_limit() {
  const DurablePage::Value now = bound();
  limit_ = now.durable;
  return counts_only() ? lives_.refresh(now) : Status();
}

bool StoreReader::counts(StreamId stream, Revision revision) const {
  return lives_.none() || !counts_only() || revision >= lives_.of(stream).first;
}

// Those that the last segment's head knows.
Status StoreReader::learn_stream_names() {
  const format::ManifestSegment& last = manifest_.segments.back();
  TRY(const auto file, open_segment(disk_, paths_, last));
  TRY(const auto opened, read_head(*file, paths_, last));
  format::BatchExtension extension;
  for (const format::StreamEntry& entry : opened.head.streams)
    extension.streams.push_back({entry.id, entry.name});
  return catalog_.define(extension);
}

// Where to begin to read streams that are named and known, if none of them counts from its begin:
// in the segment where the first of them does. Elsewhere the store's begin.
Result<Position> StoreReader::begin_of_counting() {
  if (lives_.none() || !counts_only()) return Position{};
  auto streams = filter_.known_streams(catalog_);
  if (!streams) TRY_DO(learn_stream_names());
  if (!streams) streams = filter_.known_streams(catalog_);
  if (!streams) return Position{};
  for (const StreamId stream : *streams) {
    if (counts(stream, Revision{})) return Position{};
  }
  TRY(const std::size_t segment, last_segment_not([&](const format::SegmentHead& head) {
        return std::any_of(head.streams.begin(), head.streams.end(), [&](const auto& entry) {
          return std::find(streams->begin(), streams->end(), entry.id) != streams->end() &&
                 lives_.of(entry.id).first < entry.next;
        });
      }));
  return manifest_.segments[segment].base;
}

// The next call of next() or previous() starts anew at position_.
void StoreReader::stop() {
  walk_.reset();
  indexed_ = nullptr;
  index_ = nullptr;
  index_failed_ = false;
  block_ = nullptr;
  events_.clear();
}

std::size_t StoreReader::segment_of(Position position) const {
  const auto& segments = manifest_.segments;
  const auto after =
      std::upper_bound(segments.begin(), segments.end(), position,
                       [](Position p, const format::ManifestSegment& s) { return p < s.base; });
  return after == segments.begin() ? 0 : static_cast<std::size_t>(after - segments.begin()) - 1;
}

Status StoreReader::start(Direction direction) {
  TRY_DO(take_limit());
  TRY_DO(load_manifest());
  const bool is_back = direction == Direction::backwards;
  if (is_back) position_ = std::min(position_, limit_);
  TRY(counting_from_, begin_of_counting());
  if (!is_back) position_ = std::max(position_, counting_from_);
  const Position in_segment{is_back && position_.value > 0 ? position_.value - 1 : position_.value};
  return start_at(segment_of(in_segment), direction);
}

Status StoreReader::start_at(std::size_t index, Direction direction) {
  stop();
  segment_index_ = index;
  direction_ = direction;
  names_known_ = false;
  batch_number_ = 0;
  // To read all of a segment in order its own headers are as good, and verified on the way.
  const bool is_whole = direction == Direction::forwards && position_ <= segment().base;
  TRY(const bool by_index, start_by_index(is_whole));
  if (by_index) return {};
  return start_by_scan();
}

Result<bool> StoreReader::start_by_index(bool is_whole) {
  const EventFilter& filter = filter_.filter();
  const bool narrows = filter.names_streams() || filter.names_types() || !filter.keys.empty() ||
                       !filter.event_ids.empty();
  if (is_whole && !narrows) return false;
  index_ = indexes_.find(manifest_, segment_index_);
  if (index_ == nullptr) return false;
  if (filter.names_streams() && !filter_.known_streams(catalog_)) TRY_DO(learn_names(*index_));
  auto blocks = wanted_blocks(*index_, filter_, catalog_);
  if (!blocks) {
    indexes_.distrust(segment());
    index_ = nullptr;
    return false;
  }
  auto walk = std::make_unique<IndexedBlocks>(disk_, paths_, *index_, *std::move(blocks));
  indexed_ = walk.get();
  walk_ = std::move(walk);
  return true;
}

Status StoreReader::start_by_scan() {
  stream_cache_.clear();
  TRY(auto batches, SegmentWalk::open(disk_, paths_, segment(), catalog_));
  names_known_ = true;
  walk_ = std::make_unique<ScannedBlocks>(std::move(batches), filter_, catalog_);
  return {};
}

// Of the streams, sources and schemas that the segment's events may have. Those met before stay.
Status StoreReader::learn_names(SegmentIndex& index) {
  if (names_known_) return {};
  TRY(const auto file, open_segment(disk_, paths_, segment()));
  TRY(const auto opened, read_head(*file, paths_, segment()));
  TRY_DO(catalog_.apply(opened.head));
  const auto names = index.names();
  if (!names) {
    index_failed_ = true;
    return error_of(names);
  }
  format::BatchExtension extension;
  extension.streams = (*names)->streams;
  extension.sources = (*names)->sources;
  extension.schemas = (*names)->schemas;
  TRY_DO(catalog_.define(extension));
  names_known_ = true;
  return {};
}

// Goes on in the segment after this one, which must follow it without a hole. False when there is
// none.
Result<bool> StoreReader::go_to_next_segment() {
  const format::BatchPlace end = walk_->end();
  const std::uint64_t id = segment().id;
  if (segment_index_ + 1 >= manifest_.segments.size()) TRY_DO(load_manifest());
  const auto& segments = manifest_.segments;
  const auto next = std::find_if(segments.begin(), segments.end(),
                                 [id](const auto& segment) { return segment.id > id; });
  if (next == segments.end()) return false;
  position_ = std::max(position_, end.base);
  const bool let_go = segments.front().id > id + 1;  // what lay between is no longer kept
  TRY_DO(start_at(static_cast<std::size_t>(next - segments.begin()), Direction::forwards));
  if (!let_go) TRY_DO(check_follows(end));
  return true;
}

Status StoreReader::check_follows(const format::BatchPlace& end) {
  const format::BatchPlace begin = indexed_ != nullptr ? index_->header().begin : walk_->end();
  if (begin == end) return {};
  return fail(Code::corrupt, fmt::format("the segment before segment {} ends with batch {} before "
                                         "position {}, but that one goes on with batch {} at {}: "
                                         "what was between them is missing",
                                         segment().id, end.sequence, end.base.value, begin.sequence,
                                         begin.base.value));
}

// -- reading --

Result<const Event*> StoreReader::next() {
  if (position_ >= until_) return nullptr;
  return repeat(Direction::forwards, &StoreReader::step_forwards);
}

Result<const Event*> StoreReader::previous() {
  if (position_ <= back_to_) return nullptr;
  return repeat(Direction::backwards, &StoreReader::step_backwards);
}

Result<const Event*> StoreReader::repeat(Direction direction, Step step) {
  for (;;) {
    Status started;
    if (!walk_ || direction_ != direction) started = start(direction);
    auto event = started ? (this->*step)() : Result<const Event*>(error_of(started));
    if (event) return event;
    TRY(const bool again, may_repeat());
    if (again) continue;
    return event;
  }
}

// After an error: when it was the index's, or when the files that we read by now have successors,
// the same place is read again another way. The next call starts anew at position_ in any case.
Result<bool> StoreReader::may_repeat() {
  const bool index_failed = index_failed_ || (indexed_ != nullptr && indexed_->index_failed());
  stop();
  if (index_failed) indexes_.distrust(segment());
  if (index_failed) return true;
  const format::Manifest met = manifest_;
  TRY_DO(load_manifest());
  return manifest_ != met;
}

Result<const Event*> StoreReader::step_forwards() {
  for (;;) {
    if (block_ != nullptr) {
      TRY(const bool found, events_.next());
      if (found) {
        if (events_.position() >= until_) {
          position_ = until_;
          stop();
          return nullptr;
        }
        TRY(const Event* const event, take());
        position_ = events_.passed();
        if (event == nullptr) continue;
        return event;
      }
      position_ = std::max(position_, block_end_);
      block_ = nullptr;
    }
    TRY(const bool more, next_block());
    if (more) continue;
    position_ = std::max(position_, std::min(limit_, until_));
    return nullptr;
  }
}

// False at the durable end, or where reading is to end.
Result<bool> StoreReader::next_block() {
  for (;;) {
    const Position limit = std::min(limit_, until_);
    TRY(const WalkedBlock* const block, walk_->next(position_, limit));
    if (block != nullptr) {
      TRY_DO(begin_block(block));
      events_.begin(*block_, position_);
      return true;
    }
    if (walk_->ended()) {
      TRY(const bool more, go_to_next_segment());
      if (more) continue;
      return fail(Code::corrupt,
                  fmt::format("segment {} ends at position {}: positions up to {} are missing",
                              segment().id, walk_->end().base.value, limit_.value - 1));
    }
    if (until_ <= limit_) return false;
    const Position met = limit_;
    TRY_DO(take_limit());
    if (limit_ <= met) return false;
    walk_->forget_windows();
  }
}

Result<const Event*> StoreReader::step_backwards() {
  for (;;) {
    if (block_ != nullptr) {
      TRY(const bool found, events_.previous());
      if (found) {
        if (events_.position() < back_to_) break;
        TRY(const Event* const event, take());
        position_ = events_.position();
        if (event == nullptr) continue;
        return event;
      }
      position_ = std::min(position_, block_base_);
      block_ = nullptr;
    }
    TRY(const bool more, previous_block());
    if (!more) break;
  }
  position_ = std::min(position_, std::max(back_to_, first()));
  return nullptr;
}

// False at the store's begin, or where reading is to end.
Result<bool> StoreReader::previous_block() {
  while (position_ > std::max(back_to_, counting_from_)) {
    TRY(const WalkedBlock* const block, walk_->previous(position_));
    if (block != nullptr) {
      TRY_DO(begin_block(block));
      TRY_DO(events_.begin_backwards(*block_, position_));
      return true;
    }
    position_ = std::min(position_, segment().base);
    if (segment_index_ == 0) return false;
    TRY_DO(start_at(segment_index_ - 1, Direction::backwards));
  }
  return false;
}

Status StoreReader::begin_block(const WalkedBlock* block) {
  if (indexed_ != nullptr && !names_known_) {
    TRY_DO(learn_names(*index_));
  }
  block_ = block;
  block_base_ = block->base;
  block_end_ = block->end();
  if (block->batch_number == batch_number_) return {};
  batch_number_ = block->batch_number;
  ++batches_begun_;
  for (const format::StreamRun& run : *block->runs)
    bases_[run.stream] = {run.base.value, batches_begun_};
  const format::SourceEntry* const source = catalog_.source(block->source);
  source_name_ = source == nullptr ? std::string_view() : std::string_view(source->name);
  return {};
}

// Null: it does not count.
Result<const Event*> StoreReader::take() {
  const Record& record = events_.record();
  const StreamId stream = record.event.stream;
  const Base* const base = bases_.find(stream);
  const bool has_base = base != nullptr && base->batch == batches_begun_;
  const format::StreamEntry*& entry = stream_cache_[stream];
  if (entry == nullptr) entry = catalog_.stream(stream);
  if (entry == nullptr || !has_base) {
    return fail(
        Code::corrupt,
        fmt::format("the event at position {} is of stream {}, which its batch does not name",
                    events_.position().value, stream.value));
  }
  const Revision revision{base->revision + record.relative_revision};
  if (!counts(stream, revision)) return nullptr;
  static_cast<EventBody&>(event_) = record.event;
  event_.position = events_.position();
  event_.revision = revision;
  event_.append_time = block_->append_time;
  event_.stream_name = entry->name;
  event_.source_name = source_name_;
  event_.transaction = events_.transaction();
  if (block_->is_adopted) {
    event_.transaction.event_count = block_->adopted_count;
    event_.transaction.event_index = event_.position.value - block_->adopted_base.value;
  }
  return &event_;
}

Result<const Schema*> StoreReader::schema(SchemaId id) {
  const Schema* schema = catalog_.schema(id);
  if (schema == nullptr)
    return fail(Code::corrupt, fmt::format("schema {} is used but not defined", id.value));
  return schema;
}

}  // namespace tidelog
