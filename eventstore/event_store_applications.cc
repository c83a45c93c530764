// EventStore's appends of applications: prepared by who calls, decided by the leader.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/application_event.h"
#include "core/invariant.h"
#include "eventstore/commit_group.h"
#include "eventstore/event_store.h"
#include "eventstore/store_reader.h"

namespace tidelog {
namespace {

// A request of this size fills a block, and is worth a batch of its own, encoded before it waits.
constexpr std::uint64_t own_batch_bytes = format::block_raw_bytes_target / 2;
// How much a batch takes that several requests share.
constexpr std::uint64_t shared_batch_bytes = 256 * 1024;
// Of an event's record, beside its texts.
constexpr std::uint64_t record_bytes = 48;

// Of the texts and the numbers beside them, about.
std::uint64_t bytes_of(const NewEvent& event) {
  return record_bytes + event.data.size() + event.type.size() + event.content_type.size() +
         event.metadata.size() + event.correlation_id.size() + event.causation_id.size() +
         (event.key ? event.key->size() : 0);
}

}  // namespace

// -- before the group commit --

Result<std::unique_ptr<ApplicationAppend>> EventStore::prepare(AppendRequest request) {
  TRY_DO(check_request(request));
  auto append = std::make_unique<ApplicationAppend>();
  append->request = std::move(request);
  for (StreamAppend& part : append->request.streams) {
    append->streams.push_back(part.events.empty() ? StreamId{} : stream(part.stream));
    for (NewEvent& event : part.events) {
      if (event.id.empty()) event.id = new_event_id();
      append->ids.push_back(hash_of(append->streams.back(), event.id));
      put_application_attributes(append->attributes,
                                 {event.type, event.id, event.content_type, event.metadata,
                                  event.correlation_id, event.causation_id});
      append->attribute_ends.push_back(append->attributes.size());
      append->bytes += bytes_of(event);
    }
  }
  if (append->bytes < own_batch_bytes) return append;
  BatchBuilder batch;
  put_events(batch, *append);
  TRY(append->draft, draft_of(batch));
  append->draft->ids = append->ids;
  return append;
}

// Looks for the request's event ids in what is durable by now, as far as they can matter: what is
// appended from here on, the leader sees.
Status EventStore::look(ApplicationAppend& append) {
  append.looked_through = durable();
  append.found.clear();
  std::size_t number = 0;
  for (std::size_t i = 0; i < append.streams.size(); ++i) {
    const StreamAppend& part = append.request.streams[i];
    StreamNow now;
    if (!part.events.empty()) {
      const std::lock_guard lock(mutex_);
      const format::StreamEntry* known = catalog_.stream(append.streams[i]);
      if (known != nullptr) now = {known->next, known->life};
    }
    auto& found = append.found.emplace_back();
    if (!needs_look(part, now)) {
      number += part.events.size();
      continue;
    }
    for (const NewEvent& event : part.events) {
      TRY(found.emplace_back(),
          lookup_.find({append.streams[i], part.stream}, event, append.ids[number++]));
    }
  }
  return {};
}

Result<std::shared_ptr<CommitRequest>> EventStore::application_request(AppendRequest request) {
  TRY_DO(check_open());
  auto commit = std::make_shared<CommitRequest>();
  TRY(commit->application, prepare(std::move(request)));
  TRY_DO(look(*commit->application));
  return commit;
}

Result<AppendOutcome> EventStore::append(AppendRequest request) {
  TRY(const auto commit, application_request(std::move(request)));
  queue_.run(commit);
  return commit->result();
}

void EventStore::submit(AppendRequest request, AppendDone done) {
  auto commit = application_request(std::move(request));
  if (!commit) return done(error_of(commit));
  (*commit)->on_done = std::move(done);
  queue_.add(*std::move(commit));
}

// -- the leader's --

void EventStore::place_application(const std::shared_ptr<CommitRequest>& request,
                                   CommitGroup& group) {
  ApplicationAppend& append = *request->application;
  const bool fits =
      append.draft == nullptr && open_batch_->builder.bytes() + append.bytes <= shared_batch_bytes;
  // An error is told to those in that batch; here it only changes what follows.
  if (!fits) static_cast<void>(close_open_batch(group));
  if (must_look_again(append, group)) {
    static_cast<void>(close_open_batch(group));
    static_cast<void>(commit(group));
    request->status = look(append);
  }
  if (request->status) request->status = check_no_table(append, group);
  if (!request->status) return CommitQueue::finish(*request);

  const auto decision = decide(
      append.request, [&](std::size_t i) { return now_of(append, i, group); }, append.found);
  if (const auto* repeated = std::get_if<AppendedEvents>(&decision)) request->outcome = *repeated;
  if (const auto* conflict = std::get_if<AppendConflict>(&decision)) request->outcome = *conflict;
  if (!std::holds_alternative<Append>(decision)) return answer_after(request, group);
  place_events(request, group);
}

// What an answer was found by may not be durable yet.
void EventStore::answer_after(const std::shared_ptr<CommitRequest>& request, CommitGroup& group) {
  auto& waiting = open_batch_->builder.empty() ? group.waiting : open_batch_->waiting;
  waiting.push_back(request);
}

void EventStore::place_events(const std::shared_ptr<CommitRequest>& request, CommitGroup& group) {
  ApplicationAppend& append = *request->application;
  const Position first = group.end.base + open_batch_->builder.event_count();
  request->outcome = answer_of(append, first, group);
  auto changes = begun_anew(append, group);
  if (append.draft != nullptr) {
    append.draft->changes = std::move(changes);
    request->status = place_in_segment(*append.draft, group);
    if (!request->status) return CommitQueue::finish(*request);
    group.placed.push_back(append.draft.get());
    group.waiting.push_back(request);
  } else {
    put_events(open_batch_->builder, append);
    open_batch_->ids.insert(open_batch_->ids.end(), append.ids.begin(), append.ids.end());
    open_batch_->changes.insert(open_batch_->changes.end(), changes.begin(), changes.end());
    open_batch_->waiting.push_back(request);
  }
  group.ids.insert(append.ids.begin(), append.ids.end());
}

AppendedEvents EventStore::answer_of(const ApplicationAppend& append, Position first,
                                     const CommitGroup& group) const {
  AppendedEvents answer;
  answer.first = first;
  answer.count = append.ids.size();
  for (std::size_t i = 0; i < append.streams.size(); ++i) {
    const std::uint64_t events = append.request.streams[i].events.size();
    if (events != 0) answer.next.push_back(now_of(append, i, group).next + events);
  }
  return answer;
}

// The stream behind all that was placed before.
StreamNow EventStore::now_of(const ApplicationAppend& append, std::size_t stream,
                             const CommitGroup& group) const {
  StreamId id = append.streams[stream];
  if (id.value == 0) {  // only read: it need not have a number
    const std::lock_guard lock(mutex_);
    const auto it = stream_ids_.find(append.request.streams[stream].stream);
    if (it == stream_ids_.end()) return {};
    id = it->second;
  }
  return now_of(id, group);
}

// An event with one of the ids came in after they were looked for, or is in this very group.
bool EventStore::must_look_again(const ApplicationAppend& append, const CommitGroup& group) const {
  std::size_t number = 0;
  for (std::size_t i = 0; i < append.streams.size(); ++i) {
    const std::size_t events = append.request.streams[i].events.size();
    if (events == 0 || !needs_look(append.request.streams[i], now_of(append, i, group))) {
      number += events;
      continue;
    }
    for (std::size_t event = 0; event < events; ++event) {
      const EventIdHash hash = append.ids[number++];
      if (group.ids.contains(hash)) return true;
      const RecentIds::Found found = recent_ids_.find(hash, append.looked_through);
      if (!found.positions.empty() || found.first > append.looked_through) return true;
    }
  }
  return false;
}

// A table's stream is folded into rows: it takes only what its source says.
Status EventStore::check_no_table(const ApplicationAppend& append, const CommitGroup& group) const {
  for (std::size_t i = 0; i < append.streams.size(); ++i) {
    if (append.streams[i].value == 0 || !is_table(append.streams[i], group)) continue;
    return fail(Code::misconfigured,
                fmt::format("stream {} holds the rows of a table, and takes events only from its "
                            "source: append to a stream of another name",
                            append.request.streams[i].stream));
  }
  return {};
}

// The batch that small requests share is placed, with all who wait for it, or they fail.
Status EventStore::close_open_batch(CommitGroup& group) {
  if (open_batch_->builder.empty()) return {};
  const auto waiting = std::exchange(open_batch_->waiting, {});
  auto draft = draft_of(open_batch_->builder);
  open_batch_->builder.clear();
  Status status;
  if (draft) {
    (*draft)->ids = std::exchange(open_batch_->ids, {});
    (*draft)->changes = std::exchange(open_batch_->changes, {});
    status = place_in_segment(**draft, group);
  } else {
    open_batch_->ids.clear();
    open_batch_->changes.clear();
    status = error_of(draft);
  }
  if (status) {
    group.placed.push_back(draft->get());
    group.merged.push_back(*std::move(draft));
    group.waiting.insert(group.waiting.end(), waiting.begin(), waiting.end());
    return status;
  }
  for (const auto& request : waiting) {
    request->status = error_of(status);
    CommitQueue::finish(*request);
  }
  return status;
}

}  // namespace tidelog
