#include "eventstore/packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "eventstore/batch_cursor.h"
#include "eventstore/block.h"
#include "eventstore/recovery.h"
#include "eventstore/rewrite.h"
#include "eventstore/verified_copy.h"

namespace tidelog {
namespace {

constexpr std::size_t sample_batches = 64;       // of the log, and of each adopted file
constexpr std::uint64_t sample_bytes = 1 << 20;  // of blocks, of each

// What a file's first batches take, and would take.
class Sample {
 public:
  Sample(EventStore& store, const format::ManifestSegment& segment)
      : store_(store), segment_(segment) {}

  Result<bool> is_worth_it() {
    TRY(const auto file, open_segment(store_.disk(), store_.paths(), segment_));
    TRY(const auto opened, read_head(*file, store_.paths(), segment_));
    TRY_DO(add(*file, opened.first));
    constexpr std::uint64_t saved_part = 8;
    return bytes_after_ + bytes_before_ / saved_part <= bytes_before_;
  }

 private:
  Status add(const File& file, const BatchCursor::Expected& first) {
    BatchCursor cursor(file, first);
    const std::uint64_t end = bytes_before_ + sample_bytes;
    for (std::size_t i = 0; i < sample_batches && bytes_before_ < end; ++i) {
      TRY(const auto step, cursor.next());
      if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
      if (step == BatchCursor::Step::zeros) return {};
      TRY_DO(add(cursor));
      for (const auto& adopted : cursor.extension().adopted) TRY_DO(add(adopted));
    }
    return {};
  }

  Status add(const format::AdoptedFile& adopted) {
    TRY(const auto file,
        open_named(store_.disk(),
                   store_.paths().adopted(segment_.id, adopted.staging_id, adopted.generation)));
    return add(*file, begin_of(adopted));
  }

  Status add(BatchCursor& cursor) {
    bytes_before_ += cursor.expected().file_offset - cursor.file_offset();
    bytes_after_ += cursor.expected().file_offset - cursor.file_offset();
    if (cursor.header().file_generation == 0) bytes_after_ += format::second_fixed_bytes;
    for (std::size_t i = 0; i < cursor.extension().blocks.size(); ++i) {
      TRY(const std::string_view raw, cursor.block(i));
      const format::BlockEntry& block = cursor.extension().blocks[i];
      packed_.clear();
      TRY(const auto packed, put_block(packed_, raw, block.event_count, store_.sealed_codec()));
      bytes_after_ += packed.stored_bytes;
      bytes_after_ -= block.stored_bytes;
    }
    return {};
  }

  EventStore& store_;
  const format::ManifestSegment segment_;
  std::uint64_t bytes_before_ = 0;
  std::uint64_t bytes_after_ = 0;
  std::string packed_;
};

// The last space is for events: a segment is there twice while it is packed.
Status check_space(EventStore& store, const format::ManifestSegment& segment) {
  std::uint64_t bytes = 0;
  TRY(const auto names, store.disk().list(store.paths().segments));
  for (const std::string& name : names) {
    const auto file = segment_file_named(name);
    if (!file || file->segment_id != segment.id) continue;
    TRY(const auto opened, store.disk().open_read(store.paths().segments + "/" + name));
    TRY(const std::uint64_t size, opened->size());
    bytes += size;
  }
  TRY(const std::uint64_t free, store.disk().free_bytes(store.paths().segments));
  if (free >= bytes + store.disk_floor_bytes()) return {};
  return fail(Code::disk_full,
              fmt::format("segment {} takes {} bytes, and {} are free above the disk floor",
                          segment.id, bytes, free - std::min(free, store.disk_floor_bytes())));
}

}  // namespace

Result<PackingReport> pack_segments(EventStore& store, PackingMemory& memory,
                                    const std::stop_token& stop) {
  PackingReport report;
  const auto rewriting = store.lock_rewriting();
  const format::Manifest manifest = store.manifest();
  for (std::size_t i = 0; i + 1 < manifest.segments.size() && !stop.stop_requested(); ++i) {
    const format::ManifestSegment& segment = manifest.segments[i];
    if (memory.contains({segment.id, segment.generation})) continue;
    TRY(const bool worth_it, Sample(store, segment).is_worth_it());
    if (!worth_it) {
      memory.emplace(segment.id, segment.generation);
      continue;
    }
    TRY_DO(check_space(store, segment));
    TRY(const RewrittenSegment packed,
        repack_segment(store.disk(), store.paths(), segment, manifest.segments[i + 1].base,
                       store.sealed_codec()));
    TRY_DO(store.replace_segment(packed.segment));
    memory.emplace(packed.segment.id, packed.segment.generation);
    ++report.segments;
    report.bytes_before += packed.counts.bytes_before;
    report.bytes_after += packed.counts.bytes_after;
  }
  return report;
}

}  // namespace tidelog
