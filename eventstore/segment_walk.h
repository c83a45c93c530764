// SegmentWalk: the batches of one segment in the order of their events, those of the files that it
// adopts among them, each verified to be what must stand there. Readers walk with it where there is
// no index, and indexes are made with it. Forwards it needs nothing but the log itself; backwards
// it first goes over the headers to learn where the batches begin.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/catalog.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"
#include "eventstore/stream_table.h"

namespace tidelog {

// One thread. `disk` and `catalog` must outlive it; the catalog learns every name that is met.
class SegmentWalk {
 public:
  // Whether a batch is worth reading: it has the positions [base, end) and these streams.
  using Wanted =
      std::function<bool(Position base, Position end, const std::vector<format::StreamRun>& runs)>;

  // Forgets the catalog's streams and begins it anew with the segment's head.
  static Result<std::unique_ptr<SegmentWalk>> open(Disk& disk, const StorePaths& paths,
                                                   const format::ManifestSegment& segment,
                                                   Catalog& catalog);

  // Batches of the log from this number on do not exist for next().
  void read_batches_before(std::uint64_t sequence) { batches_end_ = sequence; }

  // The next wanted batch that begins below `limit`. False: there is none, since the segment's
  // batches are at an end (ended()) or the next one begins at the limit or beyond.
  Result<bool> next(Position limit, const Wanted& wanted);
  bool ended() const { return ended_; }
  // The same of the log alone: an adopted file is not opened.
  Result<bool> next_of_log(Position limit, const Wanted& wanted);
  // The wanted batch before the present one; at first, the last one that begins below `limit`.
  Result<bool> previous(Position limit, const Wanted& wanted);

  // Of the present batch, with the places that its events have in the log.
  BatchCursor& batch() { return staged_ ? *staged_ : log_; }
  Position base() const { return base_; }
  std::uint64_t event_count() const { return event_count_; }
  const std::vector<format::StreamRun>& runs() const { return *runs_; }
  // The batch of the log: the one that adopts the file, when the present batch is in one.
  const format::BatchHeader& log_header() const { return log_.header(); }
  const format::BatchExtension& log_extension() const { return log_.extension(); }
  // The adopted file that the present batch lies in, or nothing.
  const format::AdoptedFile* adopted() const { return staged_ ? &adopted_ : nullptr; }
  Position adopted_base() const { return log_.header().base; }

  // What the next batch of the log must say of itself.
  const BatchCursor::Expected& expected() const { return log_.expected(); }
  // The file has grown since it was read.
  void forget_windows() { log_.forget_window(); }

 private:
  std::string place_of_file() const;
  Status take_names();
  // Where a batch begins: all that its cursor expects of it beside the file.
  struct Mark {
    std::uint64_t file_offset = 0;
    std::uint64_t sequence = 0;
    Position base;
    std::uint32_t chain = 0;
  };

  SegmentWalk(Disk& disk, const StorePaths& paths, Catalog& catalog, std::unique_ptr<File> file,
              const BatchCursor::Expected& first)
      : disk_(disk),
        paths_(paths),
        catalog_(catalog),
        log_file_(std::move(file)),
        log_(*log_file_, first) {}

  Result<bool> next_of_file(const Wanted& wanted);
  Status open_adopted();
  Status check_whole() const;
  void close_adopted();
  void stand_in_log();
  void stand_in_file();
  static Mark mark_of(const BatchCursor& cursor);
  static Status go_to(BatchCursor& cursor, const Mark& mark);
  Status list_log(Position limit);
  Status list_file();
  Result<bool> previous_of_file(const Wanted& wanted);

  Disk& disk_;
  const StorePaths& paths_;
  Catalog& catalog_;
  std::unique_ptr<File> log_file_;
  BatchCursor log_;
  std::uint64_t batches_end_ = UINT64_MAX;
  bool ended_ = false;

  // The file that the log's present batch adopts.
  format::AdoptedFile adopted_;
  std::unique_ptr<File> staged_file_;
  std::optional<BatchCursor> staged_;
  StreamTable<std::uint64_t> adopted_bases_;  // revision of the file's first event

  Position base_;
  std::uint64_t event_count_ = 0;
  const std::vector<format::StreamRun>* runs_ = nullptr;
  std::vector<format::StreamRun> absolute_runs_;  // of a batch in an adopted file

  // Backwards: the batches that were not given yet.
  std::optional<std::vector<Mark>> log_marks_;
  std::vector<Mark> file_marks_;
};

}  // namespace tidelog
