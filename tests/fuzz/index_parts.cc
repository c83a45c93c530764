// The parts of an index, each behind its own checksum: the input's first byte says which.
#include "eventstore/index_format.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"

namespace tidelog {
namespace {

using Postings = std::vector<format::Posting>;

void check_postings(std::string_view page, bool with_revisions) {
  fuzz::check_round_trip(
      page,
      [&](std::string_view bytes) {
        return format::read_postings(bytes, with_revisions, [](std::uint64_t) { return true; });
      },
      [&](const Postings& postings) {
        std::string out;
        for (const format::Posting& posting : postings)
          format::put_posting(out, posting, with_revisions);
        return out;
      });
}

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(index_parts) {
  if (input.empty()) return;
  const auto part = static_cast<std::uint8_t>(input.front()) % 6;
  const std::string_view bytes = input.substr(1);
  const auto write = [](const auto& value) { return format::encode(value); };
  if (part == 0) {
    std::string header(bytes);
    fuzz::patch_crc(header, 4, 8, header.size());
    fuzz::check_round_trip(header, format::read_index_header, write);
  } else if (part == 1) {
    fuzz::check_round_trip(bytes, format::read_index_directory, write);
  } else if (part == 2) {
    fuzz::check_round_trip(bytes, format::read_block_page, write);
  } else if (part == 3) {
    fuzz::check_round_trip(bytes, format::read_index_names, write);
  } else {
    check_postings(bytes, part == 4);
  }
}
