#include "eventstore/stream_change.h"

namespace tidelog {
namespace {

bool is_so_already(const StreamRequest& request, const StreamNow& now) {
  switch (request.kind) {
    case StreamRequest::Kind::truncate:
      return request.before <= now.life.first;
    case StreamRequest::Kind::remove:
      return now.life.status == StreamStatus::deleted;
    case StreamRequest::Kind::tombstone:
      return now.life.status == StreamStatus::tombstoned;
  }
  return false;
}

}  // namespace

Status check_request(const StreamRequest& request) { return check_stream_name(request.stream); }

StreamDecision decide(const StreamRequest& request, const StreamNow& now) {
  const auto conflict = [&](AppendConflict::Kind kind) {
    return conflict_of(kind, request.stream, request.expected, now);
  };
  const bool ends_for_ever = request.kind == StreamRequest::Kind::tombstone;
  if (now.life.status == StreamStatus::tombstoned && !ends_for_ever)
    return conflict(AppendConflict::Kind::tombstoned);
  const StreamChanged as_it_is{now.life, std::nullopt, now.next};
  if (is_so_already(request, now)) return as_it_is;
  if (!holds(request.expected, now)) return conflict(AppendConflict::Kind::revision);
  if (request.kind == StreamRequest::Kind::truncate && request.before > now.next)
    return conflict(AppendConflict::Kind::beyond_end);
  if (request.kind == StreamRequest::Kind::remove && now.next.value == 0) return as_it_is;
  return Append{};
}

EventType event_type_of(StreamRequest::Kind kind) {
  switch (kind) {
    case StreamRequest::Kind::truncate:
      return EventType::stream_truncated;
    case StreamRequest::Kind::remove:
      return EventType::stream_deleted;
    case StreamRequest::Kind::tombstone:
      return EventType::stream_tombstoned;
  }
  return EventType::stream_truncated;
}

StreamLife life_after(const StreamRequest& request, const StreamNow& now) {
  const Revision after = now.next + std::uint64_t{1};
  switch (request.kind) {
    case StreamRequest::Kind::truncate:
      return {StreamStatus::open, request.before};
    case StreamRequest::Kind::remove:
      return {StreamStatus::deleted, after};
    case StreamRequest::Kind::tombstone:
      return {StreamStatus::tombstoned, after};
  }
  return now.life;
}

}  // namespace tidelog
