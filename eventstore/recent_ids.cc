#include "eventstore/recent_ids.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <map>

#include "core/application_event.h"
#include "core/bytes.h"

namespace tidelog {
namespace {

// Seven eighths of 2^16: as full as a table gets before it grows.
constexpr std::size_t chunk_ids = 57'344;
constexpr std::uint64_t mark_bytes = 64 * 1024;
constexpr std::size_t segments_kept = 2;

// Calls visit(event, revision, position) for each event of the batch that the cursor stands on.
template <class Visit>
Status for_events(BatchCursor& cursor, Visit visit) {
  std::map<StreamId, Revision> bases;
  for (const format::StreamRun& run : cursor.extension().runs) bases[run.stream] = run.base;
  Position position = cursor.header().base;
  for (std::size_t i = 0; i < cursor.extension().blocks.size(); ++i) {
    TRY(const std::string_view raw, cursor.block(i));
    ByteReader in(raw);
    while (in.remaining() != 0) {
      TRY(const Record record, read_record(in));
      if (record.is_transaction) continue;
      if (record.removed_count != 0) {
        position = position + record.removed_count;
        continue;
      }
      visit(record.event, bases[record.event.stream] + record.relative_revision, position);
      position = position + std::uint64_t{1};
    }
  }
  return {};
}

// Applications append without a source; what a source brings is told apart by its position there.
bool is_from_applications(const format::BatchHeader& header) {
  return header.source.value == 0 && !header.commit && header.event_count != 0;
}

}  // namespace

EventIdHash hash_of(StreamId stream, std::string_view event_id) {
  return absl::HashOf(stream.value, event_id);
}

void RecentIds::begin_segment(std::shared_ptr<const File> file,
                              const BatchCursor::Expected& first) {
  const std::lock_guard lock(mutex_);
  file_ = std::move(file);
  marks_ = {first};
  segments_.push_back({first.base, {}});
  if (segments_.size() > segments_kept) segments_.pop_front();
}

void RecentIds::add_ids(Position first, const std::vector<EventIdHash>& hashes) {
  std::deque<Chunk>& chunks = segments_.back().chunks;
  std::uint64_t position = first.value;
  for (const EventIdHash hash : hashes) {
    if (chunks.empty() || chunks.back().positions.size() >= chunk_ids) {
      chunks.emplace_back();
    }
    Chunk& chunk = chunks.back();
    chunk.last = {position};
    if (!chunk.positions.try_emplace(hash, position).second)
      chunk.others.emplace_back(hash, position);
    ++position;
  }
}

void RecentIds::add(const BatchCursor::Expected& batch, const std::vector<EventIdHash>& hashes) {
  const std::lock_guard lock(mutex_);
  if (batch.file_offset - marks_.back().file_offset >= mark_bytes) marks_.push_back(batch);
  add_ids(batch.base, hashes);
}

Status RecentIds::load(const BatchCursor::Expected& end) {
  std::shared_ptr<const File> file;
  BatchCursor::Expected place;
  {
    const std::lock_guard lock(mutex_);
    file = file_;
    place = marks_.front();
  }
  BatchCursor cursor(*file, place);
  while (cursor.expected().sequence < end.sequence) {
    place = cursor.expected();
    TRY(const auto step, cursor.next());
    if (step != BatchCursor::Step::batch) return fail(Code::corrupt, cursor.why());
    if (!is_from_applications(cursor.header())) continue;
    std::vector<EventIdHash> hashes;
    TRY_DO(for_events(cursor, [&](const EventBody& event, Revision, Position position) {
      hashes.resize(position.value - place.base.value);  // what was removed has no id
      hashes.push_back(hash_of(event.stream,
                               find_attribute(event.attributes, Attribute::event_id).value_or("")));
    }));
    add(place, hashes);
  }
  return {};
}

RecentIds::Found RecentIds::find(EventIdHash hash, Position from) const {
  const std::lock_guard lock(mutex_);
  Found found{segments_.front().first, {}};
  for (const Segment& segment : segments_) {
    for (const Chunk& chunk : segment.chunks) {
      if (chunk.last < from) continue;
      const auto it = chunk.positions.find(hash);
      if (it == chunk.positions.end()) continue;
      if (it->second >= from.value) found.positions.push_back({it->second});
      for (const auto& [other, position] : chunk.others) {
        if (other == hash && position >= from.value) found.positions.push_back({position});
      }
    }
  }
  return found;
}

std::optional<BatchCursor::Expected> RecentIds::mark_before(Position position) const {
  const auto after =
      std::upper_bound(marks_.begin(), marks_.end(), position,
                       [](Position p, const BatchCursor::Expected& mark) { return p < mark.base; });
  if (after == marks_.begin()) return std::nullopt;
  return *(after - 1);
}

Result<bool> RecentIds::read(Position position, const Visit& visit) const {
  std::shared_ptr<const File> file;
  std::optional<BatchCursor::Expected> mark;
  {
    const std::lock_guard lock(mutex_);
    file = file_;
    mark = mark_before(position);
  }
  if (!mark) return false;  // in an earlier segment
  BatchCursor cursor(*file, *mark);
  do {
    TRY(const auto step, cursor.next());
    if (step != BatchCursor::Step::batch) return fail(Code::corrupt, cursor.why());
  } while (cursor.expected().base <= position);
  TRY_DO(for_events(cursor, [&](const EventBody& event, Revision revision, Position at) {
    if (at == position) visit(event, revision);
  }));
  return true;
}

}  // namespace tidelog
