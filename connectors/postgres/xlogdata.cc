#include "connectors/postgres/xlogdata.h"

#include <fmt/format.h>

#include "connectors/postgres/pgoutput.h"
#include "core/bytes.h"

namespace tidelog::postgres {

namespace {

// 'w' | u64 start | u64 end of the log on the server | i64 time | payload
Result<Frame> read_data(ByteReader in) {
  Frame frame;
  frame.kind = Frame::Kind::data;
  frame.start = Lsn{in.be<std::uint64_t>()};
  frame.end = Lsn{in.be<std::uint64_t>()};
  frame.server_time = from_postgres_time(in.be<std::int64_t>());
  frame.payload = in.rest();
  if (frame.payload.empty()) in.fail();
  return in.finish(frame, "XLogData");
}

// 'k' | u64 end of what was sent | i64 time | u8 reply wanted
Result<Frame> read_keepalive(ByteReader in) {
  Frame frame;
  frame.kind = Frame::Kind::keepalive;
  frame.end = Lsn{in.be<std::uint64_t>()};
  frame.server_time = from_postgres_time(in.be<std::int64_t>());
  frame.reply_wanted = in.be<std::uint8_t>() != 0;
  return in.finish(frame, "keepalive");
}

}  // namespace

Result<Frame> read_frame(std::string_view bytes) {
  ByteReader in(bytes);
  const char letter = in.be<char>();
  if (in.failed()) return fail(Code::corrupt, "an empty frame from the replication connection");
  if (letter == 'w') return read_data(in);
  if (letter == 'k') return read_keepalive(in);
  return fail(Code::unsupported,
              fmt::format("a replication frame of type '{}' (0x{:02x}); known are 'w' and 'k'",
                          letter >= ' ' && letter <= '~' ? letter : '?',
                          static_cast<unsigned char>(letter)));
}

// 'r' | u64 written | u64 flushed | u64 applied | i64 time | u8 reply wanted
void put_status_update(std::string& out, Lsn flushed, UnixMicros now) {
  out.push_back('r');
  for (int i = 0; i < 3; ++i) put_be(out, flushed.value);
  put_be(out, to_postgres_time(now));
  out.push_back('\0');
}

}  // namespace tidelog::postgres
