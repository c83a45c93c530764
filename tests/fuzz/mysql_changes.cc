// Events of a binlog one after the other, through the decoder of changes: u8 whether of MariaDB
// (1), and without GTIDs (2) | (u8 type | u16 length | body)*.
#include <algorithm>

#include "connectors/mysql/change_decoder.h"
#include "core/bytes.h"
#include "tests/fuzz/checking_handler.h"
#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;
using namespace tidelog::mysql;

namespace {

MysqlResume resume_of(std::uint8_t form) {
  MysqlResume resume;
  resume.phase = MysqlResume::Phase::streaming;
  if ((form & 1) != 0) resume.make = MysqlResume::Make::mariadb;
  if ((form & 2) != 0) resume.executed = MysqlResume::Place{{"binlog.000001", 4}, 0};
  return resume;
}

}  // namespace

TIDELOG_FUZZ_TARGET(mysql_changes) {
  ByteReader in(input);
  const auto form = in.le<std::uint8_t>();
  const Flavour flavour = (form & 1) != 0 ? Flavour::mariadb : Flavour::mysql;
  fuzz::CheckingHandler handler;
  TableChoice choice = *parse_table_choice({"*.t"}, {});
  auto decoder =
      ChangeDecoder::open(resume_of(form), std::move(choice), {.flavour = flavour}, handler);
  INVARIANT(decoder, "a position that is encoded can be gone on from");
  PlacedEvent event;
  event.file = "binlog.000001";
  while (in.remaining() != 0) {
    event.event.header.type = static_cast<mysql::EventType>(in.le<std::uint8_t>());
    const auto length = in.le<std::uint16_t>();
    event.event.body = in.bytes(std::min<std::uint64_t>(length, in.remaining()));
    event.end_offset = event.offset + event_header_bytes + event.event.body.size();
    if (!decoder->decode(event)) return;
    event.offset = event.end_offset;
  }
}
