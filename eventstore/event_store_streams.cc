// EventStore's requests for a stream as a whole: truncated, deleted, tombstoned; and what becomes
// of streams that were.
#include <fmt/format.h>

#include <utility>

#include "eventstore/commit_group.h"
#include "eventstore/event_store.h"
#include "eventstore/store_reader.h"

namespace tidelog {

Result<StreamOutcome> EventStore::truncate_stream(std::string_view stream, Revision before,
                                                  const ExpectedRevision& expected) {
  return change_stream({StreamRequest::Kind::truncate, std::string(stream), before, expected});
}

Result<StreamOutcome> EventStore::delete_stream(std::string_view stream,
                                                const ExpectedRevision& expected) {
  return change_stream({StreamRequest::Kind::remove, std::string(stream), {}, expected});
}

Result<StreamOutcome> EventStore::tombstone_stream(std::string_view stream,
                                                   const ExpectedRevision& expected) {
  return change_stream({StreamRequest::Kind::tombstone, std::string(stream), {}, expected});
}

Result<StreamOutcome> EventStore::change_stream(StreamRequest request) {
  TRY_DO(check_request(request));
  TRY_DO(check_whole());  // below the floor, too: it makes space, and takes next to none
  auto commit = std::make_shared<CommitRequest>();
  commit->change = std::make_unique<StreamRequested>();
  commit->change->stream = stream(request.stream);
  commit->change->request = std::move(request);
  queue_.run(commit);
  TRY_DO(commit->status);
  return std::move(commit->change->outcome);
}

std::map<StreamId, StreamLife> EventStore::stream_lives() const {
  const std::lock_guard lock(mutex_);
  std::map<StreamId, StreamLife> lives;
  if (!catalog_.has_lives()) return lives;  // there may be millions, and appends wait
  for (const auto& [id, stream] : catalog_.streams()) {
    if (stream.life != StreamLife{}) lives.emplace(id, stream.life);
  }
  return lives;
}

// -- the leader's --

void EventStore::place_change(const std::shared_ptr<CommitRequest>& request, CommitGroup& group) {
  static_cast<void>(close_open_batch(group));
  StreamRequested& change = *request->change;
  request->status = check_no_table(change, group);
  if (!request->status) return CommitQueue::finish(*request);
  const StreamNow now = now_of(change.stream, group);
  const auto decision = decide(change.request, now);
  if (const auto* so = std::get_if<StreamChanged>(&decision)) change.outcome = *so;
  if (const auto* conflict = std::get_if<AppendConflict>(&decision)) change.outcome = *conflict;
  if (!std::holds_alternative<Append>(decision)) return answer_after(request, group);

  auto draft = draft_of_change(change, now);
  request->status = draft ? Status() : Status(error_of(draft));
  if (request->status) request->status = place_in_segment(**draft, group);
  if (!request->status) return CommitQueue::finish(*request);
  request->draft = *std::move(draft);
  change.outcome = StreamChanged{request->draft->changes.front().life, request->draft->header.base,
                                 now.next + std::uint64_t{1}};
  group.placed.push_back(request->draft.get());
  group.waiting.push_back(request);
}

// A batch of its own: nothing but the event that says so.
Result<std::unique_ptr<BatchDraft>> EventStore::draft_of_change(const StreamRequested& change,
                                                                const StreamNow& now) {
  EventBody event;
  event.type = event_type_of(change.request.kind);
  event.stream = change.stream;
  const std::string first = put_first_kept(change.request.before);
  if (event.type == EventType::stream_truncated) event.body = first;
  BatchBuilder batch;
  batch.begin({});
  batch.add(event);
  batch.commit();
  TRY(auto draft, draft_of(batch));
  draft->makes_space = true;
  draft->changes.push_back({change.stream, now.next, life_after(change.request, now)});
  return draft;
}

StreamNow EventStore::now_of(StreamId stream, const CommitGroup& group) const {
  return {next_revision(stream, group) + open_batch_->builder.event_count(stream),
          life_of(stream, group)};
}

StreamLife EventStore::life_of(StreamId stream, const CommitGroup& group) const {
  const bool none_changed = changed_batches_ == 0 && group.lives.empty();
  if (none_changed) return {};
  for (const format::StreamChange& change : open_batch_->changes) {
    if (change.stream == stream) return change.life;
  }
  const auto in_group = group.lives.find(stream);
  if (in_group != group.lives.end()) return in_group->second;
  const format::StreamEntry* known = catalog_.stream(stream);
  return known == nullptr ? StreamLife{} : known->life;
}

// The streams that the request's events begin anew.
std::vector<format::StreamChange> EventStore::begun_anew(const ApplicationAppend& append,
                                                         const CommitGroup& group) const {
  std::vector<format::StreamChange> changes;
  for (const StreamId stream : append.streams) {
    if (stream.value == 0) continue;
    const StreamNow now = now_of(stream, group);
    if (now.life.status == StreamStatus::deleted)
      changes.push_back({stream, now.next, {StreamStatus::open, now.life.first}});
  }
  return changes;
}

// The same for what a source brings, which was not asked whether its streams take it.
Status EventStore::begin_anew(BatchDraft& draft, const CommitGroup& group) const {
  draft.changes.clear();
  if (changed_batches_ == 0 && group.lives.empty()) return {};
  for (const format::StreamRun& run : draft.runs) {
    const StreamNow now = now_of(run.stream, group);
    if (now.life.status == StreamStatus::tombstoned) {
      return fail(Code::conflict,
                  fmt::format("stream {} ended for ever at revision {}: leave its table out of the "
                              "source, or give the source another name",
                              stream_name(run.stream), now.next.value - 1));
    }
    if (now.life.status == StreamStatus::deleted)
      draft.changes.push_back({run.stream, now.next, {StreamStatus::open, now.life.first}});
  }
  return {};
}

bool EventStore::is_table(StreamId stream, const CommitGroup& group) const {
  return group.tables.contains(stream) || catalog_.newest_schema(stream) != nullptr;
}

Status EventStore::check_no_table(const StreamRequested& change, const CommitGroup& group) const {
  if (!is_table(change.stream, group)) return {};
  const std::string& name = change.request.stream;
  if (change.request.kind == StreamRequest::Kind::truncate) {
    return fail(Code::misconfigured,
                fmt::format("stream {} holds the rows of a table: what goes must be folded into a "
                            "base snapshot first, as `tidelog store truncate` and retention do",
                            name));
  }
  return fail(Code::misconfigured,
              fmt::format("stream {} holds the rows of a table, and ends only with it: take the "
                          "table out of the source, and give the stream a retention rule to let "
                          "go of what it has",
                          name));
}

}  // namespace tidelog
