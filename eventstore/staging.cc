#include "eventstore/staging.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"
#include "eventstore/block.h"

namespace tidelog {
namespace {

constexpr std::uint64_t batch_raw_bytes = 1 << 20;
// Written back as we go, so that the last sync of a large file is short.
constexpr std::uint64_t sync_interval_bytes = 32 << 20;

}  // namespace

Result<std::unique_ptr<StagingWriter>> StagingWriter::create(Disk& disk, const std::string& path,
                                                             std::uint64_t id,
                                                             const NameLookup& names,
                                                             DiskFloor& floor) {
  TRY_DO(floor.look());
  std::unique_ptr<StagingWriter> staging(new StagingWriter(disk, path, id, names, floor));
  TRY(staging->file_, disk.create(path));
  return staging;
}

StagingWriter::~StagingWriter() {
  // Best effort: the next opening of the store removes what is left.
  if (!path_.empty()) static_cast<void>(disk_.remove(path_));
}

Status StagingWriter::begin(const Transaction& transaction) {
  if (builder_.in_transaction()) TRY_DO(flush());
  transaction_.keep(transaction);
  commit_time_ = std::max(commit_time_, transaction.commit_time);
  builder_.begin(transaction_.get());
  return {};
}

Status StagingWriter::add(const EventBody& event) {
  INVARIANT(!finished_, "a finished staging file takes no more events");
  if (broken_) return tl::unexpected<Error>(*broken_);
  StreamPart& part = streams_[event.stream];
  if (part.event_count++ == 0) new_streams_.insert(event.stream);
  if (event.schema.value != 0 && event.schema != part.schema) {
    part.schema = event.schema;
    if (schemas_.emplace(event.schema, event.stream).second) new_schemas_.insert(event.schema);
  }
  builder_.add(event);
  if (builder_.bytes() < batch_raw_bytes) return {};
  TRY_DO(flush());
  builder_.begin(transaction_.get());
  return {};
}

Status StagingWriter::flush() {
  TRY_DO(floor_.look());
  // The record's event count stays 0, which says: the whole adopted file.
  format::BatchHeader header;
  format::BatchExtension extension;
  header.staged = true;
  header.file_id = id_;
  header.sequence = batch_count_;
  header.base = {written_events_};
  header.event_count = builder_.event_count();
  header.commit_time = commit_time_;
  header.chain = chain_;
  std::string body;
  body.reserve(builder_.bytes() + format::alignment);  // and is not moved while it grows
  for (const auto& block : builder_.blocks()) {
    TRY(extension.blocks.emplace_back(), put_block(body, block.raw, block.event_count));
  }
  header.body_bytes = body.size();
  for (format::StreamRun run : builder_.runs()) {
    run.base = {streams_[run.stream].event_count - run.count};
    extension.runs.push_back(run);
  }
  for (const StreamId id : new_streams_) extension.streams.push_back({id, names_.stream_name(id)});
  for (const SchemaId id : new_schemas_)
    extension.schemas.push_back({id, schemas_[id], names_.encoded_schema(id)});

  // In two pieces: the body may be large.
  const std::string head = format::encode(header, extension);
  body.resize(header.total_bytes() - head.size(), '\0');
  TRY_DO(file_->write(file_offset_, head));
  TRY_DO(file_->write(file_offset_ + head.size(), body));
  file_offset_ += header.total_bytes();
  unsynced_bytes_ += header.total_bytes();
  written_events_ += header.event_count;
  chain_ = header.crc;
  ++batch_count_;
  new_streams_.clear();
  new_schemas_.clear();
  builder_.drop_open_transaction();
  if (unsynced_bytes_ < sync_interval_bytes) return {};
  return sync();
}

// After a failure the kernel may have dropped what was to be written, and another sync would lie.
Status StagingWriter::sync() {
  if (broken_) return tl::unexpected<Error>(*broken_);
  unsynced_bytes_ = 0;
  const Status synced = file_->sync();
  if (!synced) broken_ = synced.error();
  return synced;
}

Status StagingWriter::finish() {
  if (finished_) return {};
  if (builder_.event_count() != 0) TRY_DO(flush());
  // A write that a full disk cut off may have been longer than the one that replaced it.
  TRY_DO(file_->truncate(file_offset_));
  TRY_DO(sync());
  finished_ = true;
  return {};
}

std::vector<std::pair<SchemaId, StreamId>> StagingWriter::schemas() const {
  std::vector<std::pair<SchemaId, StreamId>> all(schemas_.begin(), schemas_.end());
  std::stable_partition(all.begin(), all.end(), [this](const auto& schema) {
    return streams_.at(schema.second).schema != schema.first;
  });
  return all;
}

Status StagingWriter::rename_to(const std::string& path) {
  if (path_ == path) return {};
  TRY_DO(disk_.rename(path_, path));
  path_ = path;
  return {};
}

format::AdoptedFile StagingWriter::summary() const {
  INVARIANT(finished_, "only a synced staging file is adopted");
  return {id_, 0, file_offset_, batch_count_, written_events_, chain_};
}

}  // namespace tidelog
