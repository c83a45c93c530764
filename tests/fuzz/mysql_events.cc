// A binlog event of any type: the type's number and the body.
#include "connectors/mysql/event_header.h"
#include "connectors/mysql/file_events.h"
#include "connectors/mysql/format_description.h"
#include "connectors/mysql/gtid_event.h"
#include "connectors/mysql/gtid_set.h"
#include "connectors/mysql/mariadb_gtid_event.h"
#include "connectors/mysql/query_event.h"
#include "connectors/mysql/server_error.h"
#include "connectors/mysql/transaction_events.h"
#include "tests/fuzz/fuzz_target.h"

namespace tidelog::fuzz {
namespace {

using namespace tidelog::mysql;

std::string bytes_of(const GtidSet& set) {
  std::string bytes;
  put_gtid_set(bytes, set);
  return bytes;
}

}  // namespace

TIDELOG_FUZZ_TARGET(mysql_events) {
  if (input.empty()) return;
  Event event;
  event.header.type = static_cast<EventType>(input.front());
  event.body = input.substr(1);
  std::string inflated;
  static_cast<void>(read_event_header(input));
  static_cast<void>(read_format_description(event.body));
  static_cast<void>(read_rotate(event.body));
  static_cast<void>(read_heartbeat(event));
  static_cast<void>(read_incident(event.body));
  static_cast<void>(read_gtid_event(event));
  static_cast<void>(read_mariadb_gtid_event(event));
  static_cast<void>(read_gtid_list(event.body));
  static_cast<void>(read_query_event(event, inflated));
  static_cast<void>(read_xid(event.body));
  static_cast<void>(read_xa_prepare(event.body));
  static_cast<void>(read_rows_query(event));
  static_cast<void>(read_error_packet(event.body));
  check_round_trip(event.body, read_gtid_set, bytes_of);
}

}  // namespace tidelog::fuzz
