#include "eventstore/damaged_log.h"

#include <algorithm>

#include "core/bytes.h"

namespace tidelog {
namespace {

constexpr std::uint64_t chunk_bytes = 1 << 20;

// Calls visit(offset, header) for every whole batch header from `offset` on, until it answers
// false.
template <class Visit>
Status for_headers(const File& file, std::uint64_t offset, Visit visit) {
  TRY(const std::uint64_t file_bytes, file.size());
  std::string chunk;
  for (; offset < file_bytes; offset += chunk_bytes) {
    TRY_DO(file.read(offset, chunk_bytes + format::batch_fixed_bytes, chunk));
    const std::string_view bytes = chunk;
    std::size_t at = bytes.find_first_not_of('\0');
    if (at == std::string_view::npos) continue;
    at = at / format::alignment * format::alignment;
    for (; at < std::min<std::size_t>(bytes.size(), chunk_bytes); at += format::alignment) {
      const std::string_view rest = bytes.substr(at);
      if (rest.size() < format::batch_fixed_bytes ||
          ByteReader(rest).le<std::uint32_t>() != format::batch_magic)
        continue;
      const auto header = format::read_batch_header(rest.substr(0, format::batch_fixed_bytes));
      if (!header) continue;
      TRY(const bool more, visit(offset + at, *header));
      if (!more) return {};
    }
  }
  return {};
}

}  // namespace

Result<DamagedLog::Found> DamagedLog::next() {
  if (found_ahead_) {
    found_ahead_ = false;
    return take();
  }
  TRY(const auto step, cursor_.next());
  if (step == BatchCursor::Step::batch) return take();
  why_ = step == BatchCursor::Step::bad ? cursor_.why() : std::string();
  TRY(const bool found, find_next());
  if (!found) return Found::end;
  gap_begin_ = at_.base;
  gap_end_ = cursor_.header().base;
  if (gap_begin_ == gap_end_ && at_.sequence == cursor_.header().sequence) return take();
  found_ahead_ = true;
  return Found::gap;
}

Result<DamagedLog::Found> DamagedLog::take() {
  at_ = cursor_.expected();
  return Found::batch;
}

bool DamagedLog::may_follow(const format::BatchHeader& header) const {
  return header.file_id == at_.file_id && header.staged == at_.staged &&
         header.sequence >= at_.sequence && header.sequence < limits_.sequence_end &&
         header.base >= at_.base && header.base <= limits_.position_end &&
         header.event_count <= limits_.position_end.value - header.base.value;
}

// Puts the cursor on the next batch, whose header says itself what it follows.
Result<bool> DamagedLog::find_next() {
  bool found = false;
  TRY_DO(for_headers(file_, at_.file_offset,
                     [&](std::uint64_t offset, const format::BatchHeader& header) -> Result<bool> {
                       if (!may_follow(header)) return true;
                       BatchCursor::Expected there = at_;
                       there.file_offset = offset;
                       there.sequence = header.sequence;
                       there.chain = header.chain;
                       there.base = header.base;
                       BatchCursor cursor(file_, there);
                       TRY(const auto step, cursor.next());
                       if (step != BatchCursor::Step::batch) {
                         if (why_.empty()) why_ = cursor.why();
                         return true;
                       }
                       cursor_ = std::move(cursor);
                       found = true;
                       return false;
                     }));
  return found;
}

Result<std::optional<BatchCursor::Expected>> last_header_in(const File& file,
                                                            std::uint64_t segment_id,
                                                            std::uint64_t batches) {
  std::optional<BatchCursor::Expected> last;
  TRY_DO(for_headers(file, format::head_fixed_bytes,
                     [&](std::uint64_t, const format::BatchHeader& header) -> Result<bool> {
                       const bool counts = header.file_id == segment_id && !header.staged &&
                                           header.sequence < batches &&
                                           (!last || header.sequence >= last->sequence);
                       if (!counts) return true;
                       last.emplace();
                       last->file_id = segment_id;
                       last->sequence = header.sequence + 1;
                       last->chain = header.crc;
                       last->base = header.base + header.event_count;
                       return true;
                     }));
  return last;
}

Result<std::uint64_t> durable_bound_in(const File& file, const BatchCursor::Expected& first) {
  std::uint64_t bound = 0;
  TRY_DO(for_headers(file, first.file_offset,
                     [&](std::uint64_t, const format::BatchHeader& header) -> Result<bool> {
                       if (header.file_id == first.file_id && !header.staged)
                         bound = std::max(bound, header.durable_batches);
                       return true;
                     }));
  return bound;
}

}  // namespace tidelog
