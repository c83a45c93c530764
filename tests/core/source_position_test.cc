#include "core/source_position.h"

#include <doctest/doctest.h>

#include "tests/core/damage.h"

using namespace std::string_view_literals;

namespace tidelog::testing {
namespace {

PostgresResume streaming() {
  PostgresResume resume;
  resume.phase = PostgresResume::Phase::streaming;
  resume.system_id = 7'000'000'000'000'000'001;
  resume.timeline = 3;
  resume.end_lsn = {0x16'B374'D848};
  resume.slot = "tidelog_shop";
  return resume;
}

TEST_CASE("resume position: it is read as it was stored") {
  PostgresResume loading;
  loading.slot = "tidelog_shop";
  PostgresResume standby = streaming();
  standby.consistent = {0x16'B374'0000};
  standby.is_standby = true;
  for (const PostgresResume& resume : {streaming(), loading, PostgresResume{}, standby}) {
    const auto again = read_postgres_resume(encode(resume));
    REQUIRE(again);
    CHECK(*again == resume);
  }
}

TEST_CASE("resume position: what is kept follows the slot's name, whole or not at all") {
  PostgresResume resume = streaming();
  const std::size_t without = encode(resume).size();
  resume.kept = {7, 0x0102030405060708};
  const std::string bytes = encode(resume);
  CHECK(*read_postgres_resume(bytes) == resume);
  CHECK(bytes.substr(without) ==
        std::string("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7\1\2\3\4\5\6\7\10", 26));
  for (std::size_t size = without + 1; size < bytes.size(); ++size) {
    if (size == without + 18) continue;
    CHECK_FALSE(read_postgres_resume(bytes.substr(0, size)));
  }
}

TEST_CASE("resume position: the bytes are those of its grammar") {
  CHECK(encode(streaming()) ==
        "\x02\x02\x61\x24\xfe\xe9\x93\xbc\x00\x01\x00\x00\x00\x03"
        "\x00\x00\x00\x16\xb3\x74\xd8\x48tidelog_shop"sv);
}

TEST_CASE("resume position: where the slot began, and a standby, follow the slot's name") {
  PostgresResume resume = streaming();
  const std::size_t without = encode(resume).size();
  resume.consistent = {0x0102};
  resume.is_standby = true;
  const std::string bytes = encode(resume);
  CHECK(bytes.substr(without) == std::string("\0\0\0\0\0\0\0\1\2\1", 10));
  CHECK_FALSE(read_postgres_resume(bytes.substr(0, bytes.size() - 1)));
  CHECK_FALSE(read_postgres_resume(bytes.substr(0, bytes.size() - 1) + '\2'));
  // One form for what says nothing.
  CHECK_FALSE(read_postgres_resume(bytes.substr(0, without) + std::string(10, '\0')));
}

TEST_CASE("resume position: every prefix without its slot is corrupt") {
  PostgresResume resume = streaming();
  resume.slot.clear();
  for_each_prefix(encode(resume), [](std::string_view prefix) {
    const auto read = read_postgres_resume(prefix);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Code::corrupt);
  });
}

TEST_CASE("resume position: another kind or phase is corrupt") {
  for (const auto& [offset, bad] :
       {std::pair<std::size_t, char>{0, '\x01'}, {0, '\x03'}, {1, '\0'}, {1, '\x03'}}) {
    std::string bytes = encode(streaming());
    bytes[offset] = bad;
    const auto read = read_postgres_resume(bytes);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Code::corrupt);
  }
}

TEST_CASE("lsn: its stored form comes back, and sorts as it does") {
  const Lsn low{0xFFFF'FFFF};
  const Lsn high{0x1'0000'0000};
  for (const Lsn lsn : {Lsn{0}, low, high, Lsn{~std::uint64_t{0}}}) {
    const auto again = read_postgres_lsn(encode(lsn));
    REQUIRE(again);
    CHECK(*again == lsn);
  }
  CHECK(encode(low) < encode(high));
}

TEST_CASE("lsn: every prefix of its stored form, and a byte too many, is corrupt") {
  const std::string bytes = encode(Lsn{0x16'B374'D848});
  for_each_prefix(bytes, [](std::string_view prefix) {
    const auto read = read_postgres_lsn(prefix);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Code::corrupt);
  });
  CHECK_FALSE(read_postgres_lsn(bytes + "x"));
}

TEST_CASE("lsn: printed as Postgres prints it") {
  CHECK(print_lsn({0x16'B374'D848}) == "16/B374D848");
  CHECK(print_lsn({0x16B'3748}) == "0/16B3748");
  CHECK(print_lsn({0}) == "0/0");
  CHECK(print_lsn({~std::uint64_t{0}}) == "FFFFFFFF/FFFFFFFF");
}

TEST_CASE("lsn: what is printed is parsed again") {
  for (const Lsn lsn : {Lsn{0}, Lsn{0x16'B374'D848}, Lsn{~std::uint64_t{0}}}) {
    const auto again = parse_lsn(print_lsn(lsn));
    REQUIRE(again);
    CHECK(*again == lsn);
  }
  CHECK(parse_lsn("16/b374d848")->value == 0x16'B374'D848);
}

TEST_CASE("lsn: a malformed text is refused and named") {
  for (const char* text : {"", "/", "0/", "/0", "16", "16/B374D848/", "16/G", "-1/0", " 1/0",
                           "1/0 ", "123456789/0", "0/123456789", "0x1/0"}) {
    CAPTURE(text);
    const auto lsn = parse_lsn(text);
    REQUIRE_FALSE(lsn);
    CHECK(lsn.error().code == Code::corrupt);
    CHECK(lsn.error().what.find("'" + std::string(text) + "'") != std::string::npos);
  }
}

MysqlResume by_gtids() {
  MysqlResume resume;
  resume.phase = MysqlResume::Phase::streaming;
  resume.server = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
  resume.tables = 0x0102;
  resume.executed = MysqlResume::Gtids{"3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:tag:1"};
  return resume;
}

MysqlResume by_place() {
  MysqlResume resume;
  resume.phase = MysqlResume::Phase::streaming;
  resume.make = MysqlResume::Make::mariadb;
  resume.server = "7";
  resume.executed = MysqlResume::Place{{"binlog.000003", 0x1'0000'0004}, 1'700'000'000};
  resume.kept = {5, 0x102};
  return resume;
}

TEST_CASE("mysql resume position: it is read as it was stored") {
  MysqlResume nothing_executed = by_gtids();
  nothing_executed.executed = MysqlResume::Gtids{};
  for (const MysqlResume& resume : {by_gtids(), by_place(), nothing_executed, MysqlResume{}}) {
    const auto again = read_mysql_resume(encode(resume));
    REQUIRE(again);
    CHECK(*again == resume);
    CHECK_FALSE(read_postgres_resume(encode(resume)));
  }
}

TEST_CASE("mysql resume position: the bytes are those of its grammar") {
  CHECK(encode(by_place()) ==
        "\x03\x02\x02\0\0\0\0\0\0\0\0\x01"
        "7"
        "\0\0\0\x02\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\x01\x02"
        "\x02\0\0\0\x01\0\0\0\x04\x65\x53\xf1\0binlog.000003"sv);
}

TEST_CASE("mysql resume position: every prefix without its text is corrupt") {
  MysqlResume resume = by_gtids();
  resume.executed = MysqlResume::Gtids{};
  for (const std::string& bytes : {encode(resume), encode(by_place()).substr(0, 47)}) {
    for_each_prefix(bytes, [](std::string_view prefix) {
      const auto read = read_mysql_resume(prefix);
      REQUIRE_FALSE(read);
      CHECK(read.error().code == Code::corrupt);
    });
  }
}

TEST_CASE("mysql resume position: another kind, phase, make or form is corrupt") {
  const std::size_t form = 1 + 1 + 1 + 8 + 1 + 36 + 4;
  for (const auto& [offset, bad] : {std::pair<std::size_t, char>{0, '\x02'},
                                    {0, '\x04'},
                                    {1, '\0'},
                                    {1, '\x03'},
                                    {2, '\0'},
                                    {2, '\x03'},
                                    {form - 1, '\x7F'},  // more than there are
                                    {form, '\0'},
                                    {form, '\x03'}}) {
    std::string bytes = encode(by_gtids());
    bytes[offset] = bad;
    CHECK_FALSE(read_mysql_resume(bytes));
  }
}

TEST_CASE("mysql transaction: its stored GTID or place comes back") {
  CHECK(read_gtid(encode_gtid("0-1-100")).value() == "0-1-100");
  CHECK_FALSE(read_gtid(encode_gtid("")));
  const BinlogPlace place{"binlog.000003", 1234};
  CHECK(read_binlog_place(encode(place)).value() == place);
  CHECK_FALSE(read_binlog_place(encode(BinlogPlace{"", 4})));
  CHECK_FALSE(read_binlog_place(encode(place).substr(0, 8)));
}

TEST_CASE("source position: printed for people") {
  CHECK(print_source_position(encode(by_gtids())) ==
        "gtids 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:tag:1");
  CHECK(print_source_position(encode(by_place())) == "binlog binlog.000003:4294967300");
  CHECK(print_source_position(encode(MysqlResume{})) == "beginning");
  CHECK(print_source_position(encode_gtid("0-1-100")) == "gtid 0-1-100");
  CHECK(print_source_position(encode(BinlogPlace{"binlog.000003", 4})) == "binlog binlog.000003:4");
  CHECK(print_source_position(encode(streaming())) == "lsn 16/B374D848");
  CHECK(print_source_position(encode(PostgresResume{})) == "loading");
  CHECK(print_source_position(encode(Lsn{0x16B'3748})) == "lsn 0/16B3748");
  CHECK(print_source_position("\x7f\x00\xab"sv) == "7f00ab");
  CHECK(print_source_position("") == "none");
}

}  // namespace
}  // namespace tidelog::testing
