// EventStore: the log that everything is appended to before anything else sees it. One writing
// process has it open; the format is FORMAT.md, readers are store_reader.h.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/disk.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/application_append.h"
#include "eventstore/batch_builder.h"
#include "eventstore/commit_queue.h"
#include "eventstore/disk_floor.h"
#include "eventstore/event_lookup.h"
#include "eventstore/held_file.h"
#include "eventstore/index_keeper.h"
#include "eventstore/recent_ids.h"
#include "eventstore/recovery.h"
#include "eventstore/staging.h"
#include "eventstore/store_files.h"
#include "eventstore/stream_change.h"

namespace tidelog {

class StoreReader;
struct ApplicationAppend;
struct BatchDraft;
struct CommitGroup;
struct CommitRequest;
struct OpenBatch;
struct StreamRequested;

struct StoreOptions {
  std::uint64_t segment_bytes = 64ULL << 20;
  // With less than this free on its disk the store takes nothing (Code::disk_full). 0: no floor.
  std::uint64_t disk_floor_bytes = 0;
  // Of segments that are written anew: by packing (packing.h), erasure and retention.
  format::Codec sealed_codec = format::Codec::lz4;
  // A thread that keeps a zeroed spare segment ready and the superblock fresh. Without it both
  // happen in the appending thread, at a segment's end: for tests that count disk calls.
  bool background = true;
  std::string holder;  // who holds the lock, for whoever else comes: "pid 71 (tidelog run)"
};

// What an append or an adoption got.
struct Appended {
  Position first;  // of the batch's events; the next free one when it has none
  std::uint64_t count = 0;
};

// Any thread, unless a method says otherwise.
class EventStore : private NameLookup {
 public:
  // Opens for writing, or makes an empty store. Recovers: cuts a torn tail, rewrites and syncs what
  // may exist only in the page cache, drops staging files that nobody will adopt. Code::conflict
  // names the holder of the lock; Code::corrupt names the positions; Code::unsupported is a store
  // of a newer format. `disk` and `clock` must outlive it.
  static Result<std::unique_ptr<EventStore>> open(Disk& disk, Clock& clock,
                                                  const std::string& directory,
                                                  const StoreOptions& options);
  ~EventStore() override;
  EventStore(const EventStore&) = delete;
  EventStore& operator=(const EventStore&) = delete;

  // Numbers for names, for use in the next batches; stored with the first batch or staging file
  // that uses them.
  StreamId stream(std::string_view name);
  SourceId source(std::string_view name);
  struct Version {
    SchemaId id;
    // not the stream's newest version in the log: a schema event with this id must come first
    bool is_new = false;
  };
  Version schema(StreamId stream, const Schema& schema);
  // The newest schema in the log, of one stream, and of all that have one and whose names begin so.
  std::optional<Schema> newest_schema(std::string_view stream) const;
  std::map<std::string, Schema> newest_schemas(std::string_view prefix) const;
  // The stored form of a version that was given out since the store was opened.
  std::string encoded_schema(SchemaId id) const override;

  // Returns once the batch is on disk; the builder is cleared. Code::disk_full: nothing was written
  // and the builder is as it was, try again later. After a failed sync every append is
  // Code::failed, and the store is read-only until it is opened anew.
  Result<Appended> append(BatchBuilder& batch);

  // Appends an application's events, all or none, if what the request expects holds at the log's
  // end. Returns once they are on disk, or once what speaks against it is. A retry of an append
  // that was done, also before a restart, gets the first answer again: with an expected revision
  // when its events stand there, with `any` or `exists` when their ids are in the stream.
  // Code::misconfigured is a request that no store could take; the other errors are as above.
  Result<AppendOutcome> append(AppendRequest request);
  // The same without waiting. `done` is called once, on a thread of the store that others wait for,
  // or on this one before this returns: it hands the answer on and does not block. It may submit
  // the next append. Appends are decided in the order in which they were submitted.
  using AppendDone = std::function<void(Result<AppendOutcome>)>;
  void submit(AppendRequest request, AppendDone done);

  // What an application does to a stream of its own as a whole (stream_change.h has the table of
  // what is answered). Readers of the stream pass over what no longer counts from then on, and
  // retention takes it out. Code::misconfigured: the stream holds a table's rows.
  //
  // Events of a smaller revision than `before` no longer count.
  Result<StreamOutcome> truncate_stream(std::string_view stream, Revision before,
                                        const ExpectedRevision& expected);
  // The stream has no events that count; the next append begins it anew, its revisions going on.
  Result<StreamOutcome> delete_stream(std::string_view stream, const ExpectedRevision& expected);
  // The same for ever: nothing is appended to it again. A name that was never used can be barred
  // so, too.
  Result<StreamOutcome> tombstone_stream(std::string_view stream, const ExpectedRevision& expected);
  // Every stream that was truncated or ended, as it is now.
  std::map<StreamId, StreamLife> stream_lives() const;

  // A file for a transaction that is not whole yet.
  Result<std::unique_ptr<StagingWriter>> stage();
  // Makes a whole staged transaction visible at once, together with `source_position`. On error
  // `staged` is still the caller's.
  Result<Appended> adopt(StagingWriter& staged, SourceId source, std::string_view source_position);

  // What a source holds of a transaction that has not ended.
  Result<std::unique_ptr<HeldFile>> hold(SourceId source);
  // On disk when this returns. After a failed sync the store is read-only, as after any other.
  Status keep(HeldFile& held, std::string_view about);
  // What the source kept, by these ids and in their order; whatever else it kept is removed.
  Result<std::vector<std::unique_ptr<HeldFile>>> kept(SourceId source,
                                                      const std::vector<std::uint64_t>& ids);

  // The position that the source's last durable batch carries; empty for a source that has none.
  std::string source_position(std::string_view source_name) const;
  // events before it are on disk
  Position durable() const { return {durable_.load(std::memory_order_acquire)}; }

  // A reader of this store; it sees every durable event at once.
  Result<std::unique_ptr<StoreReader>> reader();

  // Makes the indexes of all sealed segments that have none now; with `background` a thread does
  // it.
  Status make_indexes();

  // For compaction, retention, erasure and packing (rewrite.h). Appends wait only while the
  // manifest is written.
  //
  // Held by each of them from its first look at the manifest on: they follow one another.
  std::unique_lock<std::mutex> lock_rewriting() { return std::unique_lock(rewriting_); }
  // Ends the segment that is written to: every event that is durable now lies in a sealed one.
  Status seal();
  format::Manifest manifest();
  // Names this generation instead of the segment's present one, and removes that one's files.
  Status replace_segment(const format::ManifestSegment& segment);
  // Lets go of every segment before the one with this id, which must be sealed or the last.
  Status drop_segments_before(std::uint64_t segment_id);

  Disk& disk() { return disk_; }
  Clock& clock() { return clock_; }
  const StorePaths& paths() const { return paths_; }
  format::Codec sealed_codec() const { return options_.sealed_codec; }
  std::uint64_t disk_floor_bytes() const { return options_.disk_floor_bytes; }

 private:
  EventStore(Disk& disk, Clock& clock, const std::string& directory, const StoreOptions& options);

  Status load_recent_ids();

  // Before a request waits for the group commit.
  Status check_whole();
  Status check_open();
  Result<std::uint64_t> take_staging_id();
  Result<Appended> commit_draft(std::unique_ptr<BatchDraft> draft);
  Result<std::unique_ptr<ApplicationAppend>> prepare(AppendRequest request);
  Status look(ApplicationAppend& append);
  Result<std::shared_ptr<CommitRequest>> application_request(AppendRequest request);
  Result<StreamOutcome> change_stream(StreamRequest request);

  // The leader's.
  void lead();
  void place(const std::shared_ptr<CommitRequest>& request, CommitGroup& group);
  void place_draft(const std::shared_ptr<CommitRequest>& request, CommitGroup& group);
  void place_application(const std::shared_ptr<CommitRequest>& request, CommitGroup& group);
  void place_events(const std::shared_ptr<CommitRequest>& request, CommitGroup& group);
  void answer_after(const std::shared_ptr<CommitRequest>& request, CommitGroup& group);
  void place_change(const std::shared_ptr<CommitRequest>& request, CommitGroup& group);
  static Result<std::unique_ptr<BatchDraft>> draft_of_change(const StreamRequested& change,
                                                             const StreamNow& now);
  StreamNow now_of(const ApplicationAppend& append, std::size_t stream,
                   const CommitGroup& group) const;
  StreamNow now_of(StreamId stream, const CommitGroup& group) const;
  StreamLife life_of(StreamId stream, const CommitGroup& group) const;
  Status begin_anew(BatchDraft& draft, const CommitGroup& group) const;
  std::vector<format::StreamChange> begun_anew(const ApplicationAppend& append,
                                               const CommitGroup& group) const;
  Revision next_revision(StreamId stream, const CommitGroup& group) const;
  bool must_look_again(const ApplicationAppend& append, const CommitGroup& group) const;
  bool is_table(StreamId stream, const CommitGroup& group) const;
  Status check_no_table(const ApplicationAppend& append, const CommitGroup& group) const;
  Status check_no_table(const StreamRequested& change, const CommitGroup& group) const;
  AppendedEvents answer_of(const ApplicationAppend& append, Position first,
                           const CommitGroup& group) const;
  Status close_open_batch(CommitGroup& group);
  Status place_in_segment(BatchDraft& draft, CommitGroup& group);
  void describe(BatchDraft& draft, const CommitGroup& group);
  Status move_into_segment(StagingWriter& staged);
  Status move_out_of_segment(StagingWriter& staged);
  Status commit(CommitGroup& group);
  void apply(CommitGroup& group);
  void give_back(const Error& error, CommitGroup& group);
  Status write_and_sync(const CommitGroup& group);
  Status clear_remainder();
  // What the disk's space is wanted for: the last of it is for what makes space, if need be in a
  // smaller segment. A rewrite makes space, too, but only where there is room for a segment.
  enum class RoomFor : std::uint8_t { events, making_space, rewriting };
  Status roll(std::uint64_t batch_bytes, RoomFor room);
  Result<std::uint64_t> next_segment_bytes(std::uint64_t needed_bytes, RoomFor room);
  Result<std::unique_ptr<File>> next_segment_file(const format::SegmentHead& head,
                                                  const std::string& path,
                                                  std::uint64_t file_bytes);
  Result<bool> take_spare(const std::string& path, std::uint64_t file_bytes);
  Status refresh_superblock();
  Status as_leader(const std::function<Status()>& work);
  Result<format::Manifest> change_manifest(const std::function<void(format::Manifest&)>& change);
  Status remove_unnamed_files(const format::Manifest& manifest, std::uint64_t first_segment,
                              std::uint64_t last_segment);
  Status make_spare();
  void keep_background(const std::stop_token& stop);

  std::string stream_name(StreamId id) const override;
  Disk& disk_;
  Clock& clock_;
  const StorePaths paths_;
  const StoreOptions options_;
  std::unique_ptr<DiskLock> lock_file_;
  std::atomic<std::uint64_t> durable_{0};
  DiskFloor floor_;
  RecentIds recent_ids_;
  EventLookup lookup_;
  std::mutex rewriting_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable_any spare_taken_;
  std::optional<Error> broken_;
  Catalog catalog_;  // what is in the log; changed by the leader alone, who reads it without mutex
  // also those that no batch has used yet
  std::map<std::string, StreamId, std::less<>> stream_ids_;
  std::map<StreamId, std::string> stream_names_;
  std::map<std::string, SourceId, std::less<>> source_ids_;
  std::map<SourceId, std::string> source_names_;
  std::map<std::pair<StreamId, std::string>, SchemaId> schema_ids_;  // given out since opening
  std::map<SchemaId, std::string> schemas_;
  std::uint32_t last_schema_id_ = 0;
  std::uint64_t next_staging_id_ = 1;
  bool spare_ready_ = false;
  bool superblock_stale_ = false;

  // The log's end: the leader's.
  format::Manifest manifest_;
  std::shared_ptr<File> segment_;
  std::uint64_t segment_bytes_ = 0;
  BatchCursor::Expected end_;
  // Up to here a failed write may have left bytes behind the end; 0: it left none.
  std::uint64_t remainder_end_ = 0;
  std::uint64_t superblock_counter_ = 0;
  std::uint64_t changed_batches_ = 0;  // DurablePage::Value
  std::optional<DurablePage> page_;
  std::chrono::steady_clock::duration last_sync_{};
  std::unique_ptr<OpenBatch> open_batch_;

  CommitQueue queue_;  // one thread is the leader: it alone touches the log's end
  std::unique_ptr<IndexKeeper> index_keeper_;
  std::jthread indexing_;
  std::jthread background_;  // last: the threads end first
};

}  // namespace tidelog
