#include "connectors/mysql/transaction_events.h"

#include "core/bytes.h"

namespace tidelog::mysql {

Result<std::uint64_t> read_xid(std::string_view body) {
  ByteReader in(body);
  return in.finish(in.le<std::uint64_t>(), "Xid");
}

// u8 one phase | u32 format | u32 size | u32 size | name
Result<XaPrepare> read_xa_prepare(std::string_view body) {
  ByteReader in(body);
  XaPrepare prepare;
  prepare.is_one_phase = in.le<std::uint8_t>() != 0;
  const auto format = in.le<std::uint32_t>();
  const auto global_bytes = in.le<std::uint32_t>();
  const auto branch_bytes = in.le<std::uint32_t>();
  prepare.id = read_xa_id(in, format, global_bytes, branch_bytes);
  return in.finish(std::move(prepare), "XA_prepare");
}

// MySQL's: u8 size modulo 256, which says nothing | text
Result<std::string_view> read_rows_query(const Event& event) {
  ByteReader in(event.body);
  if (event.header.type == EventType::rows_query) in.le<std::uint8_t>();
  const std::string_view text = in.rest();
  return in.finish(text, name_of(event.header.type));
}

}  // namespace tidelog::mysql
