#include "eventstore/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/event.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/catalog.h"
#include "eventstore/derived_files.h"
#include "eventstore/disk_floor.h"
#include "eventstore/erasure.h"
#include "eventstore/held_file.h"
#include "eventstore/index_checks.h"
#include "eventstore/recovery.h"
#include "eventstore/store_files.h"
#include "eventstore/store_marks.h"
#include "eventstore/stream_table.h"
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
        report_.progress.bytes_total += bytes;
      }
    }
    TRY_DO(note_damage(verify_small_files()));
    DerivedFiles derived(disk_, paths_, manifest.uuid);
    TRY(const std::uint64_t derived_bytes, derived.bytes(manifest));
    report_.progress.bytes_total += derived_bytes;
    TRY_DO(verify_segments(manifest, derived));
    if (report_.damage.empty() && next_ && next_->sequence < end_.durable_batches) {
      report_.damage.push_back(fmt::format("the log ends before position {}, but {} was durable",
                                           next_->base.value, end_.durable.value));
    }
    TRY_DO(derived.check_snapshots(catalog_, [this](std::uint64_t bytes) { advance(bytes); }));
    take(derived.findings());
    return std::move(report_);
  }

 private:
  Status verify_segments(const format::Manifest& manifest, DerivedFiles& derived) {
    IndexChecks indexes(derived);
    indexes_ = &indexes;
    for (std::size_t n = 0; n < manifest.segments.size(); ++n) {
      const std::size_t damage_count = report_.damage.size();
      TRY_DO(note_damage(verify_present(manifest.segments[n])));
      const bool is_sealed = n + 1 < manifest.segments.size();
      if (is_sealed && report_.damage.size() == damage_count)
        indexes.add(manifest.segments[n], manifest.segments[n + 1].base);
    }
    TRY_DO(indexes.finish([this] { advance(0); }));
    report_.progress.bytes += indexes.bytes();
    indexes_ = nullptr;
    return {};
  }

  void advance(std::uint64_t bytes) {
    report_.progress.bytes += bytes;
    VerifyProgress shown = report_.progress;
    if (indexes_ != nullptr) shown.bytes += indexes_->bytes();
    on_progress_(shown);
  }

  void take(const DerivedFiles::Findings& found) {
    report_.index_count = found.index_count;
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
    next_.reset();  // the next segment's head says where it begins
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

  // A segment that is rewritten or let go while we read is looked at as the manifest has it then.
  Status verify_present(format::ManifestSegment segment) {
    for (;;) {
      const VerifyReport before = report_;
      const Status verified = verify_segment(segment);
      if (verified || verified.error().code != Code::not_found) return verified;
      TRY(const auto manifest, read_manifest(disk_, paths_));
      const auto now = std::find_if(
          manifest.segments.begin(), manifest.segments.end(),
          [&](const format::ManifestSegment& other) { return other.id == segment.id; });
      if (now != manifest.segments.end() && *now == segment) return verified;  // it is missing
      report_ = before;
      next_.reset();
      if (now == manifest.segments.end()) return {};
      segment = *now;
    }
  }

  Status verify_segment(const format::ManifestSegment& segment) {
    TRY(const auto file, disk_.open_read(paths_.segment(segment.id, segment.generation)));
    TRY(const auto opened, read_head(*file, paths_, segment));
    if (opened.first.sequence > end_.durable_batches) return {};  // begun since
    if (next_ && (opened.first.sequence != next_->sequence || opened.first.chain != next_->chain ||
                  opened.first.base != next_->base)) {
      return fail(Code::corrupt,
                  fmt::format("segment {} begins at batch {}, position {}: it does not follow "
                              "batch {}, position {}",
                              segment.id, opened.first.sequence, opened.first.base.value,
                              next_->sequence, next_->base.value));
    }
    if (next_) TRY_DO(check_streams(opened.head));
    catalog_.restart();
    known_.clear();
    TRY_DO(catalog_.apply(opened.head));
    TRY(const std::uint64_t file_bytes, file->size());
    BatchCursor cursor(*file, opened.first);
    std::uint64_t counted = 0;
    while (cursor.expected().sequence < end_.durable_batches) {
      TRY(const auto step, cursor.next());
      if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
      if (step == BatchCursor::Step::zeros) break;
      TRY_DO(catalog_.apply(cursor.header(), cursor.extension()));
      TRY_DO(verify_batch(cursor));
      advance(cursor.expected().file_offset - counted);
      counted = cursor.expected().file_offset;
    }
    next_ = cursor.expected();
    report_.progress.bytes += file_bytes - std::min(counted, file_bytes);
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

  Status verify_batch(BatchCursor& cursor) {
    ++report_.batches;
    TRY_DO(verify_records(cursor));
    for (const auto& adopted : cursor.extension().adopted) TRY_DO(verify_adopted(cursor, adopted));
    return {};
  }

  Status verify_records(BatchCursor& cursor) {
    for (std::size_t i = 0; i < cursor.extension().blocks.size(); ++i) {
      TRY(const std::string_view raw, cursor.block(i));
      ByteReader in(raw);
      std::uint64_t positions = 0;
      std::uint64_t events = 0;
      while (in.remaining() != 0) {
        TRY(const Record record, read_record(in));
        if (record.is_transaction) continue;
        positions += std::max<std::uint64_t>(record.removed_count, 1);
        if (record.removed_count != 0) continue;
        ++events;
        if (!is_defined(record.event)) {
          return fail(
              Code::corrupt,
              fmt::format(
                  "batch {} of file {}: an event of stream {} and schema {}, which are not defined",
                  cursor.header().sequence, cursor.header().file_id, record.event.stream.value,
                  record.event.schema.value));
        }
      }
      if (positions != cursor.extension().blocks[i].event_count) {
        return fail(Code::corrupt,
                    fmt::format("batch {} of file {}: block {} holds {} positions and says {}",
                                cursor.header().sequence, cursor.header().file_id, i, positions,
                                cursor.extension().blocks[i].event_count));
      }
      report_.progress.events += events;
    }
    return {};
  }

  // Most events are of the schema of their stream's event before.
  bool is_defined(const EventBody& event) {
    const std::uint64_t wanted = std::uint64_t{event.schema.value} + 1;
    const std::uint64_t* const known = known_.find(event.stream);
    if (known != nullptr && *known == wanted) return true;
    if (catalog_.stream(event.stream) == nullptr) return false;
    if (event.schema.value != 0 && catalog_.schema(event.schema) == nullptr) return false;
    known_[event.stream] = wanted;
    return true;
  }

  Status verify_adopted(const BatchCursor& log, const format::AdoptedFile& adopted) {
    TRY(const auto file, disk_.open_read(paths_.adopted(log.header().file_id, adopted.staging_id,
                                                        adopted.generation)));
    report_.progress.bytes_total += adopted.file_bytes;
    BatchCursor cursor(*file, begin_of(adopted));
    for (;;) {
      const std::uint64_t offset = cursor.expected().file_offset;
      TRY(const auto step, cursor.next());
      if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
      if (step == BatchCursor::Step::zeros) break;
      TRY_DO(catalog_.define(cursor.extension()));
      TRY_DO(verify_records(cursor));
      advance(cursor.expected().file_offset - offset);
    }
    const auto& end = cursor.expected();
    if (end.sequence == adopted.batch_count && end.base.value == adopted.event_count &&
        end.chain == adopted.chain)
      return {};
    return fail(
        Code::corrupt,
        fmt::format(
            "adopted file {} holds {} events, its commit batch {} says {} (from position {})",
            adopted.staging_id, end.base.value, log.header().sequence, adopted.event_count,
            log.header().base.value));
  }

  Disk& disk_;
  const StorePaths& paths_;
  const std::function<void(const VerifyProgress&)>& on_progress_;
  DurablePage::Value end_;
  Catalog catalog_;
  StreamTable<std::uint64_t> known_;           // the schema of its last event, and one; 0: none
  const IndexChecks* indexes_ = nullptr;       // while they are at work
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
