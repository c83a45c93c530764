// What EventStore's group commit works on: requests, the batches that are made of them, and the
// group that is written and synced at once. For the store's own files.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "eventstore/append_decision.h"
#include "eventstore/application_append.h"
#include "eventstore/batch_builder.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/commit_queue.h"
#include "eventstore/format.h"
#include "eventstore/recent_ids.h"
#include "eventstore/staging.h"
#include "eventstore/stream_change.h"

namespace tidelog {

// A batch on its way into the log.
struct BatchDraft {
  StagingWriter* staged = nullptr;  // a commit batch, which adopts it
  SourceId source;
  std::string source_position;
  UnixMicros commit_time;
  std::uint64_t event_count = 0;
  std::vector<format::StreamRun> runs;  // bases are set when it is placed
  std::vector<format::SchemaEntry> schemas;
  std::vector<format::StreamChange> changes;
  std::vector<format::BlockEntry> blocks;
  std::string body;
  std::vector<EventIdHash> ids;  // applications' events only: of each, in order
  bool makes_space = false;      // its events let others go: it may take the disk's last space

  // When it is placed.
  BatchCursor::Expected place;
  format::BatchHeader header;
  format::BatchExtension extension;
};

// Encodes what the builder holds.
Result<std::unique_ptr<BatchDraft>> draft_of(const BatchBuilder& batch);

// An application's request, as far as it could be prepared without knowing the log's end.
struct ApplicationAppend {
  AppendRequest request;
  std::vector<StreamId> streams;  // of those that get events; 0 for others
  std::vector<EventIdHash> ids;   // of all events, in order
  std::string attributes;         // of all events, one after the other
  std::vector<std::size_t> attribute_ends;
  std::uint64_t bytes = 0;            // about what the events take, uncompressed
  std::unique_ptr<BatchDraft> draft;  // a large one is a batch of its own

  // What was found of its events' ids, in every event before `looked_through`.
  FoundEvents found;
  Position looked_through;
};

// Puts the request's events into the builder, as one transaction.
void put_events(BatchBuilder& batch, const ApplicationAppend& append);

// An application's request for a stream as a whole.
struct StreamRequested {
  StreamRequest request;
  StreamId stream;
  StreamOutcome outcome;
};

// One call on its way through the group commit: a batch or adoption of its own, or an application's
// request.
struct CommitRequest final : CommitQueue::Entry {
  std::unique_ptr<BatchDraft> draft;
  std::unique_ptr<ApplicationAppend> application;
  std::unique_ptr<StreamRequested> change;
  Status status;  // of either kind
  AppendOutcome outcome;
  std::function<void(Result<AppendOutcome>)> on_done;

  Result<AppendOutcome> result() {
    if (!status) return error_of(status);
    return std::move(outcome);
  }

 protected:
  void done() override { on_done(result()); }
};

// Batches that are written and synced together, with what they change: nothing of it counts before
// the sync, and neither does an answer that was found by looking at it.
struct CommitGroup {
  std::vector<BatchDraft*> placed;
  std::vector<std::unique_ptr<BatchDraft>> merged;      // those of several applications' requests
  std::vector<std::shared_ptr<CommitRequest>> waiting;  // answered after the sync
  std::string bytes;
  std::uint64_t begin_offset = 0;
  BatchCursor::Expected end;  // after the batches placed so far
  UnixMicros append_time;
  std::map<StreamId, Revision> next_revision;
  std::map<StreamId, StreamLife> lives;  // of streams that were changed
  std::set<StreamId> tables;             // that have their first schema in it
  std::map<SourceId, UnixMicros> commit_time;
  absl::flat_hash_set<EventIdHash> ids;  // of applications' events that are not durable yet
};

// A batch that applications' small requests share while they come.
struct OpenBatch {
  BatchBuilder builder;
  std::vector<EventIdHash> ids;
  std::vector<format::StreamChange> changes;            // deleted streams that go on in it
  std::vector<std::shared_ptr<CommitRequest>> waiting;  // answered with it
};

}  // namespace tidelog
