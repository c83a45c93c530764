#include "eventstore/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "eventstore/batch_cursor.h"
#include "eventstore/catalog.h"
#include "eventstore/derived_files.h"
#include "eventstore/disk_floor.h"
#include "eventstore/erasure.h"
#include "eventstore/held_file.h"
#include "eventstore/segment_checks.h"
#include "eventstore/store_files.h"
#include "eventstore/store_marks.h"
#include "eventstore/verified_copy.h"

namespace tidelog {
namespace {

// Files whose every byte is looked at anyway.
bool has_checksums(std::string_view name) {
  for (const std::string_view end : {".log", ".adopted", ".index", ".state", ".base"}) {
    if (name.ends_with(end)) return true;
  }
  return false;
}

// Errors of the disk end the verification; damage is noted and the next segment is looked at.
class Verification {
 public:
  Verification(Disk& disk, const StorePaths& paths,
               const std::function<void(const VerifyProgress&)>& on_progress)
      : disk_(disk), paths_(paths), on_progress_(on_progress) {}

  Result<VerifyReport> run() {
    // In this order: beside a running service, the manifest then names all that the end covers.
    TRY(end_, read_durable_end(disk_, paths_));
    TRY(const auto manifest, read_manifest(disk_, paths_));
    report_.durable = end_.durable;
    for (const auto& segment : manifest.segments) {
      if (const auto file = disk_.open_read(paths_.segment(segment.id, segment.generation))) {
        TRY(const std::uint64_t bytes, (*file)->size());
        progress_.bytes_total += bytes;
      }
    }
    TRY_DO(note_damage(verify_small_files()));
    DerivedFiles derived(disk_, paths_, manifest.uuid);
    TRY(const std::uint64_t derived_bytes, derived.bytes(manifest));
    progress_.bytes_total += derived_bytes;
    TRY_DO(verify_segments(manifest));
    if (report_.damage.empty() && next_ && next_->sequence < end_.durable_batches) {
      report_.damage.push_back(fmt::format("the log ends before position {}, but {} was durable",
                                           next_->base.value, end_.durable.value));
    }
    TRY_DO(derived.check_snapshots(catalog_, [this](std::uint64_t bytes) {
      progress_.bytes += bytes;
      on_progress_(progress());
    }));
    take(derived.findings());
    report_.progress = progress();
    return std::move(report_);
  }

 private:
  VerifyProgress progress() const {
    return {progress_.bytes, progress_.bytes_total, progress_.events};
  }

  Status verify_segments(const format::Manifest& manifest) {
    std::vector<SegmentSubject> subjects;
    for (std::size_t n = 0; n < manifest.segments.size(); ++n) {
      const bool is_sealed = n + 1 < manifest.segments.size();
      const auto end = is_sealed ? std::optional(manifest.segments[n + 1].base) : std::nullopt;
      subjects.push_back({manifest.uuid, manifest.segments[n], end, end_.durable_batches});
    }
    SegmentChecks checks(disk_, paths_, std::move(subjects), progress_);
    for (std::size_t n = 0; n < manifest.segments.size(); ++n) {
      TRY(SegmentFindings found, checks.next([this] { on_progress_(progress()); }));
      TRY_DO(note_damage(check_place(found)));
      take(std::move(found));
    }
    return {};
  }

  // Whether the segment goes on where the one before it ended.
  Status check_place(const SegmentFindings& found) const {
    if (!found.head || !next_) return {};
    if (found.first.sequence != next_->sequence || found.first.chain != next_->chain ||
        found.first.base != next_->base) {
      return fail(Code::corrupt,
                  fmt::format("segment {} begins at batch {}, position {}: it does not follow "
                              "batch {}, position {}",
                              found.head->segment_id, found.first.sequence, found.first.base.value,
                              next_->sequence, next_->base.value));
    }
    return check_streams(*found.head);
  }

  void take(SegmentFindings found) {
    report_.damage.insert(report_.damage.end(), found.damage.begin(), found.damage.end());
    report_.warnings.insert(report_.warnings.end(), found.warnings.begin(), found.warnings.end());
    report_.index_count += found.has_index ? 1 : 0;
    report_.batches += found.batch_count;
    if (found.is_begun_since) return;
    if (found.is_whole) {
      next_ = found.end;
    } else {
      next_.reset();  // the next segment's head says where it begins
    }
    if (found.head) catalog_ = std::move(found.catalog);
  }

  void take(const DerivedFiles::Findings& found) {
    report_.state_count = found.state_count;
    report_.aggregate_count = found.aggregate_count;
    report_.damage.insert(report_.damage.end(), found.damage.begin(), found.damage.end());
    report_.warnings.insert(report_.warnings.end(), found.warnings.begin(), found.warnings.end());
  }

  template <class T>
  Status note_damage(const Result<T>& checked) {
    if (checked) return {};
    const Error& error = checked.error();
    if (error.code != Code::corrupt && error.code != Code::not_found) return error_of(checked);
    report_.damage.push_back(error.what);
    return {};
  }

  // What says something about the folder, beside the log.
  Status verify_small_files() {
    TRY_DO(verify_superblock());
    look_at_durable_page();
    TRY_DO(look_at_home());
    TRY_DO(verify_kept());
    TRY_DO(note_damage(read_origin(disk_, paths_)));
    TRY_DO(note_damage(pending_erasures(disk_, paths_)));
    TRY_DO(note_damage(read_backup_record(disk_, MarkPaths(paths_).unfinished_backup)));
    TRY(const auto record, read_backup_record(disk_, MarkPaths(paths_).backup));
    return record ? verify_listed(*record) : Status();
  }

  // A crash may tear the slot that is being written: the other one counts, and the next write mends
  // it.
  Status verify_superblock() {
    const auto damaged = damaged_superblock_slots(disk_, paths_);
    if (!damaged) return note_damage(damaged);
    if (*damaged == 0) return {};
    TRY(const auto superblock, read_superblock(disk_, paths_));
    if (superblock) {
      report_.warnings.push_back(paths_.superblock +
                                 ": one of its slots is torn or damaged, the other one counts; a "
                                 "writer makes it anew");
      return {};
    }
    return note_damage<void>(
        fail(Code::corrupt, fmt::format("{}: neither of its slots is whole; the next writer makes "
                                        "it anew",
                                        paths_.superblock)));
  }

  // Transactions that sources keep until they end.
  Status verify_kept() {
    const auto names = disk_.list(paths_.staging);
    if (!names) return names.error().code == Code::not_found ? Status() : error_of(names);
    for (const std::string& name : *names) {
      const auto file = kept_file_named(name);
      if (!file) continue;
      const std::string path = paths_.kept(file->staging_id, file->source);
      const Status verified = verify_held(path, file->staging_id);
      TRY(const bool still_there, disk_.exists(path));
      if (still_there) TRY_DO(note_damage(verified));
    }
    return {};
  }

  Status verify_held(const std::string& path, std::uint64_t id) {
    DiskFloor none(disk_, paths_.directory, 0);
    TRY(const auto held, HeldFile::open(disk_, {paths_.staging, {}, path}, id, none));
    return held->for_each([](const HeldTransaction::Record&) { return Status(); });
  }

  void look_at_durable_page() {
    const auto page = DurablePage::open(disk_, paths_, false);
    if (!page || page->is_new() || page->load()) return;
    report_.warnings.push_back(paths_.durable_page +
                               " is damaged: without a writer, readers stop where the superblock "
                               "says; the next writer makes it anew");
  }

  Status look_at_home() {
    const auto home = read_home(disk_, paths_);
    if (home || home.error().code != Code::corrupt) return home ? Status() : error_of(home);
    report_.warnings.push_back(home.error().what +
                               ": a copy of this store is not noticed; the next writer makes it "
                               "anew");
    return {};
  }

  // Of a backup's files that have no checksums of their own only its record tells.
  Status verify_listed(const BackupRecord& record) {
    for (const BackupFile& listed : record.files) {
      const bool is_log = listed.name.ends_with(".log") || listed.name.ends_with(".adopted");
      std::string path = paths_.directory + "/" + listed.name;
      if (!is_log) {
        TRY(path, path_of_listed(disk_, paths_.directory, listed));
      }
      TRY(const auto file, open_named(disk_, path));
      TRY(const std::uint64_t bytes, file->size());
      if (bytes < listed.bytes) {
        TRY_DO(note_damage<void>(
            fail(Code::corrupt, fmt::format("{} has {} bytes, the backup's record says {}", path,
                                            bytes, listed.bytes))));
      }
      if (has_checksums(listed.name)) continue;
      TRY(const std::uint32_t crc, checksum_of(*file, listed.bytes));
      if (crc == listed.crc) continue;
      TRY_DO(
          note_damage<void>(fail(Code::corrupt, fmt::format("{}: its bytes are not those that the "
                                                            "backup's record tells of",
                                                            path))));
    }
    return {};
  }

  // A head repeats what the segments before it have made of the streams.
  Status check_streams(const format::SegmentHead& head) const {
    for (const format::StreamEntry& entry : head.streams) {
      const format::StreamEntry* const known = catalog_.stream(entry.id);
      if (known != nullptr && known->next == entry.next && known->life == entry.life) continue;
      return fail(Code::corrupt,
                  fmt::format("segment {}: its head says of stream {} what the segments before it "
                              "do not",
                              head.segment_id, entry.name));
    }
    return {};
  }

  Disk& disk_;
  const StorePaths& paths_;
  const std::function<void(const VerifyProgress&)>& on_progress_;
  DurablePage::Value end_;
  CheckProgress progress_;
  Catalog catalog_;                            // as far as the segments were looked at
  std::optional<BatchCursor::Expected> next_;  // what the next segment must begin with
  VerifyReport report_;
};

}  // namespace

Result<VerifyReport> verify_store(Disk& disk, const std::string& directory,
                                  const std::function<void(const VerifyProgress&)>& on_progress) {
  const StorePaths paths(directory);
  return Verification(disk, paths, on_progress).run();
}

}  // namespace tidelog
