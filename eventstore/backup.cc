#include "eventstore/backup.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "eventstore/damaged_log.h"
#include "eventstore/new_store.h"
#include "eventstore/recovery.h"
#include "eventstore/state_directory.h"
#include "eventstore/store_files.h"
#include "eventstore/store_marks.h"
#include "eventstore/verified_copy.h"

namespace tidelog {
namespace {

// A store changes while it is copied: a file may be rewritten or removed once the manifest that
// named it is old. Then the manifest is read again; a store that changes faster than this is not
// ours.
constexpr int attempts_max = 100;
// Between two notes of what is copied: no more than this is copied again after an interruption.
constexpr std::uint64_t note_bytes = 64 << 20;

class Backup {
 public:
  Backup(Disk& disk, Clock& clock, const std::string& store, const std::string& backup,
         const OnCopyProgress& on_progress, EarlierCopies earlier)
      : disk_(disk),
        clock_(clock),
        from_(store),
        to_(backup),
        on_progress_(on_progress),
        earlier_(earlier) {}

  Result<BackupReport> run() {
    TRY_DO(prepare());
    TRY_DO(copy_store());
    progress_.bytes_total = progress_.bytes;  // now that it is known what was not needed
    on_progress_(progress_);
    TRY_DO(name_everything());
    TRY_DO(put_in_place(replacing_));
    TRY_DO(remove_the_rest());
    return report_;
  }

 private:
  // -- the folder --

  Status prepare() {
    TRY_DO(check_folders());
    TRY_DO(load_manifest());
    TRY_DO(disk_.make_directory(to_.directory));
    TRY_DO(look_at_folder());
    TRY(lock_, disk_.lock(to_.lock, fmt::format("a backup of {}", from_.directory)));
    TRY_DO(look_at_folder());  // another backup may have come first
    TRY_DO(finish_replacing());
    TRY_DO(write_unfinished());
    TRY_DO(disk_.make_directory(to_.segments));
    return disk_.make_directory(to_.staging);
  }

  Status look_at_folder() {
    have_.clear();
    TRY(const auto whole, record_before());
    TRY(const auto unfinished, unfinished_record(whole.has_value()));
    if (!whole && !unfinished) TRY_DO(check_empty());
    if (whole) TRY_DO(take_over(*whole));
    if (whole) TRY_DO(check_not_newer(*whole));
    if (whole) before_ = *whole;
    return unfinished ? take_over(*unfinished) : Status();
  }

  // Of the backup that the folder holds. When it is damaged, the manifest and the superblock beside
  // it still say of which store and how far; every file is copied anew then.
  Result<std::optional<BackupRecord>> record_before() {
    auto record = read_backup_record(disk_, MarkPaths(to_).backup);
    if (record || record.error().code != Code::corrupt) return record;
    const auto manifest = read_manifest(disk_, to_);
    const auto superblock = read_superblock(disk_, to_);
    if (!manifest || !superblock || !*superblock) {
      return fail(Code::corrupt,
                  fmt::format("{}, and what stands beside it does not say either which backup {} "
                              "is: give an empty folder. What can be read of this one becomes a "
                              "store by `tidelog store salvage --from {} --to FOLDER`",
                              record.error().what, to_.directory, to_.directory));
    }
    record_was_damaged_ = true;
    BackupRecord known;
    known.manifest = *manifest;
    known.durable = (*superblock)->durable;
    known.durable_batches = (*superblock)->durable_batches;
    return std::optional(std::move(known));
  }

  // It only saves copying again what an interrupted backup has copied.
  Result<std::optional<BackupRecord>> unfinished_record(bool is_backup) {
    auto record = read_backup_record(disk_, MarkPaths(to_).unfinished_backup);
    if (record || record.error().code != Code::corrupt) return record;
    if (is_backup) return std::optional<BackupRecord>();
    return fail_in(fmt::format("{} holds a first backup that was cut off, and the list of what it "
                               "copied is damaged: empty the folder, or give another one",
                               to_.directory),
                   record.error());
  }

  // A backup that was cut off at its very end left them to us.
  Status finish_replacing() {
    for (const BackupFile& listed : before_.files) {
      if (listed.name.ends_with(".log") || listed.name.ends_with(".adopted")) continue;
      TRY(const std::string path, path_of_listed(disk_, to_.directory, listed));
      if (path.ends_with(replacement_end)) replacing_.insert(listed.name);
    }
    return put_in_place(replacing_);
  }

  Status take_over(const BackupRecord& record) {
    if (record.manifest.uuid != manifest_.uuid) {
      return fail(Code::conflict,
                  fmt::format("{} holds a backup of the store {}, and {} is {}: give each store a "
                              "folder of its own",
                              to_.directory, print_uuid(record.manifest.uuid), from_.directory,
                              print_uuid(manifest_.uuid)));
    }
    for (const BackupFile& file : record.files) have_[file.name] = file;
    return {};
  }

  Status check_not_newer(const BackupRecord& record) const {
    if (record.durable_batches <= end_.durable_batches) return {};
    return fail(
        Code::conflict,
        fmt::format("{} holds the events before position {}, and {} ends at {}: this store "
                    "was put back to an older state. If it was not shut down in good order, "
                    "start `tidelog run` once; otherwise give another folder",
                    to_.directory, record.durable.value, from_.directory, end_.durable.value));
  }

  // So that the next run goes on, should this one be cut off.
  Status write_unfinished() {
    BackupRecord record;
    record.manifest = manifest_;
    for (const auto& [name, file] : have_) record.files.push_back(file);
    noted_bytes_ = report_.copied_bytes;
    return write_backup_record(disk_, to_, "backup.unfinished", record);
  }

  Status check_folders() const {
    if (!is_within(to_.directory, from_.directory)) return {};
    return fail(
        Code::misconfigured,
        fmt::format("{} is the store itself, or within it: a backup goes elsewhere, best to "
                    "another disk",
                    to_.directory));
  }

  // What is not ours is never written to.
  Status check_empty() const {
    std::vector<std::string> names;
    for (const std::string& folder : {to_.directory, to_.segments}) {
      auto listed = disk_.list(folder);
      if (!listed && listed.error().code == Code::not_found) continue;
      if (!listed) return error_of(listed);
      names.insert(names.end(), listed->begin(), listed->end());
    }
    const auto foreign = std::find_if(names.begin(), names.end(), [](const std::string& name) {
      return name != "lock" && name != "backup.unfinished.tmp";  // left by a first try
    });
    if (foreign == names.end()) return {};
    return fail(
        Code::conflict,
        fmt::format("{} is not empty ({}) and holds no backup: give an empty folder, or one "
                    "that holds a backup of this store",
                    to_.directory, *foreign));
  }

  // -- copying --

  Status load_manifest() {
    // In this order the manifest names all that the end covers.
    TRY(end_, read_durable_end(disk_, from_));
    TRY(manifest_, manifest_of_store(disk_, from_));
    return {};
  }

  Status copy_store() {
    for (int attempt = 0;; ++attempt) {
      Status copied = copy_segments();
      if (copied || copied.error().code != Code::not_found) return copied;
      const format::Manifest met = manifest_;
      const Position met_end = end_.durable;
      TRY_DO(load_manifest());
      if ((manifest_ == met && end_.durable == met_end) || attempt == attempts_max) {
        return fail(Code::corrupt, fmt::format("the store names a file that is not there: {}",
                                               copied.error().what));
      }
    }
  }

  Status copy_segments() {
    needed_.clear();
    new_.clear();
    replacing_.clear();
    segments_.clear();
    TRY_DO(check_same_history());
    TRY_DO(copy_erasures());
    progress_.bytes_total = progress_.bytes;
    for (const auto& segment : manifest_.segments) {
      progress_.bytes_total += bytes_to_verify(segment);
      if (!is_listed(segment)) TRY_DO(plan_copying(segment));
    }
    std::optional<BatchCursor::Expected> next;
    for (const auto& segment : manifest_.segments) {
      const bool was_listed = is_listed(segment);
      TRY(const bool known, is_known(segment));
      if (known) {
        take_known(segment);
        next.reset();
        continue;
      }
      if (was_listed) TRY_DO(plan_copying(segment));  // its copy is not whole
      TRY(const auto end, copy_segment(segment, next));
      if (!end) break;
      next = end;
    }
    if (!next || next->sequence == end_.durable_batches) return copy_states();
    return fail(Code::corrupt,
                fmt::format("{}: the log ends before position {}, but {} was durable",
                            from_.directory, next->base.value, end_.durable.value));
  }

  // A store that was put back to an older state and went on from there has other events at the
  // same positions. The chain through all headers tells, at the last batch of the backup that can
  // be read.
  Status check_same_history() {
    TRY(const auto there, last_readable_batch());
    if (!there) return {};  // all of it is copied anew
    TRY(const auto here, chain_before(there->sequence));
    if (!here || there->chain == *here) return {};
    return fail(
        Code::conflict,
        fmt::format("{} holds other events before position {} than {}: this store was put back to "
                    "an older state and went on from there. Give another folder",
                    to_.directory, there->base.value, from_.directory));
  }

  // Where it ends, in the backup that the folder holds.
  Result<std::optional<BatchCursor::Expected>> last_readable_batch() {
    const auto& segments = before_.manifest.segments;
    for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
      const std::string path = to_.segment(segment->id, segment->generation);
      if (earlier_ == EarlierCopies::trusted) note_damage_of_log(path, *segment);
      const auto file = disk_.open_read(path);
      if (!file) continue;
      const auto last = last_header_in(**file, segment->id, before_.durable_batches);
      if (last && *last) return *last;
    }
    return std::optional<BatchCursor::Expected>();
  }

  // Otherwise each copy's checksum tells.
  void note_damage_of_log(const std::string& path, const format::ManifestSegment& segment) {
    const auto check = [&]() -> Status {
      TRY(const auto file, disk_.open_read(path));
      TRY(const auto opened, read_head(*file, to_, segment));
      const auto extent = extent_of(*file, opened.first, before_.durable_batches, 0);
      return extent ? Status() : error_of(extent);
    };
    const Status whole = check();
    if (!whole) note_damage(path.substr(to_.directory.size() + 1), whole.error().what);
  }

  // Of the store's first `batches`; nothing when its segments begin after them.
  Result<std::optional<std::uint32_t>> chain_before(std::uint64_t batches) {
    const auto& segments = manifest_.segments;
    for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
      const std::string path = from_.segment(segment->id, segment->generation);
      TRY(const auto file, disk_.open_read(path));
      TRY(const auto opened, read_head(*file, from_, *segment));
      if (opened.first.sequence > batches) continue;
      const auto extent = extent_of(*file, opened.first, batches, 0);
      if (!extent) return fail_in(path, extent.error());
      if (extent->end.sequence == batches) return std::optional(extent->end.chain);
      return fail(Code::corrupt,
                  fmt::format("{} ends at offset {} before position {}, but {} was durable", path,
                              extent->end.file_offset, extent->end.base.value, end_.durable.value));
    }
    return std::optional<std::uint32_t>();
  }

  // Erasures that are not done yet: a store made of this backup finishes them.
  Status copy_erasures() {
    const auto file = disk_.open_read(from_.erasures);
    if (!file && file.error().code == Code::not_found) return {};
    if (!file) return error_of(file);
    return copy_plain(relative(from_.erasures), **file);
  }

  // Sealed and whole when the last backup was made: its files in the store cannot have changed
  // since.
  bool is_listed(const format::ManifestSegment& segment) const {
    const auto& known = before_.manifest.segments;
    if (known.empty() || known.back() == segment) return false;
    if (std::find(known.begin(), known.end(), segment) == known.end()) return false;
    return have_.contains(relative(from_.segment(segment.id, segment.generation)));
  }

  // Listed, and so it is still in the backup.
  Result<bool> is_known(const format::ManifestSegment& segment) {
    if (!is_listed(segment)) return false;
    bool whole = true;
    for (const BackupFile& file : before_.files) {
      if (belongs_to(file.name, segment.id) && !is_whole(file)) whole = false;
    }
    if (!whole || segment.generation == 0) return whole;
    return is_rewritten_alike(segment);
  }

  // A store that was put back may have rewritten the segment as often, and in another way, which
  // the chain does not tell.
  Result<bool> is_rewritten_alike(const format::ManifestSegment& segment) {
    const std::string path = from_.segment(segment.id, segment.generation);
    TRY(const auto file, disk_.open_read(path));
    TRY(const auto opened, read_head(*file, from_, segment));
    TRY(const LogExtent extent, extent_of(*file, opened.first, UINT64_MAX, 0));
    TRY(bool alike, begins_like(relative(path), *file, opened.first, extent.end));
    for (const auto& adopted : extent.adopted) {
      if (!alike) return false;
      const std::string name = from_.adopted(segment.id, adopted.staging_id, adopted.generation);
      TRY(const auto source, disk_.open_read(name));
      TRY(alike, begins_like(relative(name), *source, begin_of(adopted), end_of(adopted)));
    }
    return alike;
  }

  // Of what the folder has of the segment. The index of one that is not listed is looked at with
  // the other plain files.
  std::uint64_t bytes_to_verify(const format::ManifestSegment& segment) const {
    std::uint64_t bytes = 0;
    for (const auto& [name, file] : have_) {
      const bool is_looked_at = is_listed(segment) || !name.ends_with(".index");
      if (is_looked_at && belongs_to(name, segment.id)) bytes += bytes_to_verify(file);
    }
    return bytes;
  }

  std::uint64_t bytes_to_verify(const BackupFile& file) const {
    return was_seen_whole(file) || earlier_ == EarlierCopies::trusted ? 0 : file.bytes;
  }

  bool was_seen_whole(const BackupFile& file) const {
    const auto known = whole_.find(file.name);
    return known != whole_.end() && known->second == file;
  }

  // What turns out not to be needed of it is taken off again.
  Status plan_copying(const format::ManifestSegment& segment) {
    TRY(const auto file, disk_.open_read(from_.segment(segment.id, segment.generation)));
    TRY(const std::uint64_t bytes, file->size());
    progress_.bytes_total += bytes;
    return {};
  }

  bool belongs_to(const std::string& name, std::uint64_t segment) const {
    const std::string_view path = name;
    return path.starts_with(fmt::format("segments/{:08}-", segment)) ||
           path.starts_with(fmt::format("segments/{:08}.", segment));
  }

  // Whether the folder still holds the bytes that were copied under this name: disks rot, and who
  // needs the backup needs it whole. Each file is read once a run; one that is not whole is copied
  // again.
  bool is_whole(const BackupFile& file) {
    if (was_seen_whole(file)) return true;
    const Status checked = check_copy(file);
    if (checked) {
      whole_[file.name] = file;
      return true;
    }
    note_damage(file.name, checked.error().what);
    return false;
  }

  void note_damage(const std::string& name, const std::string& why) {
    have_.erase(name);
    if (damaged_.insert(name).second)
      report_.damaged.push_back(fmt::format("{}/{}: {}", to_.directory, name, why));
  }

  Status check_copy(const BackupFile& file) {
    const auto copy = disk_.open_read(to_.directory + "/" + file.name);
    if (!copy && copy.error().code == Code::not_found) return fail(Code::corrupt, "it is missing");
    if (!copy) return error_of(copy);
    TRY(const std::uint64_t bytes, (*copy)->size());
    if (bytes < file.bytes) {
      return fail(Code::corrupt,
                  fmt::format("it has {} bytes, and {} were copied", bytes, file.bytes));
    }
    if (earlier_ == EarlierCopies::trusted) return {};
    TRY(const std::uint32_t crc, checksum_of(**copy, file.bytes, [this](std::uint64_t read) {
          report_.verified_bytes += read;
          show_progress(read);
        }));
    return crc == file.crc ? Status()
                           : fail(Code::corrupt, "its bytes are not those that were copied");
  }

  void show_progress(std::uint64_t bytes) {
    progress_.bytes += bytes;
    on_progress_(progress_);
  }

  void take_known(const format::ManifestSegment& segment) {
    segments_.push_back(segment);
    for (const BackupFile& file : before_.files) {
      if (belongs_to(file.name, segment.id)) needed_.emplace(file.name, file);
    }
  }

  // Where the segment ends; nothing for one that has begun since.
  Result<std::optional<BatchCursor::Expected>> copy_segment(
      const format::ManifestSegment& segment, const std::optional<BatchCursor::Expected>& before) {
    const std::string path = from_.segment(segment.id, segment.generation);
    TRY(const auto file, disk_.open_read(path));
    TRY(const auto opened, read_head(*file, from_, segment));
    const auto& first = opened.first;
    if (first.sequence >= end_.durable_batches && !segments_.empty())
      return std::optional<BatchCursor::Expected>();
    if (before && (first.sequence != before->sequence || first.chain != before->chain ||
                   first.base != before->base)) {
      return fail(Code::corrupt,
                  fmt::format("{} does not follow the segment before it, which ends with batch {} "
                              "before position {}",
                              path, before->sequence, before->base.value));
    }
    const std::string name = relative(path);
    auto extent = extent_of(*file, first, end_.durable_batches, known_bytes(name));
    if (!extent) return fail_in(path, extent.error());
    TRY_DO(copy_log(name, *file, first, *extent));
    TRY(const auto copy, disk_.open_read(to_.segment(segment.id, segment.generation)));
    TRY_DO(read_head(*copy, to_, segment));
    for (const auto& adopted : extent->adopted) TRY_DO(copy_adopted(segment.id, adopted));
    segments_.push_back(segment);
    TRY_DO(copy_index(segment));
    return std::optional(extent->end);
  }

  // Saved states up to the end. A base one goes only when there is a newer one: when that one is
  // of after the end, all is looked at again, with a newer end.
  Status copy_states() {
    const StateDirectory from(disk_, from_.directory);
    const StateDirectory to(disk_, to_.directory);
    TRY(const auto names, from.list());
    if (names.empty()) return {};
    TRY_DO(disk_.make_directory(to.path()));
    for (const SnapshotName& name : names) {
      if (name.position > end_.durable) {
        if (name.base) return fail(Code::not_found, "a state as of the backup's end");
        continue;
      }
      const std::string path = from.path(name);
      const auto file = disk_.open_read(path);
      if (!file && file.error().code == Code::not_found && !name.base) continue;
      if (!file) return error_of(file);
      TRY_DO(copy_plain(relative(path), **file));
    }
    return disk_.sync_directory(to.path());
  }

  // A segment's index, if there is one: it can be made anew, but not in no time.
  Status copy_index(const format::ManifestSegment& segment) {
    const std::string path = from_.index(segment.id, segment.generation);
    const auto file = disk_.open_read(path);
    if (!file && file.error().code == Code::not_found) return {};
    if (!file) return error_of(file);
    return copy_plain(relative(path), **file);
  }

  // A file that is not of the log. It may have other content under the same name and with the same
  // length, so it is always read.
  Status copy_plain(const std::string& name, const File& source) {
    TRY(const std::uint64_t bytes, source.size());
    BackupFile made{name, bytes, 0};
    TRY(made.crc, checksum_of(source, bytes));
    const auto known = have_.find(name);
    const bool is_had = known != have_.end() && known->second == made;
    if (is_had) progress_.bytes_total += bytes_to_verify(made);
    const bool have = is_had && is_whole(made);
    const std::string copied = to_.directory + "/" + name + std::string(replacement_end);
    TRY(const std::string there, path_of_listed(disk_, to_.directory, made));
    // What the backup before this one lists stays as it is until this one counts.
    const bool replaces = !have && is_in_backup_before(name);
    if (!have && there != copied) {
      TRY(const auto copy, disk_.create(copied));
      TRY(const std::uint32_t crc, copy_bytes(source, *copy, 0, bytes, 0, [](std::uint64_t) {}));
      if (crc != made.crc) return fail(Code::failed, name + " changed while it was copied");
      TRY_DO(copy->sync());
      ++report_.copied_files;
      report_.copied_bytes += bytes;
    }
    if (!have) (replaces ? replacing_ : new_).insert(name);
    needed_[name] = made;
    return {};
  }

  Status copy_adopted(std::uint64_t segment, const format::AdoptedFile& adopted) {
    const std::string path = from_.adopted(segment, adopted.staging_id, adopted.generation);
    TRY(const auto file, disk_.open_read(path));
    TRY(const std::uint64_t bytes, file->size());
    progress_.bytes_total += bytes;
    LogExtent extent;
    extent.end = end_of(adopted);
    const std::string name = relative(path);
    if (known_bytes(name) == adopted.file_bytes) extent.resume = extent.end;
    return copy_log(name, *file, begin_of(adopted), extent);
  }

  bool is_in_backup_before(const std::string& name) const {
    return std::any_of(before_.files.begin(), before_.files.end(),
                       [&](const BackupFile& file) { return file.name == name; });
  }

  std::string relative(const std::string& path) const {
    return path.substr(from_.directory.size() + 1);
  }

  std::uint64_t known_bytes(const std::string& name) const {
    const auto known = have_.find(name);
    return known == have_.end() ? 0 : known->second.bytes;
  }

  // The file up to the extent's end, of which the backup may have the begin already.
  Status copy_log(const std::string& name, const File& source, const BatchCursor::Expected& first,
                  const LogExtent& extent) {
    const std::uint64_t wanted = extent.end.file_offset;
    TRY(const std::uint64_t source_bytes, source.size());
    BackupFile made{name, wanted, 0};
    const auto known = have_.find(name);
    const BackupFile there = known == have_.end() ? BackupFile() : known->second;
    bool goes_on = known != have_.end() && extent.resume && is_whole(there);
    if (goes_on) {
      TRY(goes_on, begins_like(name, source, first, *extent.resume));
    }
    const std::uint64_t begin = goes_on ? there.bytes : 0;
    progress_.bytes_total -= source_bytes - std::min(source_bytes, wanted - begin);
    if (goes_on) made.crc = there.crc;
    if (begin != wanted || !goes_on) {
      auto copied =
          copy_new(name, source, begin, goes_on ? *extent.resume : first, extent.end, made.crc);
      if (!copied && copied.error().code == Code::corrupt) {
        return fail_in(fmt::format("{}/{} cannot be copied, and the backup stays what it was",
                                   from_.directory, name),
                       copied.error());
      }
      if (!copied) return error_of(copied);
      made.crc = *copied;
    }
    have_[name] = made;
    whole_[name] = made;
    needed_[name] = made;
    return report_.copied_bytes - noted_bytes_ < note_bytes ? Status() : write_unfinished();
  }

  // Whether the copy of a file holds the same batches up to there: the store may have been put
  // back, and gone on from there, since they were copied.
  Result<bool> begins_like(const std::string& name, const File& source,
                           const BatchCursor::Expected& first, const BatchCursor::Expected& end) {
    const auto copy = disk_.open_read(to_.directory + "/" + name);
    if (!copy) return false;
    if (first.generation == 0) {
      const auto extent = extent_of(**copy, first, end.sequence, 0);
      return extent && extent->end.chain == end.chain && extent->end.file_offset == end.file_offset;
    }
    const auto there = checksum_of_headers(**copy, first, end.sequence);
    TRY(const std::uint32_t here, checksum_of_headers(source, first, end.sequence));
    return there && *there == here;
  }

  // Copies, syncs, and verifies what is in the copy. One that has rotted is replaced only by one
  // that was verified: the store's own file may be damaged elsewhere.
  Result<std::uint32_t> copy_new(const std::string& name, const File& source, std::uint64_t begin,
                                 const BatchCursor::Expected& first,
                                 const BatchCursor::Expected& end, std::uint32_t crc) {
    const std::string path = to_.directory + "/" + name;
    const bool replaces = begin == 0 && (record_was_damaged_ || is_in_backup_before(name));
    const std::string copied = replaces ? path + std::string(replacement_end) : path;
    TRY(const auto copy, begin == 0 ? disk_.create(copied) : disk_.open_write(copied));
    TRY(crc, copy_bytes(source, *copy, begin, end.file_offset, crc,
                        [this](std::uint64_t bytes) { show_progress(bytes); }));
    TRY(const std::uint64_t bytes, copy->size());
    if (bytes > end.file_offset) TRY_DO(copy->truncate(end.file_offset));
    TRY_DO(copy->sync());
    TRY_DO(verify_batches(*copy, first, end));
    if (replaces) {
      TRY_DO(disk_.rename(copied, path));
      TRY_DO(disk_.sync_directory(to_.segments));
    }
    ++report_.copied_files;
    report_.copied_bytes += end.file_offset - begin;
    return crc;
  }

  // -- the end: from here on the folder is this backup --

  Status name_everything() {
    TRY_DO(put_in_place(new_));
    TRY_DO(disk_.sync_directory(to_.segments));
    BackupRecord record;
    record.manifest = {manifest_.uuid, segments_};
    TRY_DO(write_manifest(disk_, to_, record.manifest));
    format::Superblock superblock;
    superblock.counter = 2;
    superblock.durable_batches = end_.durable_batches;
    superblock.durable = end_.durable;
    superblock.segment_id = segments_.back().id;
    superblock.file_offset =
        needed_.at(relative(from_.segment(segments_.back().id, segments_.back().generation))).bytes;
    TRY_DO(replace_file(disk_, to_.directory, "superblock", format::encode(superblock)));

    record.time = clock_.now();
    record.durable = end_.durable;
    record.durable_batches = end_.durable_batches;
    for (const auto& [name, file] : needed_) {
      record.files.push_back(file);
      report_.bytes += file.bytes;
    }
    report_.uuid = manifest_.uuid;
    report_.durable = record.durable;
    report_.time = record.time;
    report_.file_count = record.files.size();
    report_.record_was_damaged = record_was_damaged_;
    return write_backup_record(disk_, to_, "backup", record);
  }

  // Half a copy never stands under its own name: readers and `verify` would take it for damage.
  Status put_in_place(std::set<std::string>& names) {
    for (const std::string& name : names) {
      const std::string path = to_.directory + "/" + name;
      TRY_DO(disk_.rename(path + std::string(replacement_end), path));
      TRY_DO(disk_.sync_directory(path.substr(0, path.find_last_of('/'))));
      const auto needed = needed_.find(name);
      if (needed != needed_.end()) have_[name] = needed->second;
    }
    names.clear();
    return {};
  }

  // What the store no longer has, erased events among it, and what an interrupted backup left.
  Status remove_the_rest() {
    TRY_DO(remove_left(to_.erasures + std::string(replacement_end)));
    if (!needed_.contains("erasures")) TRY_DO(remove_left(to_.erasures));
    for (const std::string& folder : {to_.segments, StateDirectory(disk_, to_.directory).path()}) {
      const auto names = disk_.list(folder);
      if (!names && names.error().code == Code::not_found) continue;
      if (!names) return error_of(names);
      for (const std::string& name : *names) {
        const std::string path = folder + "/" + name;
        if (needed_.contains(path.substr(to_.directory.size() + 1))) continue;
        TRY_DO(disk_.remove(path));
        ++report_.removed_files;
      }
      TRY_DO(disk_.sync_directory(folder));
    }
    TRY_DO(disk_.remove(MarkPaths(to_).unfinished_backup));
    return disk_.sync_directory(to_.directory);
  }

  Status remove_left(const std::string& path) {
    TRY(const bool left, disk_.exists(path));
    return left ? disk_.remove(path) : Status();
  }

  Disk& disk_;
  Clock& clock_;
  const StorePaths from_;
  const StorePaths to_;
  const OnCopyProgress& on_progress_;
  const EarlierCopies earlier_;
  std::unique_ptr<DiskLock> lock_;
  format::Manifest manifest_;  // of the store
  DurablePage::Value end_;
  BackupRecord before_;                      // what the folder held
  std::map<std::string, BackupFile> have_;   // in the folder now, by name: from its begin, whole
  std::map<std::string, BackupFile> whole_;  // in the folder, and seen to be so in this run
  std::set<std::string> damaged_;            // names of files that were not
  bool record_was_damaged_ = false;
  std::map<std::string, BackupFile> needed_;
  // Copied, and not yet under their names: what the backup did not have, and what takes the place
  // of a file that the one before lists.
  std::set<std::string> new_, replacing_;
  std::vector<format::ManifestSegment> segments_;  // of the backup
  CopyProgress progress_;
  std::uint64_t noted_bytes_ = 0;  // copied when the unfinished record was written last
  BackupReport report_;
};

}  // namespace

Result<BackupReport> back_up_store(Disk& disk, Clock& clock, const std::string& store,
                                   const std::string& backup, const OnCopyProgress& on_progress,
                                   EarlierCopies earlier) {
  return Backup(disk, clock, store, backup, on_progress, earlier).run();
}

}  // namespace tidelog
