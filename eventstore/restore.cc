#include "eventstore/restore.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

#include "core/crc32c.h"
#include "eventstore/catalog.h"
#include "eventstore/cut_batch.h"
#include "eventstore/erasure.h"
#include "eventstore/new_store.h"
#include "eventstore/recovery.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "eventstore/store_files.h"
#include "eventstore/store_marks.h"
#include "eventstore/verified_copy.h"

namespace tidelog {
namespace {

class Restore {
 public:
  Restore(Disk& disk, Clock& clock, const std::string& backup, const std::string& store,
          std::optional<Position> end, const OnCopyProgress& on_progress)
      : disk_(disk),
        clock_(clock),
        from_(backup),
        to_(store),
        wanted_(end),
        on_progress_(on_progress) {}

  Result<RestoreReport> run() {
    TRY_DO(load_record());
    TRY(new_store_, NewStore::begin(disk_, to_, from_.directory,
                                    fmt::format("a restore of {}", from_.directory)));
    for (const auto& segment : record_.manifest.segments) {
      TRY(const bool more, restore_segment(segment));
      if (!more) break;
    }
    TRY_DO(check_end());
    report_.uuid = new_uuid();
    TRY_DO(restore_states());
    TRY_DO(restore_erasures());
    TRY_DO(name_everything());
    return report_;
  }

 private:
  Status load_record() {
    auto read = read_backup_record(disk_, MarkPaths(from_).backup);
    if (!read && read.error().code == Code::corrupt) return damaged_record(read.error());
    TRY(auto record, std::move(read));
    if (!record) return no_backup();
    record_ = *std::move(record);
    end_ = std::min(wanted_.value_or(record_.durable), record_.durable);
    is_cut_ = end_ < record_.durable;
    if (const Position begin = record_.manifest.segments.front().base; end_ < begin)
      return before_history(begin);
    for (const BackupFile& file : record_.files) {
      files_.emplace(file.name, file);
      progress_.bytes_total += file.bytes;
    }
    return {};
  }

  // What it lists cannot be told from what is left of a backup that was cut off.
  Status damaged_record(const Error& error) const {
    return fail(Code::corrupt,
                fmt::format("{0}. The next `tidelog store backup --to {1}` makes it anew, if the "
                            "store is still there; without one, `tidelog store salvage --from {1} "
                            "--to FOLDER` brings what the backup holds into a store",
                            error.what, from_.directory));
  }

  Status no_backup() {
    TRY(const bool unfinished, disk_.exists(MarkPaths(from_).unfinished_backup));
    TRY(const bool store, disk_.exists(from_.manifest));
    return fail(
        Code::misconfigured,
        fmt::format("{} {}", from_.directory,
                    unfinished ? "is a backup that was cut off before it was whole: make it again"
                    : store    ? "is a store, and no backup: make one with `tidelog store backup`"
                               : "holds no backup"));
  }

  // False when what follows is beyond the end.
  Result<bool> restore_segment(const format::ManifestSegment& segment) {
    const std::string path = from_.segment(segment.id, segment.generation);
    TRY(const auto file, open_segment(disk_, from_, segment));
    TRY(const auto opened, read_head(*file, from_, segment));
    const BatchCursor::Expected& first = opened.first;
    if (is_cut_ && first.base >= end_ && !segments_.empty()) return false;
    if (!segments_.empty() && (first.sequence != last_.sequence || first.chain != last_.chain ||
                               first.base != last_.base)) {
      return fail(Code::corrupt, fmt::format("{} does not follow the segment before it", path));
    }
    catalog_.restart();
    TRY_DO(catalog_.apply(opened.head));
    TRY_DO(walk(segment, *file, first));
    const std::string copy = to_.segment(segment.id, segment.generation);
    TRY_DO(copy_log(path, copy, first, last_, cut_));
    TRY(const auto written, disk_.open_read(copy));
    TRY_DO(read_head(*written, to_, segment));
    segments_.push_back(segment);
    return last_.sequence < record_.durable_batches && !(is_cut_ && last_.base >= end_);
  }

  // To the segment's last batch that is wanted, and of one that is wanted in part, the bytes to be.
  Status walk(const format::ManifestSegment& segment, const File& file,
              const BatchCursor::Expected& first) {
    cut_.clear();
    BatchCursor cursor(file, first);
    last_ = first;
    while (last_.sequence < record_.durable_batches && !(is_cut_ && last_.base >= end_)) {
      TRY(const auto step, cursor.next());
      if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
      if (step == BatchCursor::Step::zeros) return {};
      if (cursor.expected().base > end_) return cut(cursor);
      TRY_DO(catalog_.apply(cursor.header(), cursor.extension()));
      for (const auto& adopted : cursor.extension().adopted) {
        TRY_DO(copy_log(from_.adopted(segment.id, adopted.staging_id, adopted.generation),
                        to_.adopted(segment.id, adopted.staging_id, adopted.generation),
                        begin_of(adopted), end_of(adopted), {}));
      }
      last_ = cursor.expected();
    }
    return {};
  }

  // last_ becomes the end of the cut batch.
  Status cut(BatchCursor& cursor) {
    if (!cursor.extension().adopted.empty()) {
      return fail(Code::misconfigured,
                  fmt::format("position {} lies within one transaction, which is restored whole or "
                              "not at all",
                              end_.value));
    }
    SourceBefore before;
    if (const auto* source = catalog_.source(cursor.header().source))
      before = {source->position, source->commit_time};
    format::BatchHeader header;
    TRY(cut_, cut_batch(cursor, end_, before, header));
    last_.file_offset += cut_.size();
    last_.sequence += 1;
    last_.chain = header.crc;
    last_.base = end_;
    return {};
  }

  // The file up to `end`, whose last bytes are `tail`; then reads the copy back.
  Status copy_log(const std::string& from, const std::string& to,
                  const BatchCursor::Expected& first, const BatchCursor::Expected& end,
                  std::string_view tail) {
    const auto copied = copy_bytes_of(from, to, first, end, tail);
    if (copied || copied.error().code != Code::corrupt) return copied;
    return fail_in(fmt::format("the backup is damaged: {}", from), copied.error());
  }

  Status copy_bytes_of(const std::string& from, const std::string& to,
                       const BatchCursor::Expected& first, const BatchCursor::Expected& end,
                       std::string_view tail) {
    TRY(const auto source, open_named(disk_, from));
    TRY(const auto copy, disk_.create(to));
    const std::uint64_t whole_bytes = end.file_offset - tail.size();
    TRY(const std::uint32_t crc,
        copy_bytes(*source, *copy, 0, whole_bytes, 0, [this](std::uint64_t bytes) {
          progress_.bytes += bytes;
          on_progress_(progress_);
        }));
    const auto listed = files_.find(from.substr(from_.directory.size() + 1));
    if (listed == files_.end()) return fail(Code::corrupt, "its record does not list this file");
    const bool same_length = tail.empty() && listed->second.bytes == whole_bytes;
    if (same_length && listed->second.crc != crc) return fail(Code::corrupt, "checksum");
    TRY_DO(copy->write(whole_bytes, tail));
    TRY_DO(copy->sync());
    TRY_DO(verify_batches(*copy, first, end));
    ++report_.file_count;
    report_.bytes += end.file_offset;
    return {};
  }

  // Base snapshots up to the end, made this store's; others can be made again. What the record
  // does not list is of a backup that is not whole yet.
  Status restore_states() {
    const StateDirectory to(disk_, to_.directory);
    for (const auto& [path, file] : files_) {
      const auto name = StateDirectory::name_of(path.substr(path.find_last_of('/') + 1));
      if (!name || !name->base) continue;
      TRY_DO(restore_base(*name, file, to));
    }
    return {};
  }

  Status restore_base(const SnapshotName& name, const BackupFile& listed,
                      const StateDirectory& to) {
    TRY(const std::string path, path_of_listed(disk_, from_.directory, listed));
    const auto source = StateFile::open(disk_, path);
    if (!source) return fail_in("the backup is damaged", source.error());
    if (name.position > last_.base) {
      return fail(
          Code::misconfigured,
          fmt::format("the history of {} in the backup starts at position {}: what it was "
                      "at {} cannot be told",
                      (*source)->about().stream_name, name.position.value, last_.base.value));
    }
    TRY_DO(disk_.make_directory(to.path()));
    TRY_DO(copy_state_file(disk_, **source, to.path(name), report_.uuid,
                           [](const StoredRow&) { return false; }));
    return disk_.sync_directory(to.path());
  }

  // Those that were not done when the backup was made: the new store's writer finishes them.
  Status restore_erasures() {
    const auto listed = files_.find("erasures");
    if (listed == files_.end()) return {};
    TRY(const std::string path, path_of_listed(disk_, from_.directory, listed->second));
    return inherit_erasures(disk_, path, to_, last_.base);
  }

  Status check_end() const {
    const bool whole = is_cut_ ? last_.base == end_ : last_.sequence == record_.durable_batches;
    if (whole) return {};
    return fail(
        Code::corrupt,
        fmt::format("the backup is damaged: its log ends before position {}, but its record "
                    "says {}",
                    last_.base.value, record_.durable.value));
  }

  // The manifest last: before it there is no store.
  Status name_everything() {
    TRY_DO(disk_.sync_directory(to_.segments));
    format::Superblock superblock;
    superblock.counter = 2;
    superblock.durable_batches = last_.sequence;
    superblock.durable = last_.base;
    superblock.segment_id = last_.file_id;
    superblock.file_offset = last_.file_offset;
    std::string slots = format::encode(superblock);
    slots.resize(format::superblock_slot_offsets[1] + format::superblock_slot_bytes, '\0');
    TRY_DO(replace_file(disk_, to_.directory, "superblock", slots));
    TRY_DO(write_origin(
        disk_, to_,
        {OriginKind::restored, is_cut_, record_.manifest.uuid, last_.base, clock_.now()}));
    report_.durable = last_.base;
    report_.of_backup = record_.durable;
    TRY_DO(write_manifest(disk_, to_, {report_.uuid, segments_}));
    new_store_->finish();
    return {};
  }

  Disk& disk_;
  Clock& clock_;
  const StorePaths from_;
  const StorePaths to_;
  const std::optional<Position> wanted_;
  const OnCopyProgress& on_progress_;
  std::unique_ptr<NewStore> new_store_;
  BackupRecord record_;
  std::map<std::string, BackupFile> files_;  // of the backup, by name
  Position end_;
  bool is_cut_ = false;
  Catalog catalog_;
  BatchCursor::Expected last_;  // after the last batch that is restored
  std::string cut_;             // the last batch, when it is restored in part
  std::vector<format::ManifestSegment> segments_;
  CopyProgress progress_;
  RestoreReport report_;
};

}  // namespace

tl::unexpected<Error> before_history(Position begin) {
  return fail(Code::misconfigured,
              fmt::format("the history in the backup begins at position {}: nothing before it is "
                          "kept any more, and so it cannot be restored as it was then",
                          begin.value));
}

Result<RestoreReport> restore_store(Disk& disk, Clock& clock, const std::string& backup,
                                    const std::string& store, std::optional<Position> end,
                                    const OnCopyProgress& on_progress) {
  return Restore(disk, clock, backup, store, end, on_progress).run();
}

}  // namespace tidelog
