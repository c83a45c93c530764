// MysqlShop: a MySQL or MariaDB with a few tables, a configuration that captures them, and the
// program as a user runs it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/mysql_server.h"
#include "tests/support/tidelog_process.h"

namespace tidelog::testing {

struct MysqlShop {
  // The server may have served others before.
  explicit MysqlShop(MysqlServer& of) : server(of), folder(scratch_folder("mysql-shop")) {
    server.sql(
        "drop database if exists shop; create database shop; create table shop.secrets (id int "
        "primary key)");
    configure("[shop.*]", "initial_load: none\n    except: [shop.secrets]");
  }

  // A run that streams, and then the tables: all their rows are known.
  std::unique_ptr<TidelogProcess> begin() {
    auto run = start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return streams(); }), run->errors());
    make_tables();
    return run;
  }
  void make_tables() {
    server.sql(
        "create table shop.orders (id bigint primary key, status varchar(40) not null, price "
        "decimal(10,2)); create table shop.ticks (account int, note longtext)");
  }

  void configure(const std::string& tables, const std::string& key) const {
    std::ofstream(config()) << "store: { path: " << (folder / store).string()
                            << ", segment_size: 4 MiB }\nsources:\n  - name: s\n    mysql: \""
                            << server.url() << "\"\n    tables: " << tables << "\n    " << key
                            << "\n";
  }
  std::string config() const { return (folder / "shop.yaml").string(); }

  std::unique_ptr<TidelogProcess> start(const std::string& name = "run") const {
    return std::make_unique<TidelogProcess>(folder, name,
                                            std::vector<std::string>{"run", "-c", config()});
  }
  Finished tidelog(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"-c", config()});
    return run_tidelog(arguments);
  }
  std::string status() const { return tidelog({"source", "status", "--json"}).output; }
  bool streams() const { return says(status(), "\"state\":\"streaming\""); }

  static bool says(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }

  // Lines of JSON.
  std::vector<std::string> lines(const std::vector<std::string>& arguments) const {
    const Finished answer = tidelog(arguments);
    std::vector<std::string> found;
    for (std::size_t at = 0, end = 0; (end = answer.output.find('\n', at)) != std::string::npos;
         at = end + 1)
      found.push_back(answer.output.substr(at, end - at));
    return found;
  }
  std::vector<std::string> events(const std::string& type) const {
    return lines({"events", "--type", type, "--json"});
  }

  // The rows of a table, sorted: as the store folds them, and as the server has them.
  std::vector<std::string> in_store(const std::string& table) const {
    std::vector<std::string> rows;
    for (const std::string& line : lines({"state", "s.shop." + table, "--json"})) {
      const std::size_t begin = line.find("\"row\":{") + 7;
      rows.push_back(line.substr(begin, line.find('}', begin) - begin));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  std::vector<std::string> orders_in_table() {
    return sorted(
        R"(select concat('"id":', id, ',"status":"', status, '","price":', ifnull(price, 'null')) from shop.orders)");
  }
  std::vector<std::string> ticks_in_table() {
    return sorted(
        R"(select concat('"account":', ifnull(account, 'null'), ',"note":"', note, '"') from shop.ticks)");
  }
  bool is_level() {
    return in_store("orders") == orders_in_table() && in_store("ticks") == ticks_in_table();
  }

  MysqlServer& server;
  std::filesystem::path folder;
  std::string store = "store";  // which is configured

 private:
  std::vector<std::string> sorted(const std::string& query) {
    std::vector<std::string> rows;
    for (const auto& row : server.sql(query)) rows.push_back(row.at(0));
    std::sort(rows.begin(), rows.end());
    return rows;
  }
};

// Asks it to stop, and says how it ended.
inline Exit stopped(TidelogProcess& run) {
  run.kill(SIGTERM);
  const auto exit = run.wait(soon);
  REQUIRE_MESSAGE(exit.has_value(), "it does not end");
  return *exit;
}

// A run that ended by itself with this code and said this.
inline void check_ended(TidelogProcess& run, int code, const std::vector<std::string>& parts) {
  const auto exit = run.wait(soon);
  REQUIRE_MESSAGE(exit.has_value(), run.errors());
  CHECK_MESSAGE(exit->code == code, run.errors());
  for (const std::string& part : parts)
    CHECK_MESSAGE(MysqlShop::says(run.errors(), part), run.errors());
}

// The ends of what each CI run has; with TIDELOG_MATRIX=full all that have full metadata. Each is
// started once for all tests of a program.
inline std::vector<MysqlServer*> captured_servers() {
  static std::vector<std::unique_ptr<MysqlServer>> servers;
  if (servers.empty()) {
    const bool is_full = mysql_versions().size() > 4;
    for (const MysqlVersion& version : mysql_versions()) {
      const bool is_end = version.number == "8.0" || version.number == "10.11";
      if (version.number != "5.7" && (is_full || is_end))
        servers.push_back(std::make_unique<MysqlServer>(version));
    }
  }
  std::vector<MysqlServer*> all;
  for (const auto& server : servers) all.push_back(server.get());
  return all;
}

}  // namespace tidelog::testing
