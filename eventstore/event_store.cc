#include "eventstore/event_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"
#include "eventstore/block.h"
#include "eventstore/sealed_files.h"
#include "eventstore/store_reader.h"

namespace tidelog {

struct EventStore::Request {
  // Exactly one of the two.
  BatchBuilder* batch = nullptr;
  StagingWriter* staged = nullptr;
  SourceId source;
  std::string source_position;
  UnixMicros commit_time;
  std::vector<format::StreamRun> runs;
  std::vector<format::BlockEntry> blocks;
  std::string body;

  bool done = false;
  Result<Appended> result = Appended{};
  // What commit applies to the catalog.
  format::BatchHeader header;
  format::BatchExtension extension;
};

// Batches that are written and synced together, with what they change: nothing of it counts before
// the sync.
struct EventStore::Group {
  std::vector<Request*> placed;
  std::string bytes;
  std::uint64_t begin_offset = 0;
  BatchCursor::Expected end;  // after the batches placed so far
  UnixMicros append_time;
  std::map<StreamId, Revision> next_revision;
  std::map<SourceId, UnixMicros> commit_time;
};

EventStore::EventStore(Disk& disk, Clock& clock, const std::string& directory, StoreOptions options)
    : disk_(disk), clock_(clock), paths_(directory), options_(std::move(options)) {}

Result<std::unique_ptr<EventStore>> EventStore::open(Disk& disk, Clock& clock,
                                                     const std::string& directory,
                                                     const StoreOptions& options) {
  std::unique_ptr<EventStore> store(new EventStore(disk, clock, directory, options));
  const StorePaths& paths = store->paths_;
  TRY_DO(disk.make_directory(paths.directory));
  TRY(store->lock_file_, disk.lock(paths.lock, options.holder));
  TRY_DO(disk.make_directory(paths.segments));
  TRY_DO(disk.make_directory(paths.staging));
  TRY(const bool exists, disk.exists(paths.manifest));
  if (!exists) TRY_DO(make_store(disk, paths, options.segment_bytes));
  TRY(store->page_, DurablePage::open(disk, paths, true));
  TRY(auto recovered, recover(disk, paths, *store->page_));

  store->manifest_ = std::move(recovered.manifest);
  store->catalog_ = std::move(recovered.catalog);
  store->segment_ = std::move(recovered.segment);
  store->segment_bytes_ = recovered.segment_bytes;
  store->end_ = recovered.end;
  store->next_staging_id_ = recovered.next_staging_id;
  store->superblock_counter_ = recovered.superblock_counter;
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
  if (options.background) {
    store->background_ =
        std::jthread([s = store.get()](const std::stop_token& stop) { s->keep_background(stop); });
  }
  return store;
}

EventStore::~EventStore() {
  if (background_.joinable()) {
    background_.request_stop();
    background_.join();
  }
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

Result<Appended> EventStore::append(BatchBuilder& batch) {
  INVARIANT(!batch.in_transaction(), "only whole transactions are appended");
  Request request;
  request.batch = &batch;
  request.source = batch.source();
  request.source_position = batch.source_position();
  request.commit_time = batch.commit_time();
  request.runs = batch.runs();
  for (const auto& block : batch.blocks()) {
    TRY(request.blocks.emplace_back(), put_block(request.body, block.raw, block.event_count));
  }
  auto result = submit(request);
  if (result) batch.clear();
  return result;
}

Result<std::unique_ptr<StagingWriter>> EventStore::stage() {
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) return tl::unexpected<Error>(*broken_);
    id = next_staging_id_++;
  }
  return StagingWriter::create(disk_, paths_.staged(id), id, *this);
}

Result<Appended> EventStore::adopt(StagingWriter& staged, SourceId source,
                                   std::string_view source_position) {
  TRY_DO(staged.finish());
  Request request;
  request.staged = &staged;
  request.source = source;
  request.source_position = source_position;
  request.commit_time = staged.commit_time();
  for (const auto& [stream, part] : staged.streams())
    request.runs.push_back({stream, {}, part.event_count});
  return submit(request);
}

// The first to come leads: it writes and syncs for everyone who is waiting by then. Those who come
// during its sync wait, and one of them leads next.
Result<Appended> EventStore::submit(Request& request) {
  std::unique_lock lock(mutex_);
  if (broken_) return tl::unexpected<Error>(*broken_);
  queue_.push_back(&request);
  changed_.wait(lock, [&] { return request.done || !leading_; });
  if (!request.done) {
    leading_ = true;
    lead(lock);
    leading_ = false;
    changed_.notify_all();
  }
  INVARIANT(request.done, "a leader answers every request that it takes");
  return request.result;
}

// Holds the mutex on entry and on return, and leaves the queue without the caller's own request.
void EventStore::lead(std::unique_lock<std::mutex>& lock) {
  Group group;
  group.end = end_;
  group.begin_offset = end_.file_offset;
  group.append_time = catalog_.append_time();
  const auto begin = clock_.steady();
  do {
    std::vector<Request*> taken;
    taken.swap(queue_);
    for (Request* request : taken) {
      if (broken_) {
        request->result = tl::unexpected<Error>(*broken_);
        request->done = true;
        continue;
      }
      lock.unlock();
      place(*request, group);
      lock.lock();
    }
    // More work came while we placed: take it along, but never wait longer than a sync takes.
  } while (!queue_.empty() && clock_.steady() - begin < last_sync_);
  lock.unlock();
  commit(group);
  lock.lock();
}

// Puts the request's batch behind the group's, or answers it with an error.
void EventStore::place(Request& request, Group& group) {
  const Status status = place_in_segment(request, group);
  if (status) {
    group.placed.push_back(&request);
    return;
  }
  const std::lock_guard lock(mutex_);
  request.result = error_of(status);
  request.done = true;
}

Status EventStore::place_in_segment(Request& request, Group& group) {
  format::BatchHeader& header = request.header;
  describe(request, group, header, request.extension);
  std::string bytes = format::encode(header, request.extension);
  if (group.end.file_offset + header.total_bytes() > segment_bytes_) {
    commit(group);
    {
      const std::lock_guard lock(mutex_);
      if (broken_) return tl::unexpected<Error>(*broken_);
    }
    const Status rolled = roll(header.total_bytes());
    group.end = end_;  // also after an error: the segment may have begun all the same
    group.begin_offset = end_.file_offset;
    if (!rolled) return rolled;
    request.extension = {};
    describe(request, group, header, request.extension);
    bytes = format::encode(header, request.extension);
  }
  if (request.staged != nullptr) TRY_DO(move_into_segment(*request.staged));

  const std::size_t offset = group.bytes.size();
  group.bytes += bytes;
  group.bytes += request.body;
  group.bytes.resize(offset + header.total_bytes(), '\0');
  for (const format::StreamRun& run : request.extension.runs)
    group.next_revision[run.stream] = run.base + run.count;
  if (request.source.value != 0) group.commit_time[request.source] = header.commit_time;
  group.append_time = header.append_time;
  group.end.file_offset += header.total_bytes();
  group.end.sequence += 1;
  group.end.chain = header.crc;
  group.end.base = header.base + header.event_count;
  return {};
}

void EventStore::describe(const Request& request, const Group& group, format::BatchHeader& header,
                          format::BatchExtension& extension) {
  const std::lock_guard lock(mutex_);
  header = {};
  header.commit = request.staged != nullptr;
  header.generation = group.end.generation;
  header.file_id = group.end.file_id;
  header.sequence = group.end.sequence;
  header.base = group.end.base;
  header.append_time = std::max(group.append_time, clock_.now());
  header.durable_batches = end_.sequence;
  header.chain = group.end.chain;
  header.source = request.source;
  header.body_bytes = request.body.size();

  extension.source_position = request.source_position;
  extension.blocks = request.blocks;
  if (request.staged != nullptr) {
    extension.adopted.push_back(request.staged->summary());
    for (const auto& [id, stream] : request.staged->schemas())
      extension.schemas.push_back({id, stream, schemas_.at(id)});
    header.event_count = extension.adopted.front().event_count;
  } else {
    extension.schemas = request.batch->schemas();
    header.event_count = request.batch->event_count();
  }
  for (format::StreamRun run : request.runs) {
    const format::StreamEntry* known = catalog_.stream(run.stream);
    const auto in_group = group.next_revision.find(run.stream);
    if (in_group != group.next_revision.end()) {
      run.base = in_group->second;
    } else if (known != nullptr) {
      run.base = known->next;
    } else {
      extension.streams.push_back({run.stream, stream_names_.at(run.stream)});
    }
    extension.runs.push_back(run);
  }
  if (request.source.value == 0) return;
  const format::SourceEntry* source = catalog_.source(request.source);
  const auto in_group = group.commit_time.find(request.source);
  UnixMicros before;
  if (in_group != group.commit_time.end()) {
    before = in_group->second;
  } else if (source != nullptr) {
    before = source->commit_time;
  } else {
    extension.sources.push_back({request.source, source_names_.at(request.source)});
  }
  header.commit_time = std::max(before, request.commit_time);
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

Status EventStore::write_and_sync(const Group& group) {
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

// Everything placed in the group becomes durable, or fails.
void EventStore::commit(Group& group) {
  if (group.placed.empty()) return;
  Status status = write_and_sync(group);
  const std::lock_guard lock(mutex_);
  if (status) {
    for (Request* request : group.placed) {
      auto applied = catalog_.apply(request->header, request->extension);
      INVARIANT(applied.has_value(), "a batch that we made follows the log");
      if (request->staged != nullptr) request->staged->adopted();
      request->result = Appended{request->header.base, request->header.event_count};
    }
    end_ = group.end;
    page_->store({end_.base, end_.sequence});
    durable_.store(end_.base.value, std::memory_order_release);
    superblock_stale_ = true;
  } else {
    if (status.error().code != Code::disk_full) broken_ = status.error();
    for (Request* request : group.placed) {
      request->result = error_of(status);
      if (request->staged == nullptr) continue;
      // The batch that adopts it may be on disk all the same: recovery decides what becomes of the
      // file.
      if (broken_) {
        request->staged->adopted();
      } else if (const Status back = move_out_of_segment(*request->staged);
                 !back && back.error().code != Code::disk_full) {
        broken_ = back.error();
      }
    }
  }
  for (Request* request : group.placed) request->done = true;
  group = {};
  group.end = end_;
  group.begin_offset = end_.file_offset;
  group.append_time = catalog_.append_time();
}

// -- segments --

// Everything before is durable and nothing is placed: the next segment may begin.
Status EventStore::roll(std::uint64_t batch_bytes) {
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
  const std::uint64_t file_bytes = std::max(options_.segment_bytes, head_bytes + batch_bytes);
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
  segment_ = *std::move(file);
  // from here to the new end nothing can fail: the manifest names the segment now
  segment_bytes_ = file_bytes;
  end_ = {head.segment_id, 0, false, head_bytes, head.base_sequence, head.chain, head.base};
  return refresh_superblock();
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
  if (free_bytes < options_.segment_bytes) return fail(Code::disk_full, "no space for a spare");
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
    }
    const bool was_ready = spare_ready_;
    spare_taken_.wait_for(lock, stop, interval, [&] { return was_ready && !spare_ready_; });
    if (!superblock_stale_ || leading_ || broken_) continue;
    leading_ = true;
    lock.unlock();
    static_cast<void>(refresh_superblock());  // it is a bound only; the next one will do
    lock.lock();
    leading_ = false;
    changed_.notify_all();
  }
}

// -- maintenance --

// Does the work in the leader's place, while nobody appends.
Status EventStore::as_leader(const std::function<Status()>& work) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !leading_; });
  if (broken_) return tl::unexpected<Error>(*broken_);
  leading_ = true;
  lock.unlock();
  Status done = work();
  lock.lock();
  leading_ = false;
  changed_.notify_all();
  return done;
}

Status EventStore::seal() {
  return as_leader([this]() -> Status {
    const bool is_empty = end_.base == manifest_.segments.back().base;
    return is_empty ? Status() : roll(0);
  });
}

format::Manifest EventStore::manifest() {
  format::Manifest copy;
  static_cast<void>(as_leader([&]() -> Status {
    copy = manifest_;
    return {};
  }));
  return copy;
}

Status EventStore::change_manifest(const std::function<void(format::Manifest&)>& change) {
  return as_leader([&]() -> Status {
    format::Manifest next = manifest_;
    change(next);
    if (next == manifest_) return {};
    const Status written = write_manifest(disk_, paths_, next);
    if (written) {
      manifest_ = std::move(next);
      return {};
    }
    // Which of the two a power loss would bring back is in doubt.
    const std::lock_guard lock(mutex_);
    if (written.error().code != Code::disk_full) broken_ = written.error();
    return written;
  });
}

Status EventStore::replace_segment(const format::ManifestSegment& segment) {
  TRY_DO(change_manifest([&](format::Manifest& manifest) {
    for (format::ManifestSegment& named : manifest.segments) {
      if (named.id == segment.id) named = segment;
    }
  }));
  return remove_unnamed_files(segment.id, segment.id);
}

Status EventStore::drop_segments_before(std::uint64_t segment_id) {
  std::uint64_t first = segment_id;
  TRY_DO(change_manifest([&](format::Manifest& manifest) {
    auto& segments = manifest.segments;
    first = segments.front().id;
    const auto end =
        std::find_if(segments.begin(), segments.end() - 1,
                     [&](const format::ManifestSegment& s) { return s.id >= segment_id; });
    segments.erase(segments.begin(), end);
  }));
  return first < segment_id ? remove_unnamed_files(first, segment_id - 1) : Status();
}

Status EventStore::raise_horizon(StreamId stream, Position position) {
  return change_manifest([&](format::Manifest& manifest) {
    auto& horizons = manifest.horizons;
    const auto at =
        std::lower_bound(horizons.begin(), horizons.end(), stream,
                         [](const format::StreamHorizon& h, StreamId id) { return h.stream < id; });
    if (at == horizons.end() || at->stream != stream) {
      horizons.insert(at, {stream, position});
    } else {
      at->position = std::max(at->position, position);
    }
  });
}

// Of these sealed segments. The manifest that does not name them is on disk.
Status EventStore::remove_unnamed_files(std::uint64_t first_segment, std::uint64_t last_segment) {
  TRY(const auto names, disk_.list(paths_.segments));
  const SealedFiles sealed(manifest(), names);
  for (const std::string& name : names) {
    const auto file = segment_file_named(name);
    const bool asked =
        file && file->segment_id >= first_segment && file->segment_id <= last_segment;
    if (asked && !sealed.names(*file)) TRY_DO(disk_.remove(paths_.segments + "/" + name));
  }
  return disk_.sync_directory(paths_.segments);
}

Result<std::unique_ptr<StoreReader>> EventStore::reader() {
  return StoreReader::open(disk_, paths_.directory);
}

}  // namespace tidelog
