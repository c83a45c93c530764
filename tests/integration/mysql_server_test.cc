// The throw-away servers of the tests themselves.
#include <doctest/doctest.h>

#include "tests/support/mysql_server.h"

namespace tidelog::testing {
namespace {

TEST_CASE("mysql servers: one starts again after a crash, with its data and its binlog") {
  for (const MysqlVersion& version :
       {MysqlVersion{"mysql", "8.0"}, MysqlVersion{"mariadb", "10.11"}}) {
    CAPTURE(version.text());
    MysqlServer server({.version = version, .settings = {"server-id=5"}});
    CHECK(server.sql("select version()").at(0).at(0).starts_with(version.number));
    server.sql("create database shop; create table shop.t (a int); insert into shop.t values (1)");
    server.restart(MysqlServer::Shutdown::immediate);
    CHECK(server.sql("select * from shop.t") == Rows{{"1"}});
    CHECK(server.sql("select @@log_bin, @@server_id") == Rows{{"1", "5"}});
    CHECK(server.sql("show binary logs").size() == 2);
    CHECK(std::filesystem::exists(server.data() / "binlog.000002"));
  }
}

TEST_CASE("mysql servers: an error of a statement is told, and the session goes on") {
  MysqlServer server(MysqlVersion{"mariadb", "10.11"});
  CHECK(server.query("select nonsense").error().what.find("nonsense") != std::string::npos);
  CHECK(server.sql("select 1; select 2") == Rows{{"2"}});
}

}  // namespace
}  // namespace tidelog::testing
