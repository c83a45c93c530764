#include "eventstore/damaged_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "eventstore/recovery.h"

namespace tidelog {
namespace {

bool is_damage(const Error& error) {
  return error.code == Code::corrupt || error.code == Code::not_found;
}

}  // namespace

Result<DamagedStore> DamagedStore::open(Disk& disk, const std::string& directory) {
  DamagedStore store(disk, directory);
  auto manifest = read_manifest(disk, store.paths_);
  if (!manifest && !is_damage(manifest.error())) return error_of(manifest);
  if (manifest) {
    store.manifest_ = *std::move(manifest);
  } else {
    store.note(
        fmt::format("the manifest cannot be read ({}): the segments were found by their names",
                    manifest.error().what));
  }
  TRY_DO(store.find_segments());
  TRY_DO(store.find_bound());
  return store;
}

void DamagedStore::note(std::string text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end())
    notes_.push_back(std::move(text));
}

Status DamagedStore::find_segments() {
  if (manifest_) {
    for (const auto& segment : manifest_->segments)
      segments_.push_back({segment.id, segment.generation, segment.base});
  }
  return choose_generations();
}

// Of segments that the manifest does not name, or names with a file that is gone, the newest file.
Status DamagedStore::choose_generations() {
  std::map<std::uint64_t, std::uint32_t> newest;
  auto names = disk_.list(paths_.segments);
  if (!names && names.error().code != Code::not_found) return error_of(names);
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    const auto file = segment_file_named(name);
    if (!file || file->kind != SegmentFile::Kind::log) continue;
    auto& generation = newest[file->segment_id];
    generation = std::max(generation, file->generation);
  }
  if (!manifest_) {
    for (const auto& [id, generation] : newest) segments_.push_back({id, generation, {}});
  }
  for (Segment& segment : segments_) {
    TRY(const bool exists, disk_.exists(paths_.segment(segment.id, segment.generation)));
    const auto other = newest.find(segment.id);
    if (exists || other == newest.end()) continue;
    note(fmt::format("{} is missing: {} is read instead",
                     paths_.segment(segment.id, segment.generation),
                     paths_.segment(segment.id, other->second)));
    segment.generation = other->second;
  }
  if (!segments_.empty()) return {};
  return fail(Code::not_found,
              fmt::format("{} has neither a manifest nor a segment: nothing can be "
                          "salvaged from it",
                          paths_.directory));
}

Status DamagedStore::find_bound() {
  if (const auto page = DurablePage::open(disk_, paths_, false)) {
    if (const auto value = page->load()) {
      bound_ = value->durable_batches;
      durable_ = value->durable;
    }
  }
  const auto superblock = read_superblock(disk_, paths_);
  if (superblock && *superblock) {
    bound_ = std::max(bound_, (*superblock)->durable_batches);
    durable_ = std::max(durable_, (*superblock)->durable);
  }
  for (const Segment& segment : segments_) {
    const auto file = disk_.open_read(paths_.segment(segment.id, segment.generation));
    if (!file) continue;
    TRY(const std::uint64_t bytes, (*file)->size());
    bytes_ += bytes;
    if (&segment != &segments_.back()) continue;
    BatchCursor::Expected first;
    first.file_id = segment.id;
    TRY(const std::uint64_t bound, durable_bound_in(**file, first));
    bound_ = std::max(bound_, bound);
  }
  return {};
}

Result<std::optional<format::SegmentHead>> DamagedStore::read_whole_head(
    const File& file, const Segment& segment, BatchCursor::Expected& first) {
  std::string fixed;
  std::string body;
  TRY_DO(file.read(0, format::head_fixed_bytes, fixed));
  const auto lengths = format::read_head_lengths(fixed);
  if (!lengths && !is_damage(lengths.error())) return error_of(lengths);
  if (lengths) {
    TRY(const std::uint64_t file_bytes, file.size());
    TRY_DO(file.read(format::head_fixed_bytes, std::min(lengths->body_bytes, file_bytes), body));
    auto head = format::read_segment_head(fixed, body);
    if (!head && !is_damage(head.error())) return error_of(head);
    if (head && head->segment_id == segment.id && head->generation == segment.generation) {
      first = {segment.id,          segment.generation, false,     lengths->total_bytes,
               head->base_sequence, head->chain,        head->base};
      return std::optional(*std::move(head));
    }
  }
  note(fmt::format("the head of {} is damaged", paths_.segment(segment.id, segment.generation)));
  return std::optional<format::SegmentHead>();
}

Status DamagedStore::walk(DamagedStoreVisitor& visitor) {
  std::optional<BatchCursor::Expected> at;  // where the log stands
  std::string why = "the log does not begin where it should";
  std::string where = paths_.manifest;
  const auto give_gap = [&](Position begin, Position end, std::string_view reason) {
    return begin < end ? visitor.gap({begin, end, where, std::string(reason)}) : Status();
  };
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    const std::string path = paths_.segment(segment.id, segment.generation);
    // Without a manifest nothing names a file that is gone, but its number is missing.
    if (i != 0 && segment.id > segments_[i - 1].id + 1) {
      where = paths_.segment(segments_[i - 1].id + 1, 0);
      why = "the file is missing";
      for (std::uint64_t id = segments_[i - 1].id + 1; id < segment.id; ++id)
        note(paths_.segment(id, 0) + " is missing");
    }
    if (!at && segment.base) {
      at.emplace();
      at->base = *segment.base;
    }
    const auto file = disk_.open_read(path);
    if (!file && file.error().code != Code::not_found) return error_of(file);
    if (!file) {
      note(path + " is missing");
      where = path;
      why = "the file is missing";
      continue;
    }
    BatchCursor::Expected first = at.value_or(BatchCursor::Expected());
    first.file_id = segment.id;
    first.generation = segment.generation;
    first.file_offset = format::head_fixed_bytes;
    TRY(const auto head, read_whole_head(**file, segment, first));
    if (at && first.base < at->base) {
      return fail(
          Code::corrupt,
          fmt::format("{} begins at position {}, but the segment before it ends at {}: these "
                      "are not segments of one log",
                      path, first.base.value, at->base.value));
    }
    if (at) TRY_DO(give_gap(at->base, first.base, why));
    if (head) TRY_DO(visitor.head(*head));
    where = path;

    DamagedLog::Limits limits;
    const bool is_last = i + 1 == segments_.size();
    if (is_last) limits.sequence_end = bound_;
    if (!is_last && segments_[i + 1].base) limits.position_end = *segments_[i + 1].base;
    DamagedLog log(**file, first, limits);
    // Without a manifest and a head, the store begins with the first batch that is found.
    bool is_begun = at.has_value() || head.has_value() || segment.id == 1;
    for (;;) {
      TRY(const auto found, log.next());
      if (found == DamagedLog::Found::end) break;
      if (found == DamagedLog::Found::batch) {
        TRY_DO(visitor.batch(segment.id, log.cursor()));
      } else if (is_begun) {
        TRY_DO(give_gap(log.gap_begin(), log.gap_end(),
                        log.why().empty() ? "zeros where a batch was" : log.why()));
      }
      is_begun = true;
    }
    at = log.expected();
    why = log.why().empty() ? fmt::format("it ends at byte {}", at->file_offset) : log.why();
    if (!log.why().empty() && !is_last) note(fmt::format("{}: {}", path, log.why()));
  }
  if (!at) return {};
  return give_gap(at->base, durable_, why);
}

}  // namespace tidelog
