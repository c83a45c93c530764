#include "eventstore/recovery.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>

#include "core/bytes.h"
#include "eventstore/sealed_files.h"
#include "eventstore/store_marks.h"

namespace tidelog {
namespace {

constexpr std::uint64_t chunk_bytes = 1 << 20;

// One pass over the last segment.
class LastSegment {
 public:
  LastSegment(Disk& disk, const StorePaths& paths, Recovered& to, std::uint64_t durable_batches)
      : disk_(disk), paths_(paths), to_(to), durable_batches_(durable_batches) {}

  Status recover() {
    TRY_DO(scan());
    TRY_DO(look_beyond());
    if (to_.end.sequence < durable_batches_) return rot();  // rows R3, R4
    TRY_DO(rewrite_unproven());                             // rows R1, R2
    TRY_DO(cut_tail());
    return to_.segment->sync();
  }

  const absl::flat_hash_set<std::uint64_t>& adopted() const { return adopted_; }

 private:
  // Takes over every whole batch, up to the first thing that is none.
  Status scan() {
    BatchCursor cursor(*to_.segment, to_.end);
    for (;;) {
      if (to_.end.sequence <= durable_batches_) proven_offset_ = to_.end.file_offset;
      TRY(const auto step, cursor.next());
      if (step != BatchCursor::Step::batch) {
        if (step == BatchCursor::Step::bad) why_ = cursor.why();
        return {};
      }
      const auto whole = verify(cursor);
      if (!whole && whole.error().code != Code::corrupt) return whole;
      if (!whole) {
        why_ = whole.error().what;
        return {};
      }
      TRY_DO(to_.catalog.apply(cursor.header(), cursor.extension()));
      if (!cursor.extension().changes.empty()) to_.changed_batches = cursor.header().sequence + 1;
      durable_batches_ = std::max(durable_batches_, cursor.header().durable_batches);
      for (const auto& file : cursor.extension().adopted) adopted_.insert(file.staging_id);
      to_.end = cursor.expected();
    }
  }

  Status verify(BatchCursor& cursor) {
    TRY_DO(cursor.verify_blocks());
    for (const auto& file : cursor.extension().adopted) {
      const std::string path = paths_.adopted(to_.end.file_id, file.staging_id, file.generation);
      auto opened = disk_.open_read(path);
      if (!opened && opened.error().code == Code::not_found) {
        return fail(Code::corrupt, fmt::format("batch {} adopts {}, which is missing",
                                               cursor.header().sequence, path));
      }
      if (!opened) return error_of(opened);
      TRY(const std::uint64_t bytes, (*opened)->size());
      if (bytes < file.file_bytes) {
        return fail(Code::corrupt,
                    fmt::format("batch {} adopts {} of {} bytes, which has {}",
                                cursor.header().sequence, path, file.file_bytes, bytes));
      }
    }
    return {};
  }

  // Bytes after the end may hold batches of unsynced writes that the disk reordered. Their headers
  // still say what was durable.
  Status look_beyond() {
    TRY(const std::uint64_t file_bytes, to_.segment->size());
    std::string chunk;
    for (std::uint64_t offset = to_.end.file_offset; offset < file_bytes; offset += chunk_bytes) {
      TRY_DO(to_.segment->read(offset, chunk_bytes + format::batch_fixed_bytes, chunk));
      const std::size_t last =
          chunk.find_last_not_of('\0', std::min<std::size_t>(chunk.size(), chunk_bytes) - 1);
      if (last == std::string::npos) continue;
      garbage_end_ = offset + last + 1;
      for (std::size_t at = 0; at <= last; at += format::alignment)
        take_bound(std::string_view(chunk).substr(at));
    }
    return {};
  }

  void take_bound(std::string_view bytes) {
    if (bytes.size() < format::batch_fixed_bytes ||
        ByteReader(bytes).le<std::uint32_t>() != format::batch_magic)
      return;
    const auto header = format::read_batch_header(bytes);
    if (!header || header->file_id != to_.end.file_id || header->generation != to_.end.generation)
      return;
    durable_batches_ = std::max(durable_batches_, header->durable_batches);
  }

  tl::unexpected<Error> rot() const {
    const std::string met = why_.empty() ? fmt::format("segment {} ends at offset {}",
                                                       to_.end.file_id, to_.end.file_offset)
                                         : why_;
    return fail(Code::corrupt,
                fmt::format("{}; {} batches were on disk, of which {} are whole: events from "
                            "position {} on are damaged. "
                            "Nothing was changed; reading commands serve what is whole",
                            met, durable_batches_, to_.end.sequence, to_.end.base.value));
  }

  // A page cache may hold what the disk never got, when a sync failed before. Written anew, the
  // sync below covers it.
  Status rewrite_unproven() {
    std::string bytes;
    for (std::uint64_t offset = proven_offset_; offset < to_.end.file_offset;
         offset += bytes.size()) {
      TRY_DO(to_.segment->read(offset, std::min(chunk_bytes, to_.end.file_offset - offset), bytes));
      if (bytes.empty()) return fail(Code::corrupt, "a segment became shorter during recovery");
      TRY_DO(to_.segment->write(offset, bytes));
    }
    return {};
  }

  Status cut_tail() {
    if (garbage_end_ <= to_.end.file_offset) return {};
    return write_zeros(*to_.segment, to_.end.file_offset, garbage_end_);
  }

  Disk& disk_;
  const StorePaths& paths_;
  Recovered& to_;
  std::uint64_t durable_batches_;    // the largest bound known
  std::uint64_t proven_offset_ = 0;  // everything before it is on disk
  std::uint64_t garbage_end_ = 0;
  std::string why_;  // the scan stopped; empty: at zeros
  absl::flat_hash_set<std::uint64_t> adopted_;
};

// What no manifest ever named. It goes first: whatever follows may need the space. Transactions
// that were kept are their source's: the position that it goes on from says which are still needed.
Status remove_staged(Disk& disk, const StorePaths& paths) {
  TRY(const bool spare, disk.exists(paths.spare));
  if (spare) TRY_DO(disk.remove(paths.spare));
  TRY(const auto staged, disk.list(paths.staging));
  for (const std::string& name : staged) {
    if (!kept_file_named(name)) TRY_DO(disk.remove(paths.staging + "/" + name));
  }
  return disk.sync_directory(paths.staging);
}

// Files that a crash left and that nothing refers to.
Status remove_leftovers(Disk& disk, const StorePaths& paths, const Recovered& recovered,
                        const absl::flat_hash_set<std::uint64_t>& adopted) {
  TRY(const auto names, disk.list(paths.segments));
  const SealedFiles sealed(recovered.manifest, names);
  for (const std::string& name : names) {
    const auto file = segment_file_named(name);
    const bool in_last = file && file->kind == SegmentFile::Kind::adopted &&
                         file->segment_id == recovered.end.file_id;
    const bool keep = in_last ? adopted.contains(file->staging_id) : file && sealed.names(*file);
    if (!keep) TRY_DO(disk.remove(paths.segments + "/" + name));
  }
  // What a replace_file() went through.
  TRY(const auto beside, disk.list(paths.directory));
  bool any = false;
  for (const std::string& name : beside) {
    // The mark of a restore that was cut off when the store was there.
    const std::string path = paths.directory + "/" + name;
    if (!name.ends_with(".tmp") && path != MarkPaths(paths).unfinished) continue;
    TRY_DO(disk.remove(path));
    any = true;
  }
  if (any) TRY_DO(disk.sync_directory(paths.directory));
  return disk.sync_directory(paths.segments);
}

Status check_segments_exist(Disk& disk, const StorePaths& paths, const format::Manifest& manifest) {
  for (const auto& s : manifest.segments) {
    const std::string path = paths.segment(s.id, s.generation);
    TRY(const bool exists, disk.exists(path));
    if (!exists) {
      return fail(Code::corrupt,
                  fmt::format("{} is missing: events from position {} on are not here", path,
                              s.base.value));
    }
  }
  return {};
}

tl::unexpected<Error> lost_manifest(const StorePaths& paths, std::string_view proof) {
  return fail(
      Code::corrupt,
      fmt::format("{0} is missing, but {1}: the store is damaged, not empty. What can be "
                  "read becomes a new one by `tidelog store salvage --from {2} --to FOLDER`",
                  paths.manifest, proof, paths.directory));
}

// The manifest is made last, so without one there is no store yet, unless somebody took it away.
Status check_never_used(Disk& disk, const StorePaths& paths) {
  TRY(const bool is_unfinished, disk.exists(MarkPaths(paths).unfinished));
  if (is_unfinished) {
    return fail(Code::misconfigured,
                fmt::format("{} holds no store yet: a restore or a salvage into it is at work, or "
                            "was cut off and is to be given again",
                            paths.directory));
  }
  TRY(const bool is_backup, disk.exists(MarkPaths(paths).unfinished_backup));
  if (is_backup) {
    return fail(Code::misconfigured,
                fmt::format("{} holds a backup that was cut off before it was whole: make it again",
                            paths.directory));
  }
  TRY(const auto superblock, read_superblock(disk, paths));
  if (superblock && superblock->durable_batches != 0) {
    return lost_manifest(paths, fmt::format("{} tells of {} batches", paths.superblock,
                                            superblock->durable_batches));
  }
  const auto names = disk.list(paths.segments);
  if (!names) return names.error().code == Code::not_found ? Status() : error_of(names);
  for (const std::string& name : *names) {
    if (!segment_file_named(name)) continue;  // nothing of ours
    const std::string path = paths.segments + "/" + name;
    const bool is_first = path == paths.segment(1, 0);
    if (!is_first && path != paths.spare)
      return lost_manifest(paths, fmt::format("{} exists", path));
    if (!is_first) continue;
    TRY(const auto file, disk.open_read(path));
    const auto opened = read_head(*file, paths, {1, 0, {}});
    if (!opened && opened.error().code != Code::corrupt) return error_of(opened);
    if (!opened) continue;  // torn while it was made
    BatchCursor cursor(*file, opened->first);
    TRY(const auto step, cursor.next());
    if (step == BatchCursor::Step::batch) {
      return lost_manifest(paths, fmt::format("{} holds events", path));
    }
  }
  return {};
}

}  // namespace

Status write_zeros(File& file, std::uint64_t begin, std::uint64_t end) {
  const std::string zeros(std::min(chunk_bytes, end - std::min(begin, end)), '\0');
  for (std::uint64_t offset = begin; offset < end; offset += zeros.size()) {
    TRY_DO(file.write(offset, std::string_view(zeros).substr(0, end - offset)));
  }
  return {};
}

Result<std::unique_ptr<File>> make_segment(Disk& disk, const std::string& path,
                                           const format::SegmentHead& head,
                                           std::uint64_t file_bytes) {
  TRY(auto file, disk.create(path));
  const std::string bytes = format::encode(head);
  TRY_DO(file->write(0, bytes));
  TRY_DO(write_zeros(*file, bytes.size(), file_bytes));
  TRY_DO(file->sync());
  return file;
}

Result<OpenedHead> read_head(const File& file, const StorePaths& paths,
                             const format::ManifestSegment& segment) {
  const std::string path = paths.segment(segment.id, segment.generation);
  std::string fixed;
  std::string body;
  TRY_DO(file.read(0, format::head_fixed_bytes, fixed));
  const auto damaged = [&](const Error& error) {
    return fail_in(
        fmt::format("{} at offset 0 (events from position {} on)", path, segment.base.value),
        error);
  };
  const auto lengths = format::read_head_lengths(fixed);
  if (!lengths) return damaged(lengths.error());
  TRY(const std::uint64_t file_bytes, file.size());
  TRY_DO(file.read(format::head_fixed_bytes, std::min(lengths->body_bytes, file_bytes), body));
  auto head = format::read_segment_head(fixed, body);
  if (!head) return damaged(head.error());
  if (head->segment_id != segment.id || head->generation != segment.generation ||
      head->base != segment.base) {
    return fail(Code::corrupt,
                fmt::format("{}: its head is of segment {} generation {} from position {}, the "
                            "manifest says {} {} {}",
                            path, head->segment_id, head->generation, head->base.value, segment.id,
                            segment.generation, segment.base.value));
  }
  OpenedHead opened;
  opened.first = {segment.id,          segment.generation, false,     lengths->total_bytes,
                  head->base_sequence, head->chain,        head->base};
  opened.head = *std::move(head);
  return opened;
}

Status make_store(Disk& disk, const StorePaths& paths, std::uint64_t segment_bytes) {
  TRY_DO(check_never_used(disk, paths));
  // A name whose directory failed to sync may never reach the disk, whatever is synced later: names
  // are made anew.
  for (const std::string& path : {paths.segment(1, 0), paths.superblock}) {
    TRY(const bool exists, disk.exists(path));
    if (exists) TRY_DO(disk.remove(path));
  }
  format::SegmentHead head;
  head.segment_id = 1;
  head.next_schema.value = 1;
  head.next_staging_id = 1;
  TRY_DO(make_segment(disk, paths.segment(1, 0), head, segment_bytes));
  TRY_DO(disk.sync_directory(paths.segments));
  // With a slot that says that nothing is durable: later a slot that is torn while it is written
  // always leaves the other one, and both damaged are rot.
  format::Superblock empty;
  empty.counter = 2;
  empty.segment_id = 1;
  std::string slots = format::encode(empty);
  slots.resize(format::superblock_slot_offsets[1] + format::superblock_slot_bytes, '\0');
  TRY(const auto superblock, disk.create(paths.superblock));
  TRY_DO(superblock->write(0, slots));
  TRY_DO(superblock->sync());
  TRY_DO(disk.sync_directory(paths.directory));
  return write_manifest(disk, paths, {new_uuid(), {{1, 0, {}}}});
}

Result<format::Manifest> manifest_of_store(Disk& disk, const StorePaths& paths) {
  auto manifest = read_manifest(disk, paths);
  if (manifest || manifest.error().code != Code::not_found) return manifest;
  if (auto unused = check_never_used(disk, paths); !unused) {
    manifest = read_manifest(disk, paths);  // the first writer may just have made the store
    return manifest ? manifest : error_of(unused);
  }
  return fail(Code::not_found,
              fmt::format("{} holds no store ({})", paths.directory, manifest.error().what));
}

Result<Recovered> recover(Disk& disk, const StorePaths& paths, DurablePage& page) {
  Recovered r;
  TRY(r.manifest, read_manifest(disk, paths));
  TRY_DO(check_segments_exist(disk, paths, r.manifest));
  TRY(const auto superblock, read_superblock(disk, paths));
  std::uint64_t durable_batches = 0;
  if (superblock) {
    durable_batches = superblock->durable_batches;
    r.superblock_counter = superblock->counter;
  }
  if (const auto value = page.load())
    durable_batches = std::max(durable_batches, value->durable_batches);

  const format::ManifestSegment& last = r.manifest.segments.back();
  TRY(r.segment, disk.open_write(paths.segment(last.id, last.generation)));
  TRY(const auto opened, read_head(*r.segment, paths, last));
  TRY_DO(r.catalog.apply(opened.head));
  r.end = opened.first;
  const bool any_changed =
      std::any_of(opened.head.streams.begin(), opened.head.streams.end(),
                  [](const format::StreamEntry& stream) { return stream.life != StreamLife{}; });
  if (any_changed) r.changed_batches = std::max<std::uint64_t>(r.end.sequence, 1);

  LastSegment segment(disk, paths, r, durable_batches);
  TRY_DO(segment.recover());
  TRY(r.segment_bytes, r.segment->size());
  r.next_staging_id = opened.head.next_staging_id;
  for (const std::uint64_t id : segment.adopted())
    r.next_staging_id = std::max(r.next_staging_id, id + 1);
  TRY(const auto staged, disk.list(paths.staging));
  for (const std::string& name : staged) {
    if (const auto id = id_of_staged(name))
      r.next_staging_id = std::max(r.next_staging_id, *id + 1);
    if (const auto kept = kept_file_named(name))
      r.next_staging_id = std::max(r.next_staging_id, kept->staging_id + 1);
  }
  TRY_DO(remove_staged(disk, paths));
  // Its rename may be in the page cache alone, and a power loss bring back the manifest before it:
  // made anew before anything is built on it, and before what only that one names is removed.
  TRY_DO(write_manifest(disk, paths, r.manifest));
  TRY_DO(remove_leftovers(disk, paths, r, segment.adopted()));

  ++r.superblock_counter;
  TRY_DO(write_superblock(
      disk, paths,
      {r.superblock_counter, r.end.sequence, r.end.base, r.end.file_id, r.end.file_offset}));
  page.store({r.end.base, r.end.sequence, r.changed_batches});
  return r;
}

}  // namespace tidelog
