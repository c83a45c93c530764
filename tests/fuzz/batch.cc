// A batch's header and extension, and those of a rewritten file: 96 bytes, 40 bytes when the
// input's first byte is odd, the extension.
#include "core/bytes.h"
#include "eventstore/format.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"

namespace tidelog {
namespace {

struct Batch {
  format::BatchHeader header;
  format::BatchExtension extension;
  std::string original;  // header
};

Result<Batch> read_batch(std::string_view bytes, bool rewritten) {
  Batch batch;
  batch.original = bytes.substr(0, format::batch_fixed_bytes);
  TRY(batch.header, format::read_batch_header(batch.original));
  std::size_t headers = format::batch_fixed_bytes;
  if (rewritten) {
    const auto second = bytes.substr(headers, format::second_fixed_bytes);
    TRY_DO(format::read_second_header(second, batch.header));
    headers += format::second_fixed_bytes;
  }
  TRY(batch.extension, format::read_batch_extension(
                           batch.header, bytes.substr(headers, batch.header.extension_bytes)));
  return batch;
}

std::string write_batch(const Batch& batch, bool rewritten) {
  format::BatchHeader header = batch.header;
  return rewritten ? format::encode_rewritten(batch.original, header, batch.extension)
                   : format::encode(header, batch.extension);
}

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(batch) {
  if (input.empty()) return;
  const bool rewritten = (input.front() & 1) != 0;
  std::string bytes(input.substr(1));
  const std::size_t headers =
      format::batch_fixed_bytes + (rewritten ? format::second_fixed_bytes : 0);
  if (bytes.size() < headers) return;
  patch_le(bytes, rewritten ? 96 + 12 : 80, static_cast<std::uint32_t>(bytes.size() - headers));
  // The body is elsewhere.
  patch_le(bytes, rewritten ? 96 + 24 : 88, std::uint64_t{0});
  ByteReader chain(std::string_view(bytes).substr(72));
  fuzz::reseal_batches(bytes, 0, chain.le<std::uint32_t>(), rewritten);
  fuzz::check_round_trip(
      bytes, [&](std::string_view b) { return read_batch(b, rewritten); },
      [&](const Batch& batch) { return write_batch(batch, rewritten); });
}
