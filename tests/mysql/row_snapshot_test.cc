// What is visible when, told by GTIDs.
#include "connectors/mysql/row_snapshot.h"

#include <doctest/doctest.h>

namespace tidelog::testing {

using namespace tidelog::mysql;

namespace {

constexpr const char* server = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

std::string of_server(std::string_view numbers) {
  return std::string(server) + ":" + std::string(numbers);
}

std::string resume(MysqlResume::Make make, const std::string& gtids) {
  MysqlResume at;
  at.phase = MysqlResume::Phase::streaming;
  at.make = make;
  at.executed = MysqlResume::Gtids{gtids};
  return encode(at);
}

}  // namespace

TEST_CASE("row snapshot: GTIDs that are owned are read without the threads that own them") {
  const auto none = read_owned_gtids("");
  REQUIRE(none);
  CHECK(none->is_empty());
  // As a server prints it: nothing in between.
  const auto some = read_owned_gtids(of_server("23#5:24#6#70:abc:7#8") +
                                     "4e11fa47-71ca-11e1-9e33-c80aa9429562:1#9");
  REQUIRE(some);
  CHECK(some->print() == of_server("23-24:abc:7") + ",4e11fa47-71ca-11e1-9e33-c80aa9429562:1");
  CHECK_FALSE(read_owned_gtids("nonsense"));
}

TEST_CASE("row snapshot: it includes the transactions that it is named by, and no others") {
  const auto includes = [](const std::string& snapshot, const std::string& gtid) {
    const auto answer = snapshot_includes(snapshot, encode_gtid(gtid));
    REQUIRE_MESSAGE(answer, answer.error().what);
    return *answer;
  };
  CHECK(includes(of_server("1-5:7"), of_server("5")));
  CHECK_FALSE(includes(of_server("1-5:7"), of_server("6")));
  CHECK_FALSE(includes("", of_server("1")));
  CHECK_FALSE(includes(of_server("1-5"), of_server("tag:1")));
  CHECK(includes("0-1-100,7-2-3", "0-1-100"));
  CHECK_FALSE(includes("0-1-100,7-2-3", "0-1-101"));
  CHECK_FALSE(includes("0-1-100", "7-2-1"));
  CHECK_FALSE(snapshot_includes(of_server("1"), "no position"));
}

TEST_CASE("row snapshot: a stream has passed it with all that it includes") {
  const auto passed = [](const std::string& at, const std::string& end) {
    const auto answer = has_passed(at, end);
    REQUIRE_MESSAGE(answer, answer.error().what);
    return *answer;
  };
  constexpr auto mysql = MysqlResume::Make::mysql;
  constexpr auto mariadb = MysqlResume::Make::mariadb;
  CHECK_FALSE(passed("", of_server("1")));
  CHECK(passed(resume(mysql, of_server("1-9")), of_server("1-9")));
  CHECK_FALSE(passed(resume(mysql, of_server("1-8:10")), of_server("1-9")));
  CHECK(passed(resume(mysql, ""), ""));
  CHECK(passed(resume(mariadb, "0-1-9,1-1-1"), "0-1-9"));
  CHECK_FALSE(passed(resume(mariadb, "0-1-9"), "0-1-9,1-1-1"));
  MysqlResume by_place;
  by_place.executed = MysqlResume::Place{{"binlog.000001", 4}, 0};
  CHECK_FALSE(has_passed(encode(by_place), of_server("1")));
}

}  // namespace tidelog::testing
