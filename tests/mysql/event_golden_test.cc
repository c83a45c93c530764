// The events of binlogs that real servers wrote, beside what those servers said of them with SHOW
// BINLOG EVENTS. tests/integration/mysql_events_test.cc makes them.
#include <doctest/doctest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/mysql/file_events.h"
#include "connectors/mysql/gtid_event.h"
#include "connectors/mysql/gtid_set.h"
#include "connectors/mysql/mariadb_gtid_event.h"
#include "connectors/mysql/payload_reader.h"
#include "connectors/mysql/query_event.h"
#include "connectors/mysql/transaction_events.h"
#include "tests/core/damage.h"
#include "tests/mysql/event_info.h"
#include "tests/support/child_process.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

std::vector<std::filesystem::path> golden_binlogs() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(source_folder() / "tests/mysql/golden")) {
    if (entry.path().extension() == ".binlog") files.push_back(entry.path());
  }
  return files;
}

std::string print(const std::vector<FileEventInfo>& infos) {
  std::string text;
  for (const FileEventInfo& event : infos)
    text += std::to_string(event.offset) + " " + event.type + " " + event.info + "\n";
  return text;
}

TEST_CASE("golden binlogs: each event is where and what its server says") {
  CHECK(golden_binlogs().size() >= 4);
  for (const std::filesystem::path& path : golden_binlogs()) {
    CAPTURE(path.string());
    std::filesystem::path told = path;
    CHECK(print(infos_of_file(content_of(path))) ==
          print(infos_of_text(content_of(told.replace_extension(".txt")))));
  }
}

// The whole events of one golden binlog, with their bodies.
std::vector<std::pair<EventHeader, std::string>> events_of(const std::string& name) {
  const std::string file = content_of(source_folder() / "tests/mysql/golden" / name);
  std::vector<std::pair<EventHeader, std::string>> events;
  for (std::string_view left = std::string_view(file).substr(4); !left.empty();) {
    const EventHeader header = *read_event_header(left);
    events.emplace_back(
        header, left.substr(event_header_bytes,
                            header.event_bytes - event_header_bytes - event_checksum_bytes));
    left.remove_prefix(header.event_bytes);
  }
  return events;
}

TEST_CASE("golden binlogs: a GTID event tells how long its transaction is, and when it committed") {
  for (const std::string name :
       {"events_mysql_8.0_1.binlog", "events_mysql_9.7_1.binlog", "events_mysql_9.7_3.binlog"}) {
    CAPTURE(name);
    std::optional<std::uint64_t> told;
    std::uint64_t bytes = 0;
    int checked = 0;
    for (const auto& [header, body] : events_of(name)) {
      const bool begins = header.type == EventType::gtid || header.type == EventType::gtid_tagged;
      if ((begins || header.type == EventType::rotate || header.type == EventType::stop) && told) {
        CHECK(*told == bytes);
        ++checked;
        told.reset();
      }
      if (begins) {
        bytes = 0;
        const auto event = read_gtid_event({header, body});
        REQUIRE(event);
        told = event->transaction_bytes;
        REQUIRE(told);
        REQUIRE(event->commit);
        CHECK(event->commit == event->original_commit);
        CHECK(event->commit->value / 1'000'000 >= 1'795'000'000);
      }
      bytes += header.event_bytes;
    }
    CHECK(checked >= 1);
  }
}

TEST_CASE("golden binlogs: a statement has its session's mode, character set and microseconds") {
  for (const std::string make : {"mysql_8.0", "mysql_9.7", "mariadb_10.11", "mariadb_11.8"}) {
    CAPTURE(make);
    std::string inflated;
    bool found = false;
    for (const auto& [header, body] : events_of("events_" + make + "_1.binlog")) {
      if (header.type != EventType::query) continue;
      const auto query = read_query_event({header, body}, inflated);
      REQUIRE(query);
      if (query->text != "update t set b = now(6)") continue;
      found = true;
      constexpr std::uint64_t ansi_quotes = 4;
      CHECK(query->sql_mode == ansi_quotes);
      CHECK(query->database == "shop");
      CHECK(query->microseconds == 123'456);
      CHECK(header.timestamp == 1'700'000'000);
      CHECK(query->client_collation);
    }
    CHECK(found);
  }
}

TEST_CASE("golden binlogs: a tag that no server gives a transaction is corrupt") {
  bool found = false;
  for (const std::string name : {"events_mysql_9.7_1.binlog", "events_mysql_9.7_2.binlog",
                                 "events_mysql_9.7_3.binlog", "events_mysql_9.7_4.binlog"}) {
    for (auto [header, body] : events_of(name)) {
      if (header.type != EventType::gtid_tagged) continue;
      const auto event = read_gtid_event({header, body});
      REQUIRE(event);
      const std::string tag = event->gtid->source.tag;
      REQUIRE_FALSE(tag.empty());
      found = true;
      std::string damaged(body);
      damaged[damaged.find(tag)] = '-';
      CHECK(read_gtid_event({header, damaged}).error().code == Code::corrupt);
    }
  }
  CHECK(found);
}

TEST_CASE("statements: status variables of a newer server are passed over, others are not") {
  const auto with_variable = [](char number) {
    std::string body(4 + 4 + 1 + 2, '\0');
    body += std::string("\x03\0", 2) + number + "xx" + '\0' + "select 1";
    EventHeader header;
    header.type = EventType::query;
    std::string inflated;
    const auto query = read_query_event({header, body}, inflated);
    return query ? std::string(query->text) : query.error().what;
  };
  CHECK(with_variable('\x15') == "select 1");
  CHECK(with_variable('\x90') == "select 1");
  CHECK(with_variable('\x0e') == "a statement with the status variable 14, which is not known");
}

TEST_CASE("golden binlogs: a payload has its transaction's events") {
  for (const std::string make : {"mysql_8.0", "mysql_9.7"}) {
    CAPTURE(make);
    std::vector<std::string> types;
    PayloadReader reader;
    for (const auto& [header, body] : events_of("events_" + make + "_2.binlog")) {
      if (header.type != EventType::transaction_payload) continue;
      REQUIRE(reader.begin(body));
      auto event = reader.next();
      for (; event && *event; event = reader.next())
        types.emplace_back(name_of((*event)->header.type));
      CHECK(event);
      CHECK(reader.end());
    }
    CHECK(types == std::vector<std::string>{"Query", "Table_map", "Write_rows", "Xid"});
  }
}

// Whether the reader of its type reads it; of types without one, never.
bool is_readable(const Event& event) {
  const EventType type = event.header.type;
  std::string inflated;
  if (type == EventType::gtid || type == EventType::anonymous_gtid ||
      type == EventType::gtid_tagged)
    return read_gtid_event(event).has_value();
  if (type == EventType::mariadb_gtid) return read_mariadb_gtid_event(event).has_value();
  if (type == EventType::gtid_list) return read_gtid_list(event.body).has_value();
  if (type == EventType::query || type == EventType::query_compressed)
    return read_query_event(event, inflated).has_value();
  if (type == EventType::xid) return read_xid(event.body).has_value();
  if (type == EventType::xa_prepare) return read_xa_prepare(event.body).has_value();
  if (type == EventType::previous_gtids) return read_gtid_set(event.body).has_value();
  if (type == EventType::rotate) return read_rotate(event.body).has_value();
  return false;
}

// A text at the end has no size of its own, and what later servers add to these may be missing.
bool may_be_shorter(EventType type) {
  return type == EventType::query || type == EventType::rotate || type == EventType::gtid ||
         type == EventType::anonymous_gtid || type == EventType::mariadb_gtid;
}

TEST_CASE("golden binlogs: a shorter event is corrupt, and no damage makes a reader crash") {
  for (const std::filesystem::path& path : golden_binlogs()) {
    CAPTURE(path.string());
    const std::string file = content_of(path);
    for (std::string_view left = std::string_view(file).substr(4); !left.empty();) {
      const EventHeader header = *read_event_header(left);
      const std::string_view body =
          left.substr(event_header_bytes, header.event_bytes - event_header_bytes - 4);
      left.remove_prefix(header.event_bytes);
      CAPTURE(name_of(header.type));
      if (!is_readable({header, body})) continue;
      for_each_prefix(body, [&](std::string_view prefix) {
        const bool read = is_readable({header, prefix});
        if (!may_be_shorter(header.type)) CHECK_FALSE(read);
      });
      for_each_flipped_bit(body, [&](std::string_view damaged) {
        static_cast<void>(is_readable({header, damaged}));
      });
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
