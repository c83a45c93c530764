// Shop: a server with two small tables, a configuration that captures them, and the program as a
// user runs it. For tests of the program on a real Postgres.
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
#include "tests/support/postgres_server.h"
#include "tests/support/tidelog_process.h"

namespace tidelog::testing {

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

inline std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

struct Shop {
  explicit Shop(const PostgresServer::Options& options = {})
      : server(options),
        folder(scratch_folder("shop")),
        store_folder(folder / "store"),
        url(server.url()) {
    server.sql(
        "create table orders (id bigint primary key, status text not null);"
        "create table customers (id bigint primary key, name text not null);"
        "insert into orders select n, 'new' from generate_series(1, 50) n");
    configure("[public.orders, public.customers]");
  }

  void configure(const std::string& tables, const std::string& more = "") {
    std::ofstream(config()) << "store: { path: " << store() << store_keys
                            << " }\nsources:\n  - name: shop\n    postgres: \"" << url
                            << "\"\n    tables: " << tables << "\n"
                            << more;
  }
  std::string config() const { return (folder / "shop.yaml").string(); }
  std::string store() const { return store_folder.string(); }

  std::unique_ptr<TidelogProcess> start(const std::string& name = "run") {
    return std::make_unique<TidelogProcess>(folder, name,
                                            std::vector<std::string>{"run", "-c", config()});
  }
  Finished tidelog(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-c", config()});
    return run_tidelog(arguments);
  }
  std::string status() { return tidelog({"source", "status", "--json"}).output; }
  // And every table is loaded.
  bool streams() {
    const std::string now = status();
    return contains(now, "\"state\":\"streaming\"") && contains(now, "\"loads_open\":0");
  }
  std::size_t rows(const std::string& table) {
    const Finished answer = tidelog({"state", "shop.public." + table, "--json"});
    return answer.code == 0 ? line_count(answer.output) : 0;
  }
  std::size_t events(const std::string& type) {
    const Finished answer = tidelog({"events", "--type", type, "--json"});
    return answer.code == 0 ? line_count(answer.output) : 0;
  }

  // The rows of `orders`, sorted: as the store folds them, and as the server has them.
  std::vector<std::string> orders_in_store() {
    std::vector<std::string> rows;
    for (const std::string& line :
         lines_of(tidelog({"state", "shop.public.orders", "--json"}).output)) {
      const std::size_t begin = line.find("\"row\":{") + 7;
      rows.push_back(line.substr(begin, line.find('}', begin) - begin));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }
  std::vector<std::string> orders_in_table() {
    std::vector<std::string> rows;
    for (const auto& row :
         server.sql(R"(select format('"id":%s,"status":"%s"', id, status) from orders)")) {
      rows.push_back(row.at(0));
    }
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  PostgresServer server;
  std::filesystem::path folder;
  std::filesystem::path store_folder;
  std::string store_keys;  // more keys of the section, with a comma before each
  std::string url;
};

// Asks it to stop, and says how it ended.
inline Exit stopped(TidelogProcess& run) {
  run.kill(SIGTERM);
  const auto exit = run.wait(soon);
  REQUIRE_MESSAGE(exit.has_value(), "it does not end");
  return *exit;
}

// A run that ended by itself with this code and said this.
inline void check_ended(TidelogProcess& run, int code, const std::vector<std::string>& says) {
  const auto exit = run.wait(soon);
  REQUIRE_MESSAGE(exit.has_value(), run.errors());
  CHECK_MESSAGE(exit->code == code, run.errors());
  for (const std::string& part : says) CHECK_MESSAGE(contains(run.errors(), part), run.errors());
}

inline void check_refused(Shop& shop, int code, const std::vector<std::string>& says) {
  check_ended(*shop.start("refused"), code, says);
}

// Until all rows are captured, then stopped.
inline void capture_and_stop(Shop& shop) {
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  REQUIRE(eventually(
      soon, [&] { return shop.orders_in_store() == shop.orders_in_table() && shop.streams(); }));
  CHECK(stopped(*run) == Exit{0, 0});
}

}  // namespace tidelog::testing
