// Large values that an update did not touch, which the server does not send again: whole rows have
// them from the store's own state, in every replica identity and behind key changes.
#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

constexpr std::size_t large_bytes = 9'600;

// Large values of a table, of one row each, that are stored out of line.
std::string table_sql(const std::string& name, const std::string& identity) {
  return "create table " + name +
         " (id int, k int not null unique, n int, big text, primary key (id, k));" +
         "alter table " + name + " alter big set storage external; alter table " + name +
         " replica identity " + identity + ";";
}

std::string changes_sql(const std::string& name) {
  return "insert into " + name +
         " select n, n, 0, string_agg(md5((n * m)::text), '') from "
         "generate_series(1, 3) n, generate_series(1, 300) m group by n;"
         "update " +
         name +
         " set n = 1;"
         "begin; update " +
         name + " set k = k + 100, n = 2 where id = 1; update " + name +
         " set n = 3 where id = 1; commit;"
         "update " +
         name + " set id = id + 100 where id = 2; update " + name +
         " set n = 4;"
         "update " +
         name + " set big = null where id = 3; update " + name + " set n = 5 where id = 3";
}

// Whole rows of a table, "id|k|n|the size of big": of events, and as the state has them.
std::vector<std::string> rows_in(const std::string& lines) {
  std::vector<std::string> rows;
  for (const std::string& line : lines_of(lines)) {
    const std::size_t begin = line.find("\"after\":{\"id\":");
    CHECK_FALSE(contains(line, "\"unchanged\""));
    if (begin == std::string::npos) continue;
    const std::size_t big = line.find("\"big\":", begin);
    REQUIRE(big != std::string::npos);
    const std::size_t end = line.find('}', big);
    const bool is_null = line.compare(big + 6, 4, "null") == 0;
    const std::size_t size = is_null ? 0 : end - big - 8;
    rows.push_back(line.substr(begin + 9, big - begin - 10) + " big " + std::to_string(size));
  }
  return rows;
}

std::vector<std::string> state_of(Shop& shop, const std::string& table) {
  std::vector<std::string> rows;
  for (const std::string& line :
       lines_of(shop.tidelog({"state", "shop.public." + table, "--json"}).output)) {
    const std::size_t begin = line.find("\"row\":{") + 7;
    rows.push_back(line.substr(begin, line.find('}', begin) - begin));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<std::string> rows_of(Shop& shop, const std::string& table) {
  std::vector<std::string> rows;
  for (
      const auto& row : shop.server.sql(
          R"(select format('"id":%s,"k":%s,"n":%s,"big":%s', id, k, n, coalesce('"' || big || '"', 'null')) from )" +
          table)) {
    rows.push_back(row.at(0));
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

TEST_CASE("whole rows: a large value that did not change is filled in, in each replica identity") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop({.settings = {}, .hba = {}, .version = version});
    const std::vector<std::pair<std::string, std::string>> tables = {
        {"d", "default"}, {"f", "full"}, {"i", "using index i_k_key"}};
    for (const auto& [name, identity] : tables) shop.server.sql(table_sql(name, identity));
    shop.configure("[public.d, public.f, public.i]");
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    for (const auto& [name, identity] : tables) shop.server.sql(changes_sql(name));
    for (const auto& [name, identity] : tables) {
      CAPTURE(name);
      REQUIRE(eventually(soon, [&] { return state_of(shop, name) == rows_of(shop, name); }));
      const Finished events =
          shop.tidelog({"events", "--stream", "shop.public." + name, "--rows", "whole", "--json"});
      CHECK(events.code == 0);
      const auto rows = rows_in(events.output);
      REQUIRE(rows.size() == 14);
      for (const std::string& row : rows) {
        const bool emptied = row.starts_with("\"id\":3,") && contains(row, "big 0");
        CHECK_MESSAGE((emptied || contains(row, "big " + std::to_string(large_bytes))), row);
      }
    }
    CHECK(stopped(*run) == Exit{0, 0});
  }
}

}  // namespace tidelog::testing
