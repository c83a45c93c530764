#include <filesystem>
#include <string_view>

#include "connectors/mysql/event_header.h"
#include "tests/fuzz/seeds.h"
#include "tests/mysql/wire.h"
#include "tests/support/child_process.h"
#include "tests/support/paths.h"

namespace tidelog::fuzz {
namespace {

using namespace tidelog::mysql;

// The events of a golden binlog: each by itself, as a server sends them, and as they are decoded.
void add_binlog(Seeds& seeds, std::string_view file, bool is_mariadb) {
  std::string changes(1, is_mariadb ? '\1' : '\0');
  std::uint8_t number = 1;
  std::string stream(1, '\xFF');
  testing::put_packet(stream, std::string(1, '\0') + testing::artificial_rotate("bin.1", 4),
                      number);
  for (file.remove_prefix(4); !file.empty();) {
    const Result<EventHeader> header = read_event_header(file);
    const std::string_view event = file.substr(0, header->event_bytes);
    file.remove_prefix(event.size());
    testing::put_packet(stream, std::string(1, '\0').append(event), number);
    std::string seed(1, static_cast<char>(header->type));
    seed += event.substr(event_header_bytes);
    seed.resize(seed.size() - event_checksum_bytes);
    if (header->type == EventType::transaction_payload)
      seeds["mysql_payload"].push_back(seed.substr(1));
    changes.push_back(seed.front());
    put_le(changes, static_cast<std::uint16_t>(seed.size() - 1));
    changes += seed.substr(1);
    seeds["mysql_events"].push_back(std::move(seed));
  }
  seeds["mysql_stream"].push_back(std::move(stream));
  seeds["mysql_changes"].push_back(changes);
  changes.front() = static_cast<char>(changes.front() | 2);
  if (!is_mariadb) seeds["mysql_changes"].push_back(changes);
}

}  // namespace

void add_mysql_events(Seeds& seeds) {
  const std::filesystem::path folder = testing::source_folder() / "tests/mysql/golden";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".binlog") continue;
    const bool is_mariadb = entry.path().filename().string().find("mariadb") != std::string::npos;
    add_binlog(seeds, testing::content_of(entry.path()), is_mariadb);
  }
  seeds["mysql_gtids"] = {
      "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7:tag:1-2,\nfe595f8a-ea09-11f1-a450-02fc00000001:1",
      "0-1-18446744073709551615,7-2-3"};
}

}  // namespace tidelog::fuzz
