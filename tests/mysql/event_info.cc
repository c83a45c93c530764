#include "tests/mysql/event_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "connectors/mysql/file_events.h"
#include "connectors/mysql/gtid_event.h"
#include "connectors/mysql/mariadb_gtid_event.h"
#include "connectors/mysql/query_event.h"
#include "connectors/mysql/transaction_events.h"
#include "tests/mysql/wire.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().what);
  return *std::move(result);
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string print_xa(const XaId& id) {
  return fmt::format("X'{}',X'{}',{}", hex(id.global), hex(id.branch), id.format);
}

std::string mysql_gtid_info(const Event& event) {
  const GtidEvent read = value_of(read_gtid_event(event));
  return fmt::format("SET @@SESSION.GTID_NEXT= '{}'",
                     read.gtid ? print_gtid(*read.gtid) : "ANONYMOUS");
}

std::string mariadb_gtid_info(const Event& event) {
  const MariadbGtidEvent read = value_of(read_mariadb_gtid_event(event));
  std::string info;
  if (read.xa == MariadbGtidEvent::Xa::prepare) {
    info = "XA START " + print_xa(read.xa_id) + " ";
  } else if (!read.is_standalone && read.xa == MariadbGtidEvent::Xa::none) {
    info = "BEGIN ";
  }
  info += "GTID " + print_gtid(read.gtid);
  switch (read.alter) {
    case AlterPhase::none:
      return info;
    case AlterPhase::start:
      return info + " START ALTER";
    case AlterPhase::commit:
      return info + fmt::format(" COMMIT ALTER id={}", read.alter_start);
    case AlterPhase::rollback:
      return info + fmt::format(" ROLLBACK ALTER id={}", read.alter_start);
  }
  return info;
}

std::string query_info(const Event& event) {
  std::string inflated;
  const QueryEvent query = value_of(read_query_event(event, inflated));
  constexpr std::uint16_t suppress_use = 0x8;
  if (query.database.empty() || (event.header.flags & suppress_use) != 0)
    return std::string(query.text);
  return fmt::format("use `{}`; {}", query.database, query.text);
}

std::string gtid_list_info(const Event& event) {
  std::vector<MariadbGtid> list = value_of(read_gtid_list(event.body));
  std::sort(list.begin(), list.end(),
            [](const MariadbGtid& a, const MariadbGtid& b) { return a.domain < b.domain; });
  std::string info;
  for (const MariadbGtid& gtid : list) info += (info.empty() ? "" : ",") + print_gtid(gtid);
  return "[" + info + "]";
}

std::string xa_prepare_info(const Event& event) {
  const XaPrepare prepare = value_of(read_xa_prepare(event.body));
  return prepare.is_one_phase ? "XA COMMIT " + print_xa(prepare.id) + " ONE PHASE"
                              : "XA PREPARE " + print_xa(prepare.id);
}

std::string rotate_info(const Event& event) {
  const Rotate rotate = value_of(read_rotate(event.body));
  return fmt::format("{};pos={}", rotate.file, rotate.offset);
}

}  // namespace

std::string info_of(const Event& event, const EventCheck& check) {
  const EventType type = event.header.type;
  if (type == EventType::gtid || type == EventType::anonymous_gtid ||
      type == EventType::gtid_tagged)
    return mysql_gtid_info(event);
  if (type == EventType::mariadb_gtid) return mariadb_gtid_info(event);
  if (type == EventType::gtid_list) return gtid_list_info(event);
  if (type == EventType::query || type == EventType::query_compressed) return query_info(event);
  if (type == EventType::xid)
    return fmt::format("COMMIT /* xid={} */", value_of(read_xid(event.body)));
  if (type == EventType::xa_prepare) return xa_prepare_info(event);
  if (type == EventType::previous_gtids) return value_of(read_gtid_set(event.body)).print();
  if (type == EventType::rows_query) return fmt::format("# {}", value_of(read_rows_query(event)));
  if (type == EventType::annotate_rows) return std::string(value_of(read_rows_query(event)));
  if (type == EventType::rotate) return rotate_info(event);
  if (type == EventType::format_description)
    return fmt::format("Server ver: {}, Binlog ver: 4", check.format().server_version);
  return "";
}

std::vector<FileEventInfo> infos_of_file(std::string_view file) {
  EventCheck check(EventCheck::Continuity::every_event);
  value_of(check.take(artificial_rotate("binlog.000001", 4)));
  std::vector<FileEventInfo> infos;
  for (file.remove_prefix(4); !file.empty();) {
    const EventHeader header = value_of(read_event_header(file));
    const PlacedEvent placed = value_of(check.take(file.substr(0, header.event_bytes)));
    infos.push_back(
        {placed.offset, std::string(name_of(header.type)), info_of(placed.event, check)});
    file.remove_prefix(header.event_bytes);
  }
  return infos;
}

std::vector<FileEventInfo> infos_of_text(std::string_view lines) {
  std::vector<FileEventInfo> infos;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const std::size_t type_at = line.find('\t') + 1;
    const std::size_t info_at = line.find('\t', type_at) + 1;
    FileEventInfo& event = infos.emplace_back();
    std::from_chars(line.data(), line.data() + type_at, event.offset);
    event.type = line.substr(type_at, info_at - 1 - type_at);
    event.info = line.substr(info_at);
    if (event.type.starts_with("Query"))
      event.info.resize(std::min(event.info.rfind(" /* xid="), event.info.size()));
    if (event.type.find("_rows") != event.type.npos && event.info.starts_with("table_id: "))
      event.info.clear();
    if (event.type == "Table_map" || event.type == "Binlog_checkpoint" ||
        event.type.starts_with("Update_rows") || event.type == "Transaction_payload")
      event.info.clear();
  }
  return infos;
}

}  // namespace tidelog::testing
