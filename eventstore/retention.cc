#include "eventstore/retention.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/load_step.h"
#include "eventstore/aggregate_snapshots.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/newest_of_key.h"
#include "eventstore/recovery.h"
#include "eventstore/rewrite.h"
#include "eventstore/store_reader.h"
#include "eventstore/written_bytes.h"

namespace tidelog {
namespace {

// Where a segment begins, and what its head knows.
struct Boundary {
  format::ManifestSegment segment;
  UnixMicros append_time;  // of the last event before it
  std::map<StreamId, Revision> next;
  std::uint64_t bytes = 0;                   // written to this segment's files
  std::uint64_t bytes_from_here = 0;         // to them and those after
  std::optional<std::uint64_t> bytes_after;  // once it was rewritten or let go

  Revision next_of(StreamId stream) const {
    const auto at = next.find(stream);
    return at == next.end() ? Revision{} : at->second;
  }
};

struct RuledStream {
  StreamId id;
  std::string name;
  RetentionRule rule;
  bool is_table = false;
  std::vector<std::uint64_t> bytes_before;  // per boundary, when max_bytes asks
  // What goes: everything before the position; and of other than table streams what is older than
  // the time, or has a smaller revision.
  Position cut;
  UnixMicros older_than{INT64_MIN};
  Revision revision;
  bool compact = false;
  // Its last load has left rows out, which only this step says.
  std::optional<Position> kept_step;
  // What of it counts. Up to `counted` nothing else is left.
  StreamLife life;
  Position counted;

  std::uint64_t bytes_total() const { return bytes_before.empty() ? 0 : bytes_before.back(); }
};

std::uint64_t bytes_of(const Event& event) {
  return (event.key ? event.key->size() : 0) + event.before.size() +
         (event.body ? event.body->size() : 0) + event.attributes.size();
}

class RetentionRun : private RewritePlan {
 public:
  RetentionRun(EventStore& store, const RetentionPlan& plan, RetentionMemory& memory)
      : store_(store), plan_(plan), memory_(memory), now_(store.clock().now()) {}

  Result<RetentionReport> run() {
    TRY_DO(read_boundaries());
    TRY_DO(measure());
    for (auto& [id, stream] : streams_) decide(stream);
    TRY_DO(look_at_loads());
    TRY_DO(find_what_is_gone());
    TRY_DO(make_bases());
    TRY_DO(cut());
    TRY_DO(compact());
    TRY_DO(let_go());
    count_bytes();
    return report_;
  }

 private:
  Status check_not_stopped() const {
    if (!plan_.stop.stop_requested()) return {};
    return fail(Code::cancelled, "retention was asked to stop");
  }

  // -- what there is --

  Status read_boundaries() {
    lives_ = store_.stream_lives();
    const format::Manifest manifest = store_.manifest();
    uuid_ = manifest.uuid;
    for (const auto& segment : manifest.segments) {
      TRY(const auto file, open_segment(store_.disk(), store_.paths(), segment));
      TRY(const auto opened, read_head(*file, store_.paths(), segment));
      Boundary boundary{segment, opened.head.append_time, {}, 0, 0, {}};
      for (const auto& stream : opened.head.streams) boundary.next[stream.id] = stream.next;
      boundaries_.push_back(std::move(boundary));
      if (segment == manifest.segments.back()) take_streams(opened.head);
    }
    last_ = boundaries_.size() - 1;
    while (boundaries_[last_].segment.base > plan_.floor && last_ > 0) --last_;
    return measure_files();
  }

  void take_streams(const format::SegmentHead& head) {
    for (const auto& entry : head.streams) {
      RuledStream stream;
      stream.id = entry.id;
      stream.name = entry.name;
      stream.rule = plan_.rule_of(entry.name);
      stream.is_table =
          std::any_of(head.schemas.begin(), head.schemas.end(),
                      [&](const format::SchemaEntry& schema) { return schema.stream == entry.id; });
      const auto life = lives_.find(entry.id);
      if (life != lives_.end()) stream.life = life->second;
      const bool is_cut = stream.life != StreamLife{};
      if (stream.rule.any() || plan_.store_max_bytes || is_cut)
        streams_.emplace(entry.id, std::move(stream));
    }
  }

  // What is written of each segment, and the files that it adopted.
  Status measure_files() {
    TRY(const auto names, store_.disk().list(store_.paths().segments));
    std::map<std::uint64_t, std::uint64_t> adopted;  // by segment id
    for (const std::string& name : names) {
      const auto named = segment_file_named(name);
      if (!named || named->kind != SegmentFile::Kind::adopted) continue;
      const auto file = store_.disk().open_read(store_.paths().segments + "/" + name);
      if (!file) continue;  // gone since
      TRY(const std::uint64_t size, (*file)->size());
      adopted[named->segment_id] += size;
    }
    auto known = std::exchange(memory_.written_bytes, {});
    std::uint64_t sum = 0;
    for (auto at = boundaries_.rbegin(); at != boundaries_.rend(); ++at) {
      const std::pair key{at->segment.id, at->segment.generation};
      if (const auto found = known.find(key); found != known.end()) {
        at->bytes = found->second;
      } else {
        TRY(at->bytes, measure_log(at->segment));
      }
      if (at != boundaries_.rbegin()) memory_.written_bytes[key] = at->bytes;
      at->bytes += adopted[at->segment.id];
      at->bytes_from_here = sum += at->bytes;
    }
    return {};
  }

  Result<std::uint64_t> measure_log(const format::ManifestSegment& segment) {
    TRY(const auto superblock, read_superblock(store_.disk(), store_.paths()));
    // Of the one that is written to, a moment ago.
    const bool is_newest = boundaries_.back().segment == segment;
    if (superblock && is_newest && superblock->segment_id == segment.id)
      return superblock->file_offset;
    TRY(const auto file, open_segment(store_.disk(), store_.paths(), segment));
    return written_bytes(*file);
  }

  // How many bytes the streams that ask for it have before each boundary.
  Status measure() {
    std::vector<std::string> names;
    for (auto& [id, stream] : streams_) {
      if (!stream.rule.max_bytes) continue;
      names.push_back(stream.name);
      stream.bytes_before.assign(boundaries_.size(), 0);
    }
    if (names.empty()) return {};
    TRY(const auto reader, store_.reader());
    reader->only_streams(names);
    reader->read_until(boundaries_.back().segment.base);
    std::size_t next = 1;  // the boundary after the event
    for (;;) {
      TRY_DO(check_not_stopped());
      TRY(const Event* const event, reader->next());
      if (event == nullptr) break;
      while (boundaries_[next].segment.base <= event->position) ++next;
      streams_.at(event->stream).bytes_before[next] += bytes_of(*event);
    }
    for (auto& [id, stream] : streams_) {
      for (std::size_t i = 1; i < stream.bytes_before.size(); ++i)
        stream.bytes_before[i] += stream.bytes_before[i - 1];
    }
    return {};
  }

  // -- what goes --

  UnixMicros ago(std::chrono::microseconds age) const { return {now_.value - age.count()}; }

  bool is_beyond(const RuledStream& stream, std::size_t index) const {
    const Boundary& boundary = boundaries_[index];
    const RetentionRule& rule = stream.rule;
    const std::uint64_t after =
        boundaries_.back().next_of(stream.id).value - boundary.next_of(stream.id).value;
    return (rule.max_age && boundary.append_time < ago(*rule.max_age)) ||
           (rule.max_count && after >= *rule.max_count) ||
           (rule.max_bytes &&
            stream.bytes_total() - stream.bytes_before[index] >= *rule.max_bytes) ||
           (stream.is_table && rule.before && boundary.next_of(stream.id) <= *rule.before) ||
           (plan_.store_max_bytes && boundary.bytes_from_here >= *plan_.store_max_bytes);
  }

  // The boundary up to which all of the stream is beyond what its rule keeps; 0: none.
  std::size_t boundary_of(const RuledStream& stream) const {
    std::size_t index = boundaries_.size() - 1;
    while (index > 0 && !is_beyond(stream, index)) --index;
    return index;
  }

  void decide(RuledStream& stream) {
    std::size_t index = boundary_of(stream);
    if (index > last_) {
      report_.held_back = true;
      index = last_;
    }
    const bool has_events =
        boundaries_[index].next_of(stream.id) > boundaries_.front().next_of(stream.id);
    if (has_events) stream.cut = boundaries_[index].segment.base;
    if (stream.cut <= memory_.cut[stream.id]) stream.cut = {};
    if (!stream.is_table) {
      if (stream.rule.max_age) stream.older_than = ago(*stream.rule.max_age);
      const std::uint64_t next = boundaries_.back().next_of(stream.id).value;
      if (stream.rule.max_count && next > *stream.rule.max_count)
        stream.revision = {next - *stream.rule.max_count};
    }
    const auto done = memory_.counting.find(stream.id);
    if (done != memory_.counting.end() && done->second.life == stream.life)
      stream.counted = done->second.through;
    stream.compact = stream.rule.compact && memory_.compacted[stream.id] < compaction_end();
  }

  // An open load goes on from its steps in the log: nothing goes before it has ended.
  Status look_at_loads() {
    for (auto& [id, stream] : streams_) {
      if (!stream.is_table || (stream.cut == Position{} && !stream.compact)) continue;
      TRY(const auto reader, store_.reader());
      EventFilter filter;
      filter.streams = {stream.name};
      filter.types = {std::string(name_of(EventType::load_step))};
      reader->set_filter(std::move(filter));
      TRY_DO(reader->seek(reader->durable()));
      TRY(const Event* const event, reader->previous());
      if (event == nullptr) continue;
      TRY(const LoadStep step, read_load_step(event->body.value_or("")));
      if (step.kind != LoadStep::Kind::ended) stream.kept_step = event->position;
      if (ends_load(step.kind)) continue;
      report_.held_back = true;
      stream.cut = {};
      stream.compact = false;
    }
    return {};
  }

  // Of streams that were cut or ended, an earlier run may have taken all that does not count: then
  // no segment is written anew for nothing, as the indexes tell.
  Status find_what_is_gone() {
    for (auto& [id, stream] : streams_) {
      if (stream.life == StreamLife{} || stream.counted != Position{}) continue;
      TRY(const auto reader, store_.reader());
      EventFilter filter;
      filter.streams = {stream.name};
      filter.also_not_counting = true;
      reader->set_filter(std::move(filter));
      reader->read_until(boundaries_[last_].segment.base);
      TRY_DO(reader->seek(reader->first()));
      TRY(const Event* const event, reader->next());
      if (event == nullptr || counts(stream.life, *event))
        stream.counted = boundaries_[last_].segment.base;
    }
    return {};
  }

  Position compaction_end() const { return boundaries_[last_].segment.base; }

  // A stream whose base cannot be made is left as it is, and so is the rest: the error is told.
  Status make_bases() {
    for (auto& [id, stream] : streams_) {
      if (!stream.is_table) continue;
      const Position position = stream.compact ? compaction_end() : stream.cut;
      if (position != Position{}) TRY_DO(plan_.make_base(stream.name, position));
    }
    return {};
  }

  // -- taking it out --

  Status cut() {
    newest_.reset();
    TRY_DO(rewrite(boundaries_[last_].segment.base));
    for (const auto& [id, stream] : streams_)
      memory_.cut[id] = std::max(memory_.cut[id], stream.cut);
    return finish_ended();
  }

  // What an application saved of a stream that ended goes with its events.
  Status finish_ended() {
    AggregateSnapshots aggregates(store_.disk(), store_.paths().directory, uuid_);
    for (const auto& [id, stream] : streams_) {
      if (stream.life == StreamLife{}) continue;
      // Not again and again, but with each end of a stream that was begun anew.
      const auto known = memory_.counting.find(id);
      const bool is_known = known != memory_.counting.end() && known->second.life == stream.life;
      if (stream.life.status != StreamStatus::open && !is_known) TRY_DO(aggregates.remove(id));
      memory_.counting[id] = {stream.life, boundaries_[last_].segment.base};
      // The event that ended it stays.
      const std::uint64_t kept = stream.life.status == StreamStatus::open ? 0 : 1;
      const Revision end =
          std::min(Revision{stream.life.first.value - kept}, boundaries_.back().next_of(id));
      if (boundaries_[last_].next_of(id) < end) report_.held_back = true;
    }
    return {};
  }

  Status compact() {
    std::vector<std::string> names;
    for (const auto& [id, stream] : streams_) {
      if (stream.compact) names.push_back(stream.name);
    }
    if (names.empty()) return {};
    TRY(const auto reader, store_.reader());
    reader->only_streams(names);
    reader->read_until(compaction_end());
    newest_.emplace();
    for (bool more = true; more; newest_->next_round()) {
      TRY(more, remember(*reader));
      TRY_DO(rewrite(reader->position()));
    }
    for (const auto& [id, stream] : streams_) {
      if (stream.compact) memory_.compacted[id] = compaction_end();
    }
    return {};
  }

  // Goes on until the memory is full, at a transaction's end; false at the end of all.
  Result<bool> remember(StoreReader& reader) {
    for (;;) {
      TRY_DO(check_not_stopped());
      TRY(const Event* const event, reader.next());
      if (event == nullptr) return false;
      const Schema* schema = nullptr;
      if (event->schema != SchemaId{}) {
        TRY(schema, reader.schema(event->schema));
      }
      TRY_DO(newest_->see(*event, schema));
      const bool ends = event->transaction.event_index + 1 == event->transaction.event_count;
      if (ends && newest_->memory_bytes() > plan_.keys_bytes_max) return true;
    }
  }

  Status rewrite(Position end) {
    for (std::size_t i = 0; i + 1 < boundaries_.size(); ++i) {
      Boundary& boundary = boundaries_[i];
      if (boundary.segment.base >= end) return {};
      TRY_DO(check_not_stopped());
      TRY(const auto rewritten,
          rewrite_segment(store_.disk(), store_.paths(), boundary.segment,
                          boundaries_[i + 1].segment.base, *this, store_.sealed_codec()));
      if (plan_.on_progress) plan_.on_progress(boundaries_[i + 1].segment.base);
      if (!rewritten) continue;
      TRY_DO(store_.replace_segment(rewritten->segment));
      boundary.segment = rewritten->segment;
      const RewriteCounts& counts = rewritten->counts;
      // Adopted files that stayed as they are count neither before nor after.
      const std::uint64_t bytes = boundary.bytes_after.value_or(boundary.bytes);
      boundary.bytes_after = bytes - std::min(bytes, counts.bytes_before) + counts.bytes_after;
      report_.events_removed += counts.removed;
      ++report_.segments_rewritten;
    }
    return {};
  }

  bool touches(Position begin, Position end) override {
    const auto after = std::upper_bound(
        boundaries_.begin(), boundaries_.end(), begin,
        [](Position position, const Boundary& b) { return position < b.segment.base; });
    const auto& boundary = *(after - 1);
    return std::any_of(streams_.begin(), streams_.end(), [&](const auto& entry) {
      const RuledStream& stream = entry.second;
      const Revision first = boundary.next_of(stream.id);
      const bool has_events = after == boundaries_.end() || after->next_of(stream.id) > first;
      if (!has_events) return false;
      if (newest_) return stream.compact;
      const bool all_count = first >= stream.life.first || end <= stream.counted;
      return begin < std::min(end, stream.cut) || first < stream.revision || !all_count ||
             boundary.append_time < stream.older_than;
    });
  }

  Result<Fate> fate(const Event& event) override {
    const auto at = streams_.find(event.stream);
    if (at == streams_.end() || !goes(at->second, event)) return Fate::keep;
    if (event.position < plan_.floor) return Fate::remove;
    report_.held_back = true;
    return Fate::keep;
  }

  // Also the event that ended the stream.
  static bool counts(const StreamLife& life, const Event& event) {
    const bool is_end =
        life.status != StreamStatus::open && event.revision + std::uint64_t{1} == life.first;
    return is_end || event.revision >= life.first;
  }

  bool goes(const RuledStream& stream, const Event& event) {
    if (stream.kept_step == event.position) return false;
    if (!newest_) {
      return !counts(stream.life, event) || event.position < stream.cut ||
             event.append_time < stream.older_than || event.revision < stream.revision;
    }
    if (!stream.compact || event.position >= compaction_end()) return false;
    if (newest_->is_superseded(event)) return true;
    const bool tells_of_nothing =
        event.type == EventType::erased || newest_->is_last_deletion(event);
    return tells_of_nothing && event.append_time < ago(stream.rule.keep_deletions);
  }

  // Segments at the begin of which nothing is left.
  Status let_go() {
    std::size_t first = 0;
    while (first < last_) {
      TRY(const bool is_empty, nothing_left(first));
      if (!is_empty) break;
      ++first;
    }
    if (first == 0) return {};
    report_.segments_let_go = first;
    for (std::size_t i = 0; i < first; ++i) boundaries_[i].bytes_after = 0;
    return store_.drop_segments_before(boundaries_[first].segment.id);
  }

  void count_bytes() {
    for (const Boundary& boundary : boundaries_) {
      if (!boundary.bytes_after) continue;
      report_.bytes_before += boundary.bytes;
      report_.bytes_after += *boundary.bytes_after;
    }
  }

  Result<bool> nothing_left(std::size_t index) {
    const format::ManifestSegment& segment = boundaries_[index].segment;
    if (segment.base == boundaries_[index + 1].segment.base) return true;
    if (segment.generation == 0) return false;
    TRY(const auto file, open_segment(store_.disk(), store_.paths(), segment));
    TRY(const auto opened, read_head(*file, store_.paths(), segment));
    BatchCursor cursor(*file, opened.first);
    for (;;) {
      TRY(const auto step, cursor.next());
      if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
      if (step == BatchCursor::Step::zeros)
        return cursor.expected().base == boundaries_[index + 1].segment.base;
      if (cursor.header().kept_count != 0) return false;
    }
  }

  EventStore& store_;
  const RetentionPlan& plan_;
  RetentionMemory& memory_;
  const UnixMicros now_;
  std::vector<Boundary> boundaries_;  // of all segments; the last is written to
  std::size_t last_ = 0;              // that is not beyond the floor
  std::map<StreamId, RuledStream> streams_;
  std::map<StreamId, StreamLife> lives_;
  std::string uuid_;
  std::optional<NewestOfKey> newest_;  // while compacting
  RetentionReport report_;
};

}  // namespace

Result<RetentionReport> apply_retention(EventStore& store, const RetentionPlan& plan,
                                        RetentionMemory& memory) {
  const auto rewriting = store.lock_rewriting();
  return RetentionRun(store, plan, memory).run();
}

}  // namespace tidelog
