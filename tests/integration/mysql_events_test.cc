// The events of real servers' binlogs, beside what the servers themselves tell of them.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/integration/mysql_dump.h"
#include "tests/mysql/event_info.h"

namespace tidelog::testing {
namespace {

// What is alike in all servers, then what each has of its own.
std::string statements_of(const MysqlVersion& version) {
  std::string statements =
      "create database shop; use shop; create table t (a int primary key, b text);"
      "insert into t values (1, 'one'); begin; insert into t values (2, ''); savepoint s;"
      "update t set b = 'two'; commit;"
      "set time_zone = '+02:00', sql_mode = 'ANSI_QUOTES', timestamp = 1700000000.123456;"
      "create table \"u\" (a timestamp(6) default current_timestamp(6));"
      "set names latin1; create table v (a text); set names utf8mb4;"
      "xa start 'gt','bq',7; insert into t values (4, 'four'); xa end 'gt','bq',7;"
      "xa prepare 'gt','bq',7; xa commit 'gt','bq',7;"
      "xa start 'one'; insert into t values (5, ''); xa end 'one'; xa commit 'one' one phase;"
      "set binlog_format = statement; update t set b = now(6); set binlog_format = row;"
      "drop table v; flush binary logs;";
  if (version.is_mariadb()) {
    return statements +
           "set gtid_domain_id = 7; set global log_bin_compress = on; alter table t add c int;"
           "set binlog_alter_two_phase = on; alter table t add d int comment '" +
           std::string(300, '0') +
           "'; insert into t values (6, repeat('z', 500), 1, 1);"
           "set global log_bin_compress = off;";
  }
  statements +=
      "set binlog_rows_query_log_events = on; insert into t values (6, 'six');"
      "set binlog_rows_query_log_events = off;";
  if (version.number != "5.7")
    statements +=
        "set binlog_transaction_compression = on; insert into t values (7, repeat('z', 500));"
        "set binlog_transaction_compression = off;";
  if (version.number.starts_with("9"))
    statements +=
        "set gtid_next = 'automatic:a_tag'; insert into t values (8, ''); set gtid_next = "
        "'automatic:other'; insert into t values (9, ''); set gtid_next = automatic;"
        "flush binary logs; insert into t values (10, '');";
  return statements;
}

std::string told_of_file(MysqlServer& server, const std::string& file) {
  std::string lines;
  for (const auto& row : server.sql("show binlog events in '" + file + "'")) {
    // The events in a payload are told at the place of its end.
    if (row.at(1) == row.at(4)) continue;
    std::string info = row.at(5);
    std::erase(info, '\n');
    lines += fmt::format("{}\t{}\t{}\n", row.at(1), row.at(2), info);
  }
  return lines;
}

// With TIDELOG_MYSQL_GOLDENS=FOLDER, for tests/mysql/event_golden_test.cc.
void keep_golden(const std::string& name, const std::string& binlog, const std::string& told) {
  const char* const folder = std::getenv("TIDELOG_MYSQL_GOLDENS");
  if (folder == nullptr) return;
  std::ofstream(std::filesystem::path(folder) / (name + ".binlog"), std::ios::binary) << binlog;
  std::ofstream(std::filesystem::path(folder) / (name + ".txt"), std::ios::binary) << told;
}

std::string print(const std::vector<FileEventInfo>& infos) {
  std::string text;
  for (const FileEventInfo& event : infos)
    text += fmt::format("{} {} {}\n", event.offset, event.type, event.info);
  return text;
}

TEST_CASE("binlog events: what is read of each is what its server tells") {
  for (const MysqlVersion& version : mysql_versions()) {
    CAPTURE(version.text());
    MysqlServer server(version);
    server.sql(statements_of(version));
    server.restart(MysqlServer::Shutdown::fast);
    int number = 0;
    for (const auto& row : server.sql("show binary logs")) {
      std::string binlog;
      std::string told;
      do {  // MariaDB may write a checkpoint in between
        binlog = content_of(server.data() / row.at(0));
        told = told_of_file(server, row.at(0));
      } while (content_of(server.data() / row.at(0)) != binlog);
      CHECK(print(infos_of_file(binlog)) == print(infos_of_text(told)));
      keep_golden(fmt::format("events_{}_{}_{}", version.make, version.number, ++number), binlog,
                  told);
    }
  }
}

}  // namespace
}  // namespace tidelog::testing
