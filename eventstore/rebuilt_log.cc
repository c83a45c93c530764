#include "eventstore/rebuilt_log.h"

#include <algorithm>

namespace tidelog {
namespace {

constexpr std::uint64_t segment_bytes_target = 64 << 20;

}  // namespace

Result<RebuiltFile> RebuiltFile::create(Disk& disk, const std::string& path, std::string_view head,
                                        const BatchCursor::Expected& first) {
  TRY(auto file, disk.create(path));
  if (!head.empty()) TRY_DO(file->write(0, head));
  return RebuiltFile(std::move(file), first);
}

Status RebuiltFile::add(RebuiltBatch& batch) {
  format::BatchHeader& header = batch.header;
  header.rewritten = false;
  header.generation = 0;
  header.file_generation = 0;
  header.kept_count = header.event_count;
  header.file_id = end_.file_id;
  header.staged = end_.staged;
  header.sequence = end_.sequence;
  header.base = end_.base;
  header.chain = end_.chain;
  header.durable_batches = end_.staged ? 0 : end_.sequence;
  header.body_bytes = batch.body.size();
  std::string bytes = format::encode(header, batch.extension);
  bytes += batch.body;
  bytes.resize(header.total_bytes(), '\0');
  TRY_DO(file_->write(end_.file_offset, bytes));
  end_.file_offset += bytes.size();
  end_.sequence += 1;
  end_.chain = header.crc;
  end_.base = header.base + header.event_count;
  return {};
}

Status RebuiltLog::begin_segment() {
  format::SegmentHead head = head_;
  if (segments_.empty()) {
    TRY_DO(catalog_.apply(head));
    head.segment_id = 1;
  } else {
    head = {};
    catalog_.describe(head);
    head.segment_id = segments_.back().id + 1;
    head.chain = file_->end().chain;
    head.base = file_->end().base;
    head.base_sequence = file_->end().sequence;
  }
  head.next_schema.value = std::max(head.next_schema.value, catalog_.last_schema_id() + 1);
  head.next_staging_id = next_staging_id_;
  const std::string bytes = format::encode(head);
  const BatchCursor::Expected first = {head.segment_id,    0,          false,    bytes.size(),
                                       head.base_sequence, head.chain, head.base};
  TRY(auto file, RebuiltFile::create(disk_, paths_.segment(head.segment_id, 0), bytes, first));
  file_ = std::move(file);
  segments_.push_back({head.segment_id, 0, head.base});
  return {};
}

Status RebuiltLog::add(RebuiltBatch& batch) {
  if (!file_) TRY_DO(begin_segment());
  // A file that it adopts was named for this segment.
  const bool is_full = file_->end().file_offset + batch.body.size() > segment_bytes_target;
  if (is_full && batch.extension.adopted.empty()) {
    TRY_DO(file_->sync());
    TRY_DO(begin_segment());
  }
  TRY_DO(file_->add(batch));
  return catalog_.apply(batch.header, batch.extension);
}

Result<std::string> RebuiltLog::path_of_adopted(std::uint64_t staging_id) {
  if (!file_) TRY_DO(begin_segment());
  next_staging_id_ = std::max(next_staging_id_, staging_id + 1);
  return paths_.adopted(file_->end().file_id, staging_id, 0);
}

Result<Position> RebuiltLog::finish_segments() {
  if (!file_) TRY_DO(begin_segment());
  TRY_DO(file_->sync());
  TRY_DO(disk_.sync_directory(paths_.segments));
  return file_->end().base;
}

Status RebuiltLog::name_store(const std::string& uuid) {
  const BatchCursor::Expected& end = file_->end();
  std::string slots =
      format::encode(format::Superblock{2, end.sequence, end.base, end.file_id, end.file_offset});
  slots.resize(format::superblock_slot_offsets[1] + format::superblock_slot_bytes, '\0');
  TRY_DO(replace_file(disk_, paths_.directory, "superblock", slots));
  return write_manifest(disk_, paths_, {uuid, segments_});
}

}  // namespace tidelog
