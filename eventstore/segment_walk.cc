#include "eventstore/segment_walk.h"

#include <fmt/format.h>

#include "eventstore/recovery.h"
#include "eventstore/verified_copy.h"

namespace tidelog {

Result<std::unique_ptr<SegmentWalk>> SegmentWalk::open(Disk& disk, const StorePaths& paths,
                                                       const format::ManifestSegment& segment,
                                                       Catalog& catalog) {
  TRY(auto file, open_segment(disk, paths, segment));
  TRY(const auto opened, read_head(*file, paths, segment));
  catalog.restart();
  TRY_DO(catalog.apply(opened.head));
  return std::unique_ptr<SegmentWalk>(
      new SegmentWalk(disk, paths, catalog, std::move(file), opened.first));
}

// -- forwards --

Result<bool> SegmentWalk::next(Position limit, const Wanted& wanted) {
  for (;;) {
    if (staged_) {
      TRY(const bool found, next_of_file(wanted));
      if (found) return true;
      TRY_DO(check_whole());
      close_adopted();
    }
    TRY(const bool found, next_of_log(limit, wanted));
    if (!found) return false;
    if (!log_.header().commit) return true;
    TRY_DO(open_adopted());
  }
}

Result<bool> SegmentWalk::next_of_log(Position limit, const Wanted& wanted) {
  ended_ = false;
  while (log_.expected().base < limit) {
    auto step = BatchCursor::Step::zeros;
    if (log_.expected().sequence < batches_end_) {
      TRY(step, log_.next());
    }
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, log_.why());
    if (step == BatchCursor::Step::zeros) {
      ended_ = true;
      return false;
    }
    TRY_DO(take_names());
    stand_in_log();
    if (wanted(base_, base_ + event_count_, *runs_)) return true;
  }
  return false;
}

Result<bool> SegmentWalk::next_of_file(const Wanted& wanted) {
  for (;;) {
    TRY(const auto step, staged_->next());
    if (step == BatchCursor::Step::bad)
      return fail(Code::corrupt, place_of_file() + staged_->why());
    if (step == BatchCursor::Step::zeros) return false;
    TRY_DO(catalog_.define(staged_->extension()));
    stand_in_file();
    if (wanted(base_, base_ + event_count_, *runs_)) return true;
  }
}

Status SegmentWalk::open_adopted() {
  const auto& files = log_.extension().adopted;
  if (files.size() != 1) {
    return fail(Code::unsupported, fmt::format("batch {} adopts {} files: use a newer tidelog",
                                               log_.header().sequence, files.size()));
  }
  adopted_ = files.front();
  for (const auto& run : log_.extension().runs) adopted_bases_[run.stream] = run.base.value;
  auto file = open_named(
      disk_, paths_.adopted(log_.header().file_id, adopted_.staging_id, adopted_.generation));
  if (!file && file.error().code == Code::corrupt) return fail_in(log_.batch_place(), file.error());
  TRY(staged_file_, std::move(file));
  staged_.emplace(*staged_file_, begin_of(adopted_));
  return {};
}

// The commit batch said how its file ends: a file cut short, or another one, is not taken for a
// smaller transaction.
Status SegmentWalk::check_whole() const {
  const BatchCursor::Expected& end = staged_->expected();
  const bool whole = end.sequence == adopted_.batch_count &&
                     end.base.value == adopted_.event_count && end.chain == adopted_.chain &&
                     end.file_offset == adopted_.file_bytes;
  if (whole) return {};
  return fail(Code::corrupt,
              fmt::format("{}it ends at offset {} after {} batches and {} events, its commit says "
                          "{}, {} and {}",
                          place_of_file(), end.file_offset, end.sequence, end.base.value,
                          adopted_.file_bytes, adopted_.batch_count, adopted_.event_count));
}

// For messages: positions in it count from its own begin.
std::string SegmentWalk::place_of_file() const {
  return fmt::format(
      "{} (positions {} to {}): ",
      paths_.adopted(log_.header().file_id, adopted_.staging_id, adopted_.generation),
      adopted_base().value, adopted_base().value + adopted_.event_count - 1);
}

Status SegmentWalk::take_names() {
  const Status applied = catalog_.apply(log_.header(), log_.extension());
  return applied ? applied : fail_in(log_.batch_place(), applied.error());
}

void SegmentWalk::close_adopted() {
  staged_.reset();
  staged_file_.reset();
}

void SegmentWalk::stand_in_log() {
  base_ = log_.header().base;
  event_count_ = log_.header().event_count;
  runs_ = &log_.extension().runs;
}

void SegmentWalk::stand_in_file() {
  base_ = adopted_base() + staged_->header().base.value;
  event_count_ = staged_->header().event_count;
  absolute_runs_ = staged_->extension().runs;
  for (auto& run : absolute_runs_) run.base.value += adopted_bases_[run.stream];
  runs_ = &absolute_runs_;
}

// -- backwards --

SegmentWalk::Mark SegmentWalk::mark_of(const BatchCursor& cursor) {
  const BatchCursor::Expected& next = cursor.expected();
  return {next.file_offset, next.sequence, next.base, next.chain};
}

Status SegmentWalk::go_to(BatchCursor& cursor, const Mark& mark) {
  cursor.go_to(mark.file_offset, mark.sequence, mark.base, mark.chain);
  TRY(const auto step, cursor.next());
  if (step == BatchCursor::Step::batch) return {};
  if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
  return fail(Code::corrupt, fmt::format("batch {} is not there when read again", mark.sequence));
}

Status SegmentWalk::list_log(Position limit) {
  log_marks_.emplace();
  while (log_.expected().base < limit) {
    const Mark mark = mark_of(log_);
    TRY(const auto step, log_.next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, log_.why());
    if (step == BatchCursor::Step::zeros) break;
    TRY_DO(take_names());
    if (log_.header().event_count != 0) log_marks_->push_back(mark);
  }
  return {};
}

Status SegmentWalk::list_file() {
  file_marks_.clear();
  for (;;) {
    const Mark mark = mark_of(*staged_);
    TRY(const auto step, staged_->next());
    if (step == BatchCursor::Step::bad)
      return fail(Code::corrupt, place_of_file() + staged_->why());
    if (step == BatchCursor::Step::zeros) return check_whole();
    TRY_DO(catalog_.define(staged_->extension()));
    file_marks_.push_back(mark);
  }
}

Result<bool> SegmentWalk::previous(Position limit, const Wanted& wanted) {
  if (!log_marks_) TRY_DO(list_log(limit));
  for (;;) {
    if (staged_) {
      TRY(const bool found, previous_of_file(wanted));
      if (found) return true;
      close_adopted();
    }
    if (log_marks_->empty()) return false;
    const Mark mark = log_marks_->back();
    log_marks_->pop_back();
    TRY_DO(go_to(log_, mark));
    stand_in_log();
    if (!wanted(base_, base_ + event_count_, *runs_)) continue;
    if (!log_.header().commit) return true;
    TRY_DO(open_adopted());
    TRY_DO(list_file());
  }
}

Result<bool> SegmentWalk::previous_of_file(const Wanted& wanted) {
  while (!file_marks_.empty()) {
    const Mark mark = file_marks_.back();
    file_marks_.pop_back();
    TRY_DO(go_to(*staged_, mark));
    stand_in_file();
    if (wanted(base_, base_ + event_count_, *runs_)) return true;
  }
  return false;
}

}  // namespace tidelog
