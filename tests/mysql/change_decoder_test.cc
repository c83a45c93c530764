// The decoder of changes on the binlogs of real servers (tests/mysql/golden), and on events that no
// server writes.
#include "connectors/mysql/change_decoder.h"

#include <doctest/doctest.h>

#include "core/value_codec.h"
#include "core/value_text.h"
#include "tests/mysql/wire.h"
#include "tests/support/child_process.h"
#include "tests/support/paths.h"
#include "tests/support/recording_handler.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

MysqlResume nothing_executed(MysqlResume::Make make) {
  MysqlResume resume;
  resume.phase = MysqlResume::Phase::streaming;
  resume.make = make;
  resume.server = "the server";
  return resume;
}

MysqlResume at_place(const std::string& file, std::uint64_t offset) {
  MysqlResume resume = nothing_executed(MysqlResume::Make::mysql);
  resume.executed = MysqlResume::Place{{file, offset}, 0};
  return resume;
}

struct Decoding {
  Decoding(const MysqlResume& resume, const std::vector<std::string>& tables)
      : decoder(*ChangeDecoder::open(
            resume, *parse_table_choice(tables, {}),
            {.flavour =
                 resume.make == MysqlResume::Make::mysql ? Flavour::mysql : Flavour::mariadb},
            handler)) {}

  // All of a file, or up to an error.
  Status decode(std::string_view file) {
    EventCheck check(EventCheck::Continuity::every_event);
    TRY_DO(check.take(artificial_rotate("binlog.000001", 4)));
    for (file.remove_prefix(4); !file.empty();) {
      TRY(const EventHeader header, read_event_header(file));
      TRY(const PlacedEvent event, check.take(file.substr(0, header.event_bytes)));
      TRY_DO(decoder.decode(event));
      file.remove_prefix(header.event_bytes);
    }
    return {};
  }
  // An event by itself.
  Status decode(mysql::EventType type, std::string_view body) {
    PlacedEvent event;
    event.event.header.type = type;
    event.event.body = body;
    event.file = "binlog.000001";
    event.offset = 100;
    event.end_offset = 200;
    return decoder.decode(event);
  }

  RecordingHandler handler;
  ChangeDecoder decoder;
};

std::string golden(const std::string& name) {
  return content_of(source_folder() / "tests/mysql/golden" / name);
}

std::string text_of_row(std::string_view row, const Schema& schema) {
  std::string text;
  const auto values = read_row(row, schema.columns.size());
  REQUIRE(values);
  for (const Value& value : *values) {
    if (!text.empty()) text += ", ";
    print_value(text, value);
  }
  return text;
}

// "insert shop.t 1: 1, one" of each event of rows.
std::vector<std::string> changes_of(const RecordedTransaction& transaction) {
  std::vector<std::string> changes;
  for (const RecordedEvent& event : transaction.events) {
    if (!is_row_event(event.type)) continue;
    std::string change = std::string(name_of(event.type)) + " " + event.stream;
    if (event.before_kind == Before::row)
      change += " from " + text_of_row(event.before, event.schema);
    if (event.body) change += " to " + text_of_row(*event.body, event.schema);
    changes.push_back(std::move(change));
  }
  return changes;
}

using Texts = std::vector<std::string>;

TEST_CASE("mysql changes: transactions of captured tables, with their rows, GTIDs and schema") {
  for (const bool is_mysql : {true, false}) {
    CAPTURE(is_mysql);
    Decoding decoding(
        nothing_executed(is_mysql ? MysqlResume::Make::mysql : MysqlResume::Make::mariadb),
        {"shop.t"});
    const Status ended = decoding.decode(
        golden(is_mysql ? "events_mysql_8.0_1.binlog" : "events_mariadb_10.11_1.binlog"));
    const auto transactions = decoding.handler.transactions();
    REQUIRE(transactions.size() == 5);
    CHECK(transactions[0].events.at(0).type == tidelog::EventType::ddl);
    CHECK(transactions[0].events.at(0).body == "create table t (a int primary key, b text)");
    CHECK(changes_of(transactions[1]) == Texts{"insert shop.t to 1, one"});
    CHECK(changes_of(transactions[2]) == Texts{"insert shop.t to 2, ",
                                               "update shop.t from 1, one to 1, two",
                                               "update shop.t from 2,  to 2, two"});
    CHECK(transactions[2].events.back().ordinal == 2);
    const std::string gtid = is_mysql ? "9cb315cb-ea0b-11f1-b322-02fc00000001:4" : "0-1-4";
    CHECK(transactions[2].id == gtid);
    CHECK(transactions[2].position == encode_gtid(gtid));
    CHECK(print_source_position(transactions[2].resume) ==
          (is_mysql ? "gtids 9cb315cb-ea0b-11f1-b322-02fc00000001:1-4" : "gtids 0-1-4"));
    const Schema& schema = transactions[1].events.back().schema;
    CHECK(schema.columns.at(0).name == "a");
    CHECK(schema.columns.at(0).key);
    // One that was prepared first, and one that was committed in one phase.
    CHECK(transactions[3].global_id == "X'6774',X'6271',7");
    CHECK(changes_of(transactions[3]) == Texts{"insert shop.t to 4, four"});
    CHECK(changes_of(transactions[4]) == Texts{"insert shop.t to 5, "});
    CHECK(transactions[3].id == (is_mysql ? "9cb315cb-ea0b-11f1-b322-02fc00000001:8" : "0-1-8"));
    // Then comes a statement in place of rows.
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Code::unsupported);
    CHECK(ended.error().what.starts_with("binlog binlog.000001:"));
    CHECK(ended.error().what.find("update t set b = now(6)") != std::string::npos);
    REQUIRE(decoding.decoder.behind_open_transaction());
    CHECK(print_source_position(encode(*decoding.decoder.behind_open_transaction())) ==
          (is_mysql ? "gtids 9cb315cb-ea0b-11f1-b322-02fc00000001:1-10" : "gtids 0-1-10"));
  }
}

TEST_CASE("mysql changes: transactions of other tables are progress, also prepared ones") {
  Decoding decoding(nothing_executed(MysqlResume::Make::mysql), {"shop.other"});
  const Status ended = decoding.decode(golden("events_mysql_8.0_1.binlog"));
  CHECK(decoding.handler.transactions().empty());
  CHECK(print_source_position(decoding.handler.progress_positions().back()) ==
        "gtids 9cb315cb-ea0b-11f1-b322-02fc00000001:1-9");
  // A statement in place of rows may change any table.
  REQUIRE_FALSE(ended);
  CHECK(ended.error().what.find("binlog.000001:2966") != std::string::npos);
  CHECK(ended.error().what.find("update t set b = now(6)") != std::string::npos);
}

TEST_CASE("mysql changes: without GTIDs a transaction is known by its place") {
  Decoding decoding(at_place("binlog.000001", 4), {"shop.t"});
  static_cast<void>(decoding.decode(golden("events_mysql_8.0_1.binlog")));
  const auto transactions = decoding.handler.transactions();
  REQUIRE(transactions.size() == 5);
  CHECK(print_source_position(transactions[2].resume) == "binlog binlog.000001:1360");
}

TEST_CASE("mysql changes: without GTIDs the end of a transaction that failed is looked for") {
  using Type = mysql::EventType;
  Decoding decoding(at_place("binlog.000001", 4), {"shop.t"});
  const std::string statement(4 + 4 + 1 + 2 + 2 + 1, '\0');
  CHECK(decoding.decode(Type::query, statement + "BEGIN"));
  CHECK_FALSE(decoding.decode(Type::write_rows, std::string(8, '\0')));
  CHECK(decoding.decoder.lacks_end());
  CHECK_FALSE(decoding.decoder.behind_open_transaction());
  PlacedEvent event;
  event.file = "binlog.000001";
  event.event.header.type = Type::table_map;
  CHECK_FALSE(decoding.decoder.pass_over(event));
  event.event.header.type = Type::query;
  const std::string savepoint = statement + "ROLLBACK TO s";
  event.event.body = savepoint;
  CHECK_FALSE(decoding.decoder.pass_over(event));
  event.event.header.type = Type::xid;
  event.end_offset = 777;
  CHECK(decoding.decoder.pass_over(event));
  CHECK_FALSE(decoding.decoder.lacks_end());
  REQUIRE(decoding.decoder.behind_open_transaction());
  CHECK(print_source_position(encode(*decoding.decoder.behind_open_transaction())) ==
        "binlog binlog.000001:777");
}

TEST_CASE("mysql changes: another file of the same name is another history") {
  MysqlResume resume = at_place("binlog.000001", 4);
  std::get<MysqlResume::Place>(resume.executed).file_time = 1;
  Decoding decoding(resume, {"shop.t"});
  const Status ended = decoding.decode(golden("events_mysql_8.0_1.binlog"));
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == Code::history_lost);
}

TEST_CASE("mysql changes: what is stored is not taken again") {
  MysqlResume resume = nothing_executed(MysqlResume::Make::mysql);
  resume.executed = MysqlResume::Gtids{"9cb315cb-ea0b-11f1-b322-02fc00000001:1"};
  Decoding decoding(resume, {"shop.t"});
  const Status ended = decoding.decode(golden("events_mysql_8.0_1.binlog"));
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == Code::corrupt);
}

TEST_CASE("mysql changes: events that cannot be there are corrupt, and crash nothing") {
  using Type = mysql::EventType;
  for (const bool is_mysql : {true, false}) {
    const MysqlResume resume =
        nothing_executed(is_mysql ? MysqlResume::Make::mysql : MysqlResume::Make::mariadb);
    for (const Type type : {Type::xid, Type::write_rows, Type::table_map, Type::query, Type::gtid,
                            Type::mariadb_gtid, Type::xa_prepare, Type::transaction_payload}) {
      CAPTURE(static_cast<int>(type));
      Decoding decoding(resume, {"*.*"});
      const Status ended = decoding.decode(type, std::string(8, '\0'));
      REQUIRE_FALSE(ended);
      CHECK(ended.error().code == Code::corrupt);
    }
  }
}

TEST_CASE("mysql changes: a transaction of MySQL from a MariaDB, and the other way around") {
  Decoding mariadb(nothing_executed(MysqlResume::Make::mariadb), {"shop.t"});
  CHECK(mariadb.decode(golden("events_mysql_8.0_1.binlog")).error().code == Code::corrupt);
  Decoding mysql(nothing_executed(MysqlResume::Make::mysql), {"shop.t"});
  CHECK(mysql.decode(golden("events_mariadb_10.11_1.binlog")).error().code == Code::corrupt);
}

TEST_CASE("mysql changes: an incident is lost history; an event of a newer server is refused") {
  using Type = mysql::EventType;
  Decoding decoding(nothing_executed(MysqlResume::Make::mysql), {"shop.t"});
  CHECK(decoding.decode(Type::incident, std::string("\x01\0\x04lost", 7)).error().code ==
        Code::history_lost);
  CHECK(decoding.decode(static_cast<Type>(99), "").error().code == Code::unsupported);
}

TEST_CASE("mysql changes: an error of the handler is passed on as it is") {
  Decoding decoding(nothing_executed(MysqlResume::Make::mysql), {"shop.t"});
  decoding.handler.fail_events_with("no space");
  const Status ended = decoding.decode(golden("events_mysql_8.0_1.binlog"));
  REQUIRE_FALSE(ended);
  CHECK(ended.error().what == "no space");
  CHECK_FALSE(decoding.decoder.behind_open_transaction());
}

}  // namespace
}  // namespace tidelog::testing
