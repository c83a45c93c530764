// What a server sends for a binlog dump: how much comes at once, and the packets.
#include <memory>

#include "connectors/mysql/event_stream.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/mysql/fake_channel.h"

namespace tidelog::fuzz {
namespace {

using namespace tidelog::mysql;

void read_all(std::string_view bytes, std::size_t chunk, EventCheck::Continuity continuity) {
  testing::FakeChannel channel(std::string(bytes), chunk);
  EventStream stream(channel, continuity, true);
  for (int empty = 0; empty < 2;) {
    const Result<Arrival> arrival = stream.next();
    if (!arrival || *arrival == Arrival::end) return;
    empty = channel.is_empty() && *arrival == Arrival::nothing ? empty + 1 : 0;
    if (*arrival != Arrival::event) continue;
    const PlacedEvent& event = stream.event();
    INVARIANT(event.end_offset >= event.offset, "an event does not end before it begins");
    INVARIANT(event.is_whole || event.event.body.empty(), "a body is whole, or in pieces");
  }
}

}  // namespace

TIDELOG_FUZZ_TARGET(mysql_stream) {
  if (input.empty()) return;
  const auto chunk = static_cast<std::size_t>(static_cast<unsigned char>(input.front())) + 1;
  input.remove_prefix(1);
  read_all(input, chunk, EventCheck::Continuity::every_event);
  read_all(input, 1 << 20, EventCheck::Continuity::some_events);
}

}  // namespace tidelog::fuzz
