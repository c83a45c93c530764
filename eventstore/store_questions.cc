// What a StoreReader answers without giving events: places by time, by revision and by transaction,
// names, figures.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eventstore/recovery.h"
#include "eventstore/store_reader.h"

namespace tidelog {

namespace {

// Asks again as long as the files that were asked have successors by now.
template <class Ask, class MayRepeat>
auto until_nothing_changed(Ask ask, MayRepeat may_repeat) -> decltype(ask()) {
  for (;;) {
    auto answer = ask();
    if (answer) return answer;
    TRY(const bool again, may_repeat());
    if (!again) return answer;
  }
}

}  // namespace

// -- places --

Result<Position> StoreReader::end_through(Position last) {
  const Position end = durable();
  if (last >= end) return end;
  TRY(const auto probe, open(disk_, paths_.directory));
  if (last < probe->first()) return probe->first();
  TRY_DO(probe->seek(last));
  TRY(const WalkedBlock* const block, probe->block_at_position());
  if (block == nullptr || last < block->base) {
    return fail(Code::corrupt,
                fmt::format("position {} is below the durable end {} but cannot be read",
                            last.value, end.value));
  }
  TRY(const BlockEvents::Bounds bounds, BlockEvents::bounds_at(*block, last));
  return bounds.after.value == last.value + 1 ? bounds.after : bounds.first;
}

Result<const WalkedBlock*> StoreReader::block_at_position() {
  for (;;) {
    Status started = start(Direction::forwards);
    auto block =
        started ? walk_->next(position_, limit_) : Result<const WalkedBlock*>(error_of(started));
    if (block) return block;
    TRY(const bool again, may_repeat());
    if (!again) return block;
  }
}

Result<Position> StoreReader::end_through(UnixMicros time, std::string_view source) {
  TRY(const auto probe, open(disk_, paths_.directory));
  const Position end = probe->durable();
  const auto ask = [&]() -> Result<Position> {
    TRY(std::size_t index, probe->last_segment_before(time, source));
    for (; index < probe->manifest_.segments.size(); ++index) {
      TRY(const auto batch, probe->first_batch_beyond(index, time, source, end));
      if (!batch) continue;
      if (source.empty()) return std::min(batch->base, end);
      return probe->first_transaction_beyond(*batch, time, source, end);
    }
    if (!source.empty() && probe->catalog_.source_named(source) == nullptr) {
      return fail(Code::not_found,
                  fmt::format("no source named {} has written to this store", source));
    }
    return end;
  };
  return until_nothing_changed(ask, [&] { return probe->may_repeat(); });
}

// What is asked of the heads only turns from false to true, from head to head.
Result<std::size_t> StoreReader::last_segment_not(
    const std::function<bool(const format::SegmentHead&)>& is_beyond) {
  const auto ask = [&]() -> Result<std::size_t> {
    std::size_t low = 0;
    for (std::size_t high = manifest_.segments.size(); high - low > 1;) {
      const std::size_t middle = low + (high - low) / 2;
      const format::ManifestSegment& segment = manifest_.segments[middle];
      TRY(const auto file, open_segment(disk_, paths_, segment));
      TRY(const auto opened, read_head(*file, paths_, segment));
      (is_beyond(opened.head) ? high : low) = middle;
    }
    return low;
  };
  return until_nothing_changed(ask, [this] { return may_repeat(); });
}

// A source that a head does not know has not written yet.
Result<std::size_t> StoreReader::last_segment_before(UnixMicros time, std::string_view source) {
  return last_segment_not([&](const format::SegmentHead& head) {
    if (source.empty()) return head.append_time > time;
    const auto entry = std::find_if(head.sources.begin(), head.sources.end(),
                                    [&](const format::SourceEntry& s) { return s.name == source; });
    return entry != head.sources.end() && entry->commit_time > time;
  });
}

// The segment's first batch, below `end`, with which the time is passed.
Result<std::optional<StoreReader::Beyond>> StoreReader::first_batch_beyond(std::size_t index,
                                                                           UnixMicros time,
                                                                           std::string_view source,
                                                                           Position end) {
  segment_index_ = index;
  names_known_ = false;
  if (SegmentIndex* const known = indexes_.find(manifest_, index)) {
    TRY_DO(learn_names(*known));
    const format::SourceEntry* const entry = catalog_.source_named(source);
    if (!source.empty() && entry == nullptr) return std::optional<Beyond>();
    const SourceId id = entry == nullptr ? SourceId{} : entry->id;
    const auto place = known->first_beyond(time, id);
    if (place && !*place) return std::optional<Beyond>();
    if (place) return std::optional(Beyond{(*place)->base, (*place)->before, id});
    indexes_.distrust(segment());
  }
  TRY(const auto batches, SegmentWalk::open(disk_, paths_, segment(), catalog_));
  std::optional<Beyond> found;
  UnixMicros before;
  const auto looks = [&](Position base, Position, const auto&) {
    const format::BatchHeader& header = batches->log_header();
    if (source.empty()) {
      if (header.append_time > time) found = Beyond{base, {}, {}};
      return found.has_value();
    }
    const format::SourceEntry* const entry = catalog_.source_named(source);
    if (entry == nullptr || header.source != entry->id) return false;
    if (header.commit_time > time && header.event_count != 0)
      found = Beyond{base, before, entry->id};
    before = header.commit_time;
    return found.has_value();
  };
  if (const format::SourceEntry* const entry = catalog_.source_named(source))
    before = entry->commit_time;
  TRY_DO(batches->next_of_log(end, looks));
  return found;
}

// The first transaction, from the batch on, at which the running maximum passes the time. The batch
// there holds one.
Result<Position> StoreReader::first_transaction_beyond(const Beyond& batch, UnixMicros time,
                                                       std::string_view source, Position end) {
  TRY_DO(seek(batch.base));
  UnixMicros running = batch.before;
  for (;;) {
    TRY(const Event* event, next());
    if (event == nullptr) return end;
    if (event->source_name != source) continue;
    running = std::max(running, event->transaction.commit_time);
    if (running > time) return Position{event->position.value - event->transaction.event_index};
  }
}

Status StoreReader::seek(std::string_view stream, Revision revision) {
  TRY_DO(seek(Position{0}));
  TRY(const std::size_t segment, last_segment_not([&](const format::SegmentHead& head) {
        const auto entry =
            std::find_if(head.streams.begin(), head.streams.end(),
                         [&](const format::StreamEntry& s) { return s.name == stream; });
        return entry != head.streams.end() && entry->next > revision;
      }));
  position_ = manifest_.segments[segment].base;
  const EventFilter own = filter_.filter();
  only_streams({std::string(stream)});
  auto found = skip_to(segment, revision);
  set_filter(own);
  if (!found) return error_of(found);
  position_ = *found;
  return {};
}

// The filter takes the stream alone, and the reader stands at the segment's begin.
Result<Position> StoreReader::skip_to(std::size_t index, Revision revision) {
  segment_index_ = index;
  names_known_ = false;
  if (SegmentIndex* const known = indexes_.find(manifest_, index)) {
    if (!filter_.known_streams(catalog_)) TRY_DO(learn_names(*known));
    const auto streams = filter_.known_streams(catalog_);
    if (streams) {
      const auto place = known->position_of_revision(streams->front(), revision);
      if (!place) indexes_.distrust(segment());
      if (place && *place) position_ = **place;
    }
  }
  for (;;) {
    TRY(const Event* const event, next());
    if (event == nullptr) return position_;
    if (event->revision >= revision) return event->position;
  }
}

// -- names and figures --

Result<std::vector<SchemaId>> StoreReader::schema_versions(std::string_view stream) {
  const EventFilter own = filter_.filter();
  const Position position = position_;
  const Position until = std::exchange(until_, Position{UINT64_MAX});
  EventFilter filter;
  filter.streams.emplace_back(stream);
  filter.types.emplace_back(name_of(EventType::schema));
  set_filter(std::move(filter));
  auto versions = read_schema_versions(stream);
  set_filter(own);
  until_ = until;
  position_ = position;
  return versions;
}

// The store's first head knows what was in use when it begins.
Result<std::vector<SchemaId>> StoreReader::read_schema_versions(std::string_view stream) {
  TRY_DO(seek(Position{0}));
  const auto ask = [&]() -> Result<OpenedHead> {
    const format::ManifestSegment& first = manifest_.segments.front();
    TRY(const auto file, open_segment(disk_, paths_, first));
    return read_head(*file, paths_, first);
  };
  TRY(const auto opened, until_nothing_changed(ask, [this] { return may_repeat(); }));
  Catalog head;
  TRY_DO(head.apply(opened.head));
  std::vector<SchemaId> versions;
  if (const format::StreamEntry* const entry = head.stream_named(stream)) {
    const format::SchemaEntry* const newest = head.newest_schema(entry->id);
    if (newest != nullptr && newest->id != SchemaId{}) versions.push_back(newest->id);
  }
  for (;;) {
    TRY(const Event* const event, next());
    if (event == nullptr) return versions;
    if (std::find(versions.begin(), versions.end(), event->schema) == versions.end())
      versions.push_back(event->schema);
  }
}

// Reads the headers from the last segment's begin to the durable end, for what the catalog then
// says.
Status StoreReader::apply_to_end(Catalog& catalog) {
  const DurablePage::Value end = bound();
  TRY_DO(load_manifest());
  const auto ask = [&]() -> Status {
    catalog = {};
    for (std::size_t index = manifest_.segments.size() - 1;;) {
      TRY(const auto batches, SegmentWalk::open(disk_, paths_, manifest_.segments[index], catalog));
      while (batches->expected().sequence < end.durable_batches && !batches->ended())
        TRY_DO(batches->next_of_log({UINT64_MAX}, [](auto&&...) { return true; }));
      if (batches->expected().sequence >= end.durable_batches) return {};
      TRY_DO(load_manifest());
      if (++index >= manifest_.segments.size()) {
        return fail(Code::corrupt,
                    fmt::format("batches {} to {} are missing", batches->expected().sequence,
                                end.durable_batches - 1));
      }
    }
  };
  return until_nothing_changed(ask, [this] { return may_repeat(); });
}

// What lies before damage is told; the damage is met by whoever reads that far.
Status StoreReader::apply_to_damage(Catalog& catalog) {
  const Status applied = apply_to_end(catalog);
  if (applied || applied.error().code != Code::corrupt) return applied;
  return {};
}

Result<std::vector<StreamState>> StoreReader::streams() {
  Catalog catalog;
  TRY(const auto probe, open(disk_, paths_.directory));
  TRY_DO(probe->apply_to_damage(catalog));
  std::vector<StreamState> streams;
  for (const auto& [id, stream] : catalog.streams()) {
    if (stream.next.value == 0) continue;
    const format::SchemaEntry* const schema = catalog.newest_schema(id);
    streams.push_back(
        {id, stream.name, stream.next, schema != nullptr && schema->id != SchemaId{}, stream.life});
  }
  return streams;
}

Result<std::vector<std::string>> StoreReader::stream_names() {
  Catalog catalog;
  TRY(const auto probe, open(disk_, paths_.directory));
  TRY_DO(probe->apply_to_damage(catalog));
  std::vector<std::string> names;
  for (const auto& [id, stream] : catalog.streams()) {
    if (stream.next.value != 0) names.push_back(stream.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> StoreReader::source_names() {
  Catalog catalog;
  TRY(const auto probe, open(disk_, paths_.directory));
  TRY_DO(probe->apply_to_damage(catalog));
  std::vector<std::string> names;
  for (const auto& [id, source] : catalog.sources()) names.push_back(source.name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<StoreStats> StoreReader::stats() {
  StoreStats stats;
  Catalog catalog;
  TRY(const auto probe, open(disk_, paths_.directory));
  TRY_DO(probe->apply_to_end(catalog));
  const DurablePage::Value end = probe->bound();
  stats.durable = end.durable;
  stats.batch_count = end.durable_batches;
  stats.segment_count = probe->manifest_.segments.size();
  for (const auto& [id, s] : catalog.sources()) {
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
