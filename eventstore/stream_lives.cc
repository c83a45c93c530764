#include "eventstore/stream_lives.h"

#include "eventstore/recovery.h"

namespace tidelog {

Status StreamLives::refresh(const DurablePage::Value& bound) {
  if (bound.changed_batches <= known_batches_) return {};
  TRY(const format::Manifest manifest, read_manifest(disk_, paths_));
  const format::ManifestSegment& last = manifest.segments.back();
  if (segment_id_ != last.id) TRY_DO(begin_at(last));
  return read_through(bound.changed_batches);
}

Status StreamLives::begin_at(const format::ManifestSegment& segment) {
  TRY(auto file, open_segment(disk_, paths_, segment));
  TRY(const auto opened, read_head(*file, paths_, segment));
  lives_.clear();
  any_ = false;
  for (const format::StreamEntry& stream : opened.head.streams) {
    if (stream.life != StreamLife{}) learn(stream.id, stream.life);
  }
  cursor_.reset();
  file_ = std::move(file);
  cursor_.emplace(*file_, opened.first);
  segment_id_ = segment.id;
  known_batches_ = opened.first.sequence;
  return {};
}

void StreamLives::learn(StreamId stream, const StreamLife& life) {
  lives_[stream] = life;
  any_ = true;
}

Status StreamLives::read_through(std::uint64_t batches) {
  cursor_->forget_window();
  while (cursor_->expected().sequence < batches) {
    TRY(const auto step, cursor_->next());
    if (step != BatchCursor::Step::batch) break;
    for (const format::StreamChange& change : cursor_->extension().changes)
      learn(change.stream, change.life);
  }
  known_batches_ = batches;
  return {};
}

}  // namespace tidelog
