#include "eventstore/event_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"
#include "eventstore/block.h"
#include "eventstore/commit_group.h"
#include "eventstore/copied_store.h"
#include "eventstore/sealed_files.h"
#include "eventstore/store_marks.h"
#include "eventstore/store_reader.h"

namespace tidelog {

EventStore::EventStore(Disk& disk, Clock& clock, const std::string& directory,
                       const StoreOptions& options)
    : disk_(disk),
      clock_(clock),
      paths_(directory),
      options_(options),
      floor_(disk, directory, options.disk_floor_bytes),
      lookup_(disk, directory, recent_ids_),
      open_batch_(std::make_unique<OpenBatch>()),
      queue_([this] { lead(); }) {}

namespace {

// A backup that somebody wrote to would be a backup no more.
Status check_no_backup(Disk& disk, const StorePaths& paths) {
  for (const std::string& mark : {MarkPaths(paths).backup, MarkPaths(paths).unfinished_backup}) {
    TRY(const bool exists, disk.exists(mark));
    if (!exists) continue;
    return fail(Code::misconfigured,
                fmt::format("{} is a backup: it can be read, not written to. Make a store of it: "
                            "tidelog store restore --from {} --to FOLDER",
                            paths.directory, paths.directory));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<EventStore>> EventStore::open(Disk& disk, Clock& clock,
                                                     const std::string& directory,
                                                     const StoreOptions& options) {
  std::unique_ptr<EventStore> store(new EventStore(disk, clock, directory, options));
  const StorePaths& paths = store->paths_;
  TRY_DO(disk.make_directory(paths.directory));
  TRY(store->lock_file_, disk.lock(paths.lock, options.holder));
  TRY_DO(check_no_backup(disk, paths));
  TRY_DO(disk.make_directory(paths.segments));
  TRY_DO(disk.make_directory(paths.staging));
  TRY(const bool exists, disk.exists(paths.manifest));
  if (!exists) TRY_DO(make_store(disk, paths, options.segment_bytes));
  TRY_DO(check_home(disk, paths));
  TRY(store->page_, DurablePage::open(disk, paths, true));
  TRY(auto recovered, recover(disk, paths, *store->page_));
  TRY_DO(note_home(disk, paths));

  store->manifest_ = std::move(recovered.manifest);
  store->catalog_ = std::move(recovered.catalog);
  store->segment_ = std::move(recovered.segment);
  store->segment_bytes_ = recovered.segment_bytes;
  store->end_ = recovered.end;
  store->next_staging_id_ = recovered.next_staging_id;
  store->superblock_counter_ = recovered.superblock_counter;
  store->changed_batches_ = recovered.changed_batches;
  store->last_schema_id_ = store->catalog_.last_schema_id();
  store->durable_ = recovered.end.base.value;
  for (const auto& [id, entry] : store->catalog_.streams()) {
    store->stream_ids_.emplace(entry.name, id);
    store->stream_names_.emplace(id, entry.name);
  }
  for (const auto& [id, entry] : store->catalog_.sources()) {
    store->source_ids_.emplace(entry.name, id);
    store->source_names_.emplace(id, entry.name);
  }
  TRY_DO(store->load_recent_ids());
  store->index_keeper_ = std::make_unique<IndexKeeper>(disk, store->paths_);
  if (options.background) {
    store->background_ =
        std::jthread([s = store.get()](const std::stop_token& stop) { s->keep_background(stop); });
    store->indexing_ = std::jthread(
        [k = store->index_keeper_.get()](const std::stop_token& stop) { k->run(stop); });
  }
  return store;
}

// The last segment's, which is what no index holds yet.
Status EventStore::load_recent_ids() {
  TRY(const auto opened, read_head(*segment_, paths_, manifest_.segments.back()));
  recent_ids_.begin_segment(segment_, opened.first);
  return recent_ids_.load(end_);
}

EventStore::~EventStore() {
  if (indexing_.joinable()) {
    indexing_.request_stop();
    indexing_.join();
  }
  if (background_.joinable()) {
    background_.request_stop();
    background_.join();
  }
  queue_.close();
  // Best effort: a stale superblock only makes the next recovery rewrite more.
  if (segment_ && !broken_) static_cast<void>(refresh_superblock());
}

// -- names --

namespace {

// Numbers that were given out but never stored leave holes after a restart, so counting them would
// give a taken one.
template <class Id>
Id next_id(const std::map<Id, std::string>& names) {
  return names.empty() ? Id{1} : names.rbegin()->first + std::uint32_t{1};
}

}  // namespace

StreamId EventStore::stream(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto it = stream_ids_.find(name);
  if (it != stream_ids_.end()) return it->second;
  const StreamId id = next_id(stream_names_);
  stream_ids_.emplace(name, id);
  stream_names_.emplace(id, name);
  return id;
}

SourceId EventStore::source(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto it = source_ids_.find(name);
  if (it != source_ids_.end()) return it->second;
  const SourceId id = next_id(source_names_);
  source_ids_.emplace(name, id);
  source_names_.emplace(id, name);
  return id;
}

EventStore::Version EventStore::schema(StreamId stream, const Schema& schema) {
  std::string encoded;
  put_schema(encoded, schema);
  const std::lock_guard lock(mutex_);
  const format::SchemaEntry* newest = catalog_.newest_schema(stream);
  if (newest != nullptr && newest->schema == encoded) {
    schemas_.try_emplace(newest->id, encoded);
    return {newest->id, false};
  }
  const auto [it, is_first] =
      schema_ids_.try_emplace({stream, encoded}, SchemaId{last_schema_id_ + 1});
  if (is_first) {
    ++last_schema_id_;
    schemas_.emplace(it->second, encoded);
  }
  return {it->second, true};
}

std::optional<Schema> EventStore::newest_schema(std::string_view stream) const {
  const std::lock_guard lock(mutex_);
  const format::StreamEntry* const entry = catalog_.stream_named(stream);
  if (entry == nullptr) return std::nullopt;
  const format::SchemaEntry* const newest = catalog_.newest_schema(entry->id);
  const Schema* const schema = newest == nullptr ? nullptr : catalog_.schema(newest->id);
  return schema == nullptr ? std::nullopt : std::optional(*schema);
}

std::map<std::string, Schema> EventStore::newest_schemas(std::string_view prefix) const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, Schema> all;
  for (const auto& [id, stream] : catalog_.streams()) {
    if (!stream.name.starts_with(prefix)) continue;
    const format::SchemaEntry* const newest = catalog_.newest_schema(id);
    const Schema* const schema = newest == nullptr ? nullptr : catalog_.schema(newest->id);
    if (schema != nullptr) all.emplace(stream.name, *schema);
  }
  return all;
}

std::string EventStore::stream_name(StreamId id) const {
  const std::lock_guard lock(mutex_);
  return stream_names_.at(id);
}

std::string EventStore::encoded_schema(SchemaId id) const {
  const std::lock_guard lock(mutex_);
  return schemas_.at(id);
}

std::string EventStore::source_position(std::string_view source_name) const {
  const std::lock_guard lock(mutex_);
  const format::SourceEntry* entry = catalog_.source_named(source_name);
  return entry == nullptr ? std::string() : entry->position;
}

// -- appending --

Status EventStore::check_whole() {
  const std::lock_guard lock(mutex_);
  if (broken_) return tl::unexpected<Error>(*broken_);
  return {};
}

Status EventStore::check_open() {
  TRY_DO(check_whole());
  return floor_.check();
}

Result<Appended> EventStore::append(BatchBuilder& batch) {
  INVARIANT(!batch.in_transaction(), "only whole transactions are appended");
  TRY(auto draft, draft_of(batch));
  auto appended = commit_draft(std::move(draft));
  if (appended) batch.clear();
  return appended;
}

Result<std::uint64_t> EventStore::take_staging_id() {
  const std::lock_guard lock(mutex_);
  if (broken_) return tl::unexpected<Error>(*broken_);
  return next_staging_id_++;
}

Result<std::unique_ptr<StagingWriter>> EventStore::stage() {
  TRY(const std::uint64_t id, take_staging_id());
  return StagingWriter::create(disk_, paths_.staged(id), id, *this, floor_);
}

Result<std::unique_ptr<HeldFile>> EventStore::hold(SourceId source) {
  TRY(const std::uint64_t id, take_staging_id());
  return std::make_unique<HeldFile>(
      disk_, HeldPaths{paths_.staging, paths_.held(id), paths_.kept(id, source)}, id, floor_);
}

Status EventStore::keep(HeldFile& held, std::string_view about) {
  TRY_DO(check_whole());
  Status kept = held.keep(about);
  if (kept || !held.sync_failed()) return kept;
  // What of it is on disk is in doubt, and the folder is synced for others, too.
  const std::lock_guard lock(mutex_);
  broken_ = kept.error();
  return kept;
}

Result<std::vector<std::unique_ptr<HeldFile>>> EventStore::kept(
    SourceId source, const std::vector<std::uint64_t>& ids) {
  TRY(const auto names, disk_.list(paths_.staging));
  for (const std::string& name : names) {
    const auto file = kept_file_named(name);
    if (!file || file->source != source) continue;
    const bool is_needed = std::find(ids.begin(), ids.end(), file->staging_id) != ids.end();
    if (!is_needed) TRY_DO(disk_.remove(paths_.staging + "/" + name));
  }
  std::vector<std::unique_ptr<HeldFile>> kept;
  for (const std::uint64_t id : ids) {
    const HeldPaths paths{paths_.staging, paths_.held(id), paths_.kept(id, source)};
    TRY(kept.emplace_back(), HeldFile::open(disk_, paths, id, floor_));
  }
  return kept;
}

Result<Appended> EventStore::adopt(StagingWriter& staged, SourceId source,
                                   std::string_view source_position) {
  // Outside of the group commit: nobody waits for the sync of a large file.
  TRY_DO(staged.finish());
  auto draft = std::make_unique<BatchDraft>();
  draft->staged = &staged;
  draft->source = source;
  draft->source_position = source_position;
  draft->commit_time = staged.commit_time();
  draft->event_count = staged.summary().event_count;
  for (const auto& [stream, part] : staged.streams())
    draft->runs.push_back({stream, {}, part.event_count});
  for (const auto& [id, stream] : staged.schemas())
    draft->schemas.push_back({id, stream, encoded_schema(id)});
  return commit_draft(std::move(draft));
}

Result<Appended> EventStore::commit_draft(std::unique_ptr<BatchDraft> draft) {
  TRY_DO(check_open());
  const auto request = std::make_shared<CommitRequest>();
  request->draft = std::move(draft);
  queue_.run(request);
  TRY_DO(request->status);
  return Appended{request->draft->header.base, request->draft->header.event_count};
}

void EventStore::lead() {
  CommitGroup group;
  group.end = end_;
  group.begin_offset = end_.file_offset;
  group.append_time = catalog_.append_time();
  const auto begin = clock_.steady();
  do {
    for (const auto& entry : queue_.take()) {
      place(std::static_pointer_cast<CommitRequest>(entry), group);
    }
    // More work came while we placed: take it along, but never wait longer than a sync takes.
  } while (!queue_.empty() && clock_.steady() - begin < last_sync_);
  // Who is hit by an error here has been told.
  static_cast<void>(close_open_batch(group));
  static_cast<void>(commit(group));
}

// Puts the request's batch behind the group's, or answers it with an error.
void EventStore::place(const std::shared_ptr<CommitRequest>& request, CommitGroup& group) {
  {
    const std::lock_guard lock(mutex_);
    if (broken_) request->status = tl::unexpected<Error>(*broken_);
  }
  if (!request->status) return CommitQueue::finish(*request);
  if (request->application != nullptr) return place_application(request, group);
  if (request->change != nullptr) return place_change(request, group);
  place_draft(request, group);
}

void EventStore::place_draft(const std::shared_ptr<CommitRequest>& request, CommitGroup& group) {
  static_cast<void>(close_open_batch(group));
  request->status = begin_anew(*request->draft, group);
  if (request->status) request->status = place_in_segment(*request->draft, group);
  if (!request->status) return CommitQueue::finish(*request);
  group.placed.push_back(request->draft.get());
  group.waiting.push_back(request);
}

Status EventStore::place_in_segment(BatchDraft& draft, CommitGroup& group) {
  format::BatchHeader& header = draft.header;
  describe(draft, group);
  std::string bytes = format::encode(header, draft.extension);
  if (group.end.file_offset + header.total_bytes() > segment_bytes_) {
    TRY_DO(commit(group));
    const Status rolled =
        roll(header.total_bytes(), draft.makes_space ? RoomFor::making_space : RoomFor::events);
    group.end = end_;  // also after an error: the segment may have begun all the same
    group.begin_offset = end_.file_offset;
    if (!rolled) return rolled;
    describe(draft, group);
    bytes = format::encode(header, draft.extension);
  }
  if (draft.staged != nullptr) TRY_DO(move_into_segment(*draft.staged));

  draft.place = group.end;
  const std::size_t offset = group.bytes.size();
  group.bytes.reserve(offset + header.total_bytes());  // events may be very large
  group.bytes += bytes;
  group.bytes += draft.body;
  std::string().swap(draft.body);
  group.bytes.resize(offset + header.total_bytes(), '\0');
  for (const format::StreamRun& run : draft.extension.runs)
    group.next_revision[run.stream] = run.base + run.count;
  for (const format::StreamChange& change : draft.extension.changes)
    group.lives[change.stream] = change.life;
  for (const format::SchemaEntry& schema : draft.extension.schemas)
    group.tables.insert(schema.stream);
  if (draft.source.value != 0) group.commit_time[draft.source] = header.commit_time;
  group.append_time = header.append_time;
  group.end.file_offset += header.total_bytes();
  group.end.sequence += 1;
  group.end.chain = header.crc;
  group.end.base = header.base + header.event_count;
  return {};
}

void EventStore::describe(BatchDraft& draft, const CommitGroup& group) {
  format::BatchHeader& header = draft.header;
  header = {};
  header.commit = draft.staged != nullptr;
  header.generation = group.end.generation;
  header.file_id = group.end.file_id;
  header.sequence = group.end.sequence;
  header.base = group.end.base;
  header.event_count = draft.event_count;
  header.append_time = std::max(group.append_time, clock_.now());
  header.durable_batches = end_.sequence;
  header.chain = group.end.chain;
  header.source = draft.source;
  header.body_bytes = draft.body.size();

  format::BatchExtension& extension = draft.extension;
  extension = {};
  extension.source_position = draft.source_position;
  extension.blocks = draft.blocks;
  extension.schemas = draft.schemas;
  extension.changes = draft.changes;
  if (draft.staged != nullptr) extension.adopted.push_back(draft.staged->summary());
  const std::lock_guard lock(mutex_);
  for (format::StreamRun run : draft.runs) {
    run.base = next_revision(run.stream, group);
    if (catalog_.stream(run.stream) == nullptr && !group.next_revision.contains(run.stream))
      extension.streams.push_back({run.stream, stream_names_.at(run.stream)});
    extension.runs.push_back(run);
  }
  if (draft.source.value == 0) return;
  const format::SourceEntry* source = catalog_.source(draft.source);
  const auto in_group = group.commit_time.find(draft.source);
  UnixMicros before;
  if (in_group != group.commit_time.end()) {
    before = in_group->second;
  } else if (source != nullptr) {
    before = source->commit_time;
  } else {
    extension.sources.push_back({draft.source, source_names_.at(draft.source)});
  }
  header.commit_time = std::max(before, draft.commit_time);
}

Revision EventStore::next_revision(StreamId stream, const CommitGroup& group) const {
  const auto in_group = group.next_revision.find(stream);
  if (in_group != group.next_revision.end()) return in_group->second;
  const format::StreamEntry* known = catalog_.stream(stream);
  return known == nullptr ? Revision{} : known->next;
}

// Renamed before the batch that adopts it is written. A name that no batch refers to is removed by
// recovery.
Status EventStore::move_into_segment(StagingWriter& staged) {
  TRY_DO(staged.rename_to(paths_.adopted(end_.file_id, staged.summary().staging_id, 0)));
  Status named = disk_.sync_directory(paths_.staging);
  if (named) named = disk_.sync_directory(paths_.segments);
  if (named) return named;
  // Where the file is after a power loss is in doubt, and another sync would not settle it.
  const std::lock_guard lock(mutex_);
  broken_ = named.error();
  return named;
}

// Recovery does not look for what no batch refers to in a segment that is sealed by then, but it
// empties `staging`. When the disk is too full even for this, the name stays and costs its space.
Status EventStore::move_out_of_segment(StagingWriter& staged) {
  TRY_DO(staged.rename_to(paths_.staged(staged.summary().staging_id)));
  return disk_.sync_directory(paths_.staging);
}

// What a failed write left behind the log's end must not come back. All of it is cleared: the first
// batch, given again while the clock stands, has the same header, and the others of its group would
// follow it. And it is cleared on disk: a segment that is sealed is not looked through again.
Status EventStore::clear_remainder() {
  if (remainder_end_ == 0) return {};
  TRY_DO(write_zeros(*segment_, end_.file_offset, remainder_end_));
  TRY_DO(segment_->sync());
  remainder_end_ = 0;
  return {};
}

Status EventStore::write_and_sync(const CommitGroup& group) {
  TRY_DO(clear_remainder());
  if (auto written = segment_->write(group.begin_offset, group.bytes); !written) {
    if (written.error().code != Code::disk_full) return written;
    // If the disk is too full to clear it as well, that comes before the next write; until then it
    // is an append like any other that a crash cut off.
    remainder_end_ = group.begin_offset + group.bytes.size();
    const Status cleared = clear_remainder();
    if (cleared || cleared.error().code == Code::disk_full) return written;
    return fail(Code::failed,
                "the disk is full, and what was written of a batch cannot be undone: " +
                    cleared.error().what);
  }
  const auto begin = clock_.steady();
  auto synced = segment_->sync();
  last_sync_ = clock_.steady() - begin;
  if (synced) return synced;
  // The kernel may have dropped the pages: what they hold is in doubt, and another sync would lie.
  return fail(
      Code::failed,
      fmt::format("a sync of the log failed ({}): the store is read-only until it is opened anew",
                  synced.error().what));
}

// Everything placed in the group becomes durable, or fails, and everyone who waits for it is
// answered. The group is empty again afterwards.
Status EventStore::commit(CommitGroup& group) {
  Status status = check_whole();  // it may have broken since the group began
  if (status && !group.placed.empty()) status = write_and_sync(group);
  if (status) {
    apply(group);
  } else {
    give_back(status.error(), group);
  }
  const auto waiting = std::move(group.waiting);
  for (const auto& request : waiting) {
    if (!status) request->status = error_of(status);
    CommitQueue::finish(*request);
  }
  group = {};
  group.end = end_;
  group.begin_offset = end_.file_offset;
  group.append_time = catalog_.append_time();
  return status;
}

void EventStore::apply(CommitGroup& group) {
  if (group.placed.empty()) return;
  for (const BatchDraft* draft : group.placed) {
    if (!draft->ids.empty()) recent_ids_.add(draft->place, draft->ids);
  }
  const std::lock_guard lock(mutex_);
  for (const BatchDraft* draft : group.placed) {
    auto applied = catalog_.apply(draft->header, draft->extension);
    INVARIANT(applied.has_value(), "a batch that we made follows the log");
    if (!draft->extension.changes.empty()) changed_batches_ = draft->header.sequence + 1;
    if (draft->staged != nullptr) draft->staged->adopted();
  }
  end_ = group.end;
  page_->store({end_.base, end_.sequence, changed_batches_});
  durable_.store(end_.base.value, std::memory_order_release);
  superblock_stale_ = true;
}

void EventStore::give_back(const Error& error, CommitGroup& group) {
  const std::lock_guard lock(mutex_);
  if (error.code != Code::disk_full) broken_ = error;
  for (const BatchDraft* draft : group.placed) {
    if (draft->staged == nullptr) continue;
    // The batch that adopts it may be on disk all the same: recovery decides what becomes of the
    // file.
    if (broken_) {
      draft->staged->adopted();
    } else if (const Status back = move_out_of_segment(*draft->staged);
               !back && back.error().code != Code::disk_full) {
      broken_ = back.error();
    }
  }
}

// -- segments --

// Everything before is durable and nothing is placed: the next segment may begin.
Status EventStore::roll(std::uint64_t batch_bytes, RoomFor room) {
  TRY_DO(check_whole());
  if (room == RoomFor::events) TRY_DO(floor_.look());
  format::SegmentHead head;
  {
    const std::lock_guard lock(mutex_);
    catalog_.describe(head);
    head.next_schema.value = last_schema_id_ + 1;
    head.next_staging_id = next_staging_id_;
  }
  head.segment_id = end_.file_id + 1;
  head.chain = end_.chain;
  head.base = end_.base;
  head.base_sequence = end_.sequence;
  const std::uint64_t head_bytes = format::encode(head).size();
  TRY(const std::uint64_t file_bytes, next_segment_bytes(head_bytes + batch_bytes, room));
  const std::string path = paths_.segment(head.segment_id, 0);
  const Status cleared = clear_remainder();
  auto file = cleared ? next_segment_file(head, path, file_bytes)
                      : Result<std::unique_ptr<File>>(error_of(cleared));
  Status named = file ? disk_.sync_directory(paths_.segments) : Status(error_of(file));
  format::Manifest next = manifest_;
  next.segments.push_back({head.segment_id, 0, head.base});
  if (named) named = write_manifest(disk_, paths_, next);
  if (!named) {
    // Half a file is of no use and takes space. A whole one stays: the manifest may name it by now,
    // and the next try makes it anew.
    if (!file) static_cast<void>(disk_.remove(path));
    const std::lock_guard lock(mutex_);
    if (named.error().code != Code::disk_full) broken_ = named.error();
    return named;
  }
  manifest_ = std::move(next);
  index_keeper_->notify();
  segment_ = *std::move(file);
  // from here to the new end nothing can fail: the manifest names the segment now
  segment_bytes_ = file_bytes;
  end_ = {head.segment_id, 0, false, head_bytes, head.base_sequence, head.chain, head.base};
  recent_ids_.begin_segment(segment_, end_);
  return refresh_superblock();
}

// What makes space fits where no whole segment does, and leaves the next of its kind some room.
Result<std::uint64_t> EventStore::next_segment_bytes(std::uint64_t needed_bytes, RoomFor room) {
  constexpr std::uint64_t slack_max = 64 << 10;
  const std::uint64_t whole = std::max(options_.segment_bytes, needed_bytes);
  if (room != RoomFor::making_space) return whole;
  {
    const std::lock_guard lock(mutex_);
    if (spare_ready_) return whole;
  }
  TRY(const std::uint64_t free_bytes, disk_.free_bytes(paths_.segments));
  return free_bytes < 2 * whole ? needed_bytes + std::min(slack_max, free_bytes / 4) : whole;
}

Result<std::unique_ptr<File>> EventStore::next_segment_file(const format::SegmentHead& head,
                                                            const std::string& path,
                                                            std::uint64_t file_bytes) {
  TRY(const bool taken, take_spare(path, file_bytes));
  if (!taken) return make_segment(disk_, path, head, file_bytes);
  TRY(auto file, disk_.open_write(path));
  TRY_DO(file->write(0, format::encode(head)));
  TRY_DO(file->sync());
  return file;
}

// Renames the spare to `path`. The mutex is held until it has its new name: the next spare is made
// under the old one, and would overwrite this one.
Result<bool> EventStore::take_spare(const std::string& path, std::uint64_t file_bytes) {
  const std::lock_guard lock(mutex_);
  if (!spare_ready_ || file_bytes > options_.segment_bytes) return false;
  const Status renamed = disk_.rename(paths_.spare, path);
  spare_ready_ = false;
  spare_taken_.notify_all();
  if (renamed) return true;
  // Somebody removed it: a segment can be made without.
  if (renamed.error().code == Code::not_found) return false;
  return error_of(renamed);
}

// Half a spare is of no use, and takes the last space from those who need it.
Status EventStore::make_spare() {
  TRY(const std::uint64_t free_bytes, disk_.free_bytes(paths_.segments));
  if (free_bytes < options_.segment_bytes + floor_.bytes())
    return fail(Code::disk_full, "no space for a spare");
  TRY(const auto file, disk_.create(paths_.spare));
  Status made = write_zeros(*file, 0, options_.segment_bytes);
  if (made) made = file->sync();
  if (!made) static_cast<void>(disk_.remove(paths_.spare));
  return made;
}

// The leader's, or the only thread's.
Status EventStore::refresh_superblock() {
  ++superblock_counter_;
  {
    const std::lock_guard lock(mutex_);
    superblock_stale_ = false;
  }
  return write_superblock(
      disk_, paths_,
      {superblock_counter_, end_.sequence, end_.base, end_.file_id, end_.file_offset});
}

void EventStore::keep_background(const std::stop_token& stop) {
  constexpr auto interval = std::chrono::seconds(1);
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (!spare_ready_ && !broken_) {
      lock.unlock();
      // a full disk shows where it hurts: when a segment must be made without a spare
      const Status made = make_spare();
      lock.lock();
      spare_ready_ = made.has_value();
      // An index that was not to take the spare's space may be made now.
      if (spare_ready_) index_keeper_->notify();
    }
    const bool was_ready = spare_ready_;
    spare_taken_.wait_for(lock, stop, interval, [&] { return was_ready && !spare_ready_; });
    const bool is_due = superblock_stale_ && !broken_;
    lock.unlock();
    // Who appends is told; here it is enough that the floor knows.
    static_cast<void>(floor_.look());
    // It is a bound only: the next one will do.
    if (is_due) queue_.try_lead([this] { static_cast<void>(refresh_superblock()); });
    lock.lock();
  }
}

// -- maintenance --

// Does the work in the leader's place, while nobody appends.
Status EventStore::as_leader(const std::function<Status()>& work) {
  Status done;
  queue_.exclusively([&] {
    {
      const std::lock_guard lock(mutex_);
      if (broken_) done = tl::unexpected<Error>(*broken_);
    }
    if (done) done = work();
  });
  return done;
}

Status EventStore::seal() {
  return as_leader([this]() -> Status {
    const bool is_empty = end_.base == manifest_.segments.back().base;
    return is_empty ? Status() : roll(0, RoomFor::rewriting);
  });
}

format::Manifest EventStore::manifest() {
  format::Manifest copy;
  queue_.exclusively([&] { copy = manifest_; });
  return copy;
}

// Returns the manifest as it is then.
Result<format::Manifest> EventStore::change_manifest(
    const std::function<void(format::Manifest&)>& change) {
  format::Manifest next;
  const Status changed = as_leader([&]() -> Status {
    next = manifest_;
    change(next);
    if (next == manifest_) return {};
    const Status written = write_manifest(disk_, paths_, next);
    if (written) {
      manifest_ = next;
      index_keeper_->notify();
      return {};
    }
    // Which of the two a power loss would bring back is in doubt.
    const std::lock_guard lock(mutex_);
    if (written.error().code != Code::disk_full) broken_ = written.error();
    return written;
  });
  if (!changed) return error_of(changed);
  return next;
}

Status EventStore::replace_segment(const format::ManifestSegment& segment) {
  TRY(const format::Manifest manifest, change_manifest([&](format::Manifest& now) {
        for (format::ManifestSegment& named : now.segments) {
          if (named.id == segment.id) named = segment;
        }
      }));
  return remove_unnamed_files(manifest, segment.id, segment.id);
}

Status EventStore::drop_segments_before(std::uint64_t segment_id) {
  std::uint64_t first = segment_id;
  TRY(const format::Manifest manifest, change_manifest([&](format::Manifest& now) {
        auto& segments = now.segments;
        first = segments.front().id;
        const auto end =
            std::find_if(segments.begin(), segments.end() - 1,
                         [&](const format::ManifestSegment& s) { return s.id >= segment_id; });
        segments.erase(segments.begin(), end);
      }));
  return first < segment_id ? remove_unnamed_files(manifest, first, segment_id - 1) : Status();
}

// Of these sealed segments. The manifest that does not name them is on disk.
Status EventStore::remove_unnamed_files(const format::Manifest& manifest,
                                        std::uint64_t first_segment, std::uint64_t last_segment) {
  TRY(const auto names, disk_.list(paths_.segments));
  const SealedFiles sealed(manifest, names);
  for (const std::string& name : names) {
    const auto file = segment_file_named(name);
    const bool asked =
        file && file->segment_id >= first_segment && file->segment_id <= last_segment;
    if (asked && !sealed.names(*file)) TRY_DO(disk_.remove(paths_.segments + "/" + name));
  }
  return disk_.sync_directory(paths_.segments);
}

Status EventStore::make_indexes() { return index_keeper_->make_all(); }

Result<std::unique_ptr<StoreReader>> EventStore::reader() {
  return StoreReader::open(disk_, paths_.directory);
}

}  // namespace tidelog
