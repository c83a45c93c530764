#include "core/bytes.h"
#include "eventstore/format.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"

namespace tidelog {
namespace {

Result<format::SegmentHead> read_head(std::string_view bytes) {
  const std::string_view fixed = bytes.substr(0, format::head_fixed_bytes);
  TRY(const auto lengths, format::read_head_lengths(fixed));
  if (lengths.body_bytes > bytes.size() - fixed.size()) return fail(Code::corrupt, "cut short");
  return format::read_segment_head(fixed, bytes.substr(fixed.size(), lengths.body_bytes));
}

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(segment_head) {
  std::string bytes(input);
  if (bytes.size() >= format::head_fixed_bytes)
    patch_le(bytes, 64, std::uint64_t{bytes.size() - format::head_fixed_bytes});
  fuzz::reseal_head(bytes);
  fuzz::check_round_trip(bytes, read_head,
                         [](const format::SegmentHead& head) { return format::encode(head); });
}
