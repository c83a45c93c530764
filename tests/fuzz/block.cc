// A block's stored bytes: u8 codec | u16 raw length | stored.
#include "eventstore/block.h"
#include "core/bytes.h"
#include "core/crc32c.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(block) {
  ByteReader in(input);
  format::BlockEntry entry;
  entry.codec = static_cast<format::Codec>(in.le<std::uint8_t>() % 4);
  entry.raw_bytes = in.le<std::uint16_t>();
  const std::string_view stored = in.rest();
  entry.stored_bytes = stored.size();
  entry.event_count = 1;
  entry.crc = crc32c(stored);
  std::string buffer;
  const auto raw = open_block(entry, stored, buffer);
  if (!raw) return;
  INVARIANT(raw->size() == entry.raw_bytes, "a block is as long as it says");
  std::string body;
  const auto put = put_block(body, *raw, 1);
  INVARIANT(put, "what was read can be stored");
  std::string again;
  const auto reread = open_block(*put, body, again);
  INVARIANT(reread && *reread == *raw, "what is stored is what is read");
}
