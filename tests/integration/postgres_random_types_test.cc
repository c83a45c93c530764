// Random values of random types in random tables, through the initial load and through the stream
// as inserts, updates and old rows, as text and, where all types of a table can be read so, in
// binary form, too. The oracle is the server's own text under the settings that a
// source sets; the role's are made as unlike as can be. `scripts/soak.sh types` goes on with new
// seeds.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "connectors/postgres/binary_types.h"
#include "connectors/postgres/connection.h"
#include "tests/integration/postgres_capture.h"
#include "tests/integration/random_types.h"
#include "tests/integration/server_text.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

constexpr std::size_t made_types = 100;
constexpr std::size_t table_count = 12;
constexpr std::size_t binary_tables = 8;  // of types that can be read in binary form alone
constexpr std::size_t columns_max = 20;
constexpr int rows_per_table = 12;
constexpr int copies_from = 1'000;  // ids of rows that come as inserts

struct RandomTable {
  struct Column {
    std::string name;
    RandomType type;
  };
  std::string name;
  std::vector<Column> columns;  // "id" is one of them
};

int number_in(const std::string& text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// The extensions that this server has; the others are named.
void make_extensions(SqlSession& session) {
  for (const std::string& name : extensions()) {
    const auto made = session.query("create extension if not exists " + name + " cascade");
    if (!made) MESSAGE("without the types of extension " << name << ": " << made.error().what);
  }
}

bool exists(SqlSession& session, const RandomType& type) {
  return session.sql("select to_regtype(" + sql_literal(type.name) + ") is not null") ==
         Rows{{"t"}};
}

std::vector<RandomType> make_types(SqlSession& session, Dice& dice) {
  const int version = number_in(session.sql("show server_version_num").at(0).at(0));
  std::vector<RandomType> types = existing_types(dice, version);
  std::erase_if(types, [&](const RandomType& type) { return !exists(session, type); });
  std::string statements;
  for (std::size_t i = 0; i < made_types; ++i) add_random_type(dice, types, statements);
  session.sql(statements);
  return types;
}

std::vector<RandomType> read_in_binary(SqlSession& session, const PostgresServer& server,
                                       const std::vector<RandomType>& types) {
  auto connection =
      postgres::Connection::open(options_for(server.url(), {}), postgres::Connection::Kind::sql);
  REQUIRE(connection);
  std::vector<std::uint32_t> oids;
  for (const RandomType& type : types) {
    const Rows oid = session.sql("select to_regtype(" + sql_literal(type.name) + ")::oid");
    oids.push_back(static_cast<std::uint32_t>(number_in(oid.at(0).at(0))));
  }
  postgres::SqlBinaryTypes known;
  const auto columns = known.of_columns(
      oids, [&](const std::string& sql, const std::vector<std::string>& parameters) {
        return connection->query(sql, parameters);
      });
  REQUIRE(columns);
  std::vector<RandomType> readable = types;
  for (const auto& one : columns->unreadable) readable[one.column].name.clear();
  std::erase_if(readable, [](const RandomType& type) { return type.name.empty(); });
  return readable;
}

RandomTable make_table(SqlSession& session, Dice& dice, const std::vector<RandomType>& types,
                       std::string table_name) {
  RandomTable table;
  table.name = std::move(table_name);
  const std::size_t count = 1 + dice.below(columns_max);
  for (std::size_t i = 0; i < count; ++i)
    table.columns.push_back({"c" + std::to_string(i), dice.of(types)});
  RandomTable::Column id{"id", {"integer", ValueKind::int64, nullptr}};
  table.columns.insert(table.columns.begin() + static_cast<std::ptrdiff_t>(dice.below(count + 1)),
                       std::move(id));
  std::string list;
  for (const auto& [name, type] : table.columns) {
    list += fmt::format("{}{} {}{}", list.empty() ? "" : ", ", name, type.name,
                        name == "id" ? " primary key" : "");
  }
  session.sql(fmt::format("create table {0} ({1}); alter table {0} replica identity full;",
                          table.name, list));
  return table;
}

void fill(SqlSession& session, Dice& dice, const RandomTable& table) {
  for (int row = 0; row < rows_per_table; ++row) {
    std::string values;
    for (const auto& [name, type] : table.columns) {
      values += values.empty() ? "" : ", ";
      values += name == "id" ? std::to_string(row) : random_literal(dice, type);
    }
    const auto made = session.query(fmt::format("insert into {} values ({})", table.name, values));
    if (!made) throw std::runtime_error(table.name + ": " + made.error().what);
  }
}

// The names of all columns but the id, of some of them when `dice` is given.
std::string column_list(const RandomTable& table, Dice* dice, const std::string& prefix) {
  std::string list;
  for (const auto& [name, type] : table.columns) {
    if (name == "id" || (dice != nullptr && dice->one_in(2))) continue;
    list += (list.empty() ? "" : ", ") + prefix + name;
  }
  return list;
}

// A row's texts by column, "v" before each that is not null.
Rows oracle(SqlSession& session, const RandomTable& table, const std::string& where) {
  std::string columns;
  for (const auto& [name, type] : table.columns) {
    columns += fmt::format(
        "{}case when {} is not distinct from null then 'NULL' else 'v' || format('%s', {}) end",
        columns.empty() ? "" : ", ", name, name);
  }
  return session.sql(
      fmt::format("select {} from public.{} where {} order by id", columns, table.name, where));
}

std::vector<RecordedEvent> of_table(const std::vector<RecordedEvent>& events,
                                    const RandomTable& table, EventType type) {
  std::vector<RecordedEvent> found;
  std::ranges::copy_if(events, std::back_inserter(found), [&](const RecordedEvent& event) {
    return event.stream == "public." + table.name && event.type == type;
  });
  const auto id_of = [](const RecordedEvent& event) {
    ByteReader in(*event.key);
    return std::get<std::int64_t>(read_value(in));
  };
  std::ranges::sort(found, {}, id_of);
  return found;
}

std::string shown(const std::string& text) {
  return text.size() <= 300 ? text : text.substr(0, 300) + "… of " + std::to_string(text.size());
}

void check_row(const RandomTable& table, const std::vector<std::string>& expected,
               std::string_view row) {
  const auto values = read_row(row, table.columns.size());
  REQUIRE(values);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const Value& value = values->at(i);
    const auto& [name, type] = table.columns[i];
    CAPTURE(type.name);
    std::string text = "v";
    if (value.kind() == ValueKind::null) text.clear();
    print_value(text, value);
    if (text != expected[i]) CHECK(shown(text) == shown(expected[i]));
    if (value.kind() != ValueKind::null && value.kind() != type.kind)
      CHECK(static_cast<int>(value.kind()) == static_cast<int>(type.kind));
  }
}

enum class Side : std::uint8_t { before, after };

void check_rows(const RandomTable& table, const Rows& expected,
                const std::vector<RecordedEvent>& events, Side side) {
  REQUIRE(events.size() == expected.size());
  for (std::size_t row = 0; row < expected.size(); ++row) {
    CAPTURE(row);
    const RecordedEvent& event = events[row];
    REQUIRE((side == Side::after ? event.body.has_value() : event.before_kind == Before::row));
    check_row(table, expected[row], side == Side::after ? *event.body : event.before);
  }
}

void check_schema(const RandomTable& table, const Schema& schema) {
  REQUIRE(schema.columns.size() == table.columns.size());
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    CHECK(schema.columns[i].name == table.columns[i].name);
    CHECK(schema.columns[i].type == table.columns[i].type.name);
    CHECK(schema.columns[i].key == (table.columns[i].name == "id"));
  }
}

// What the server printed of one table at each step.
struct Printed {
  Rows loaded;
  Rows inserted;
  Rows updated;
};

// Three transactions.
Printed change(SqlSession& writer, SqlSession& reader, Dice& dice, const RandomTable& table) {
  Printed printed;
  const std::string old_rows = fmt::format("id < {}", copies_from);
  printed.loaded = oracle(reader, table, old_rows);
  writer.sql(fmt::format("insert into {0} (id, {1}) select id + {2}, {1} from {0}", table.name,
                         column_list(table, nullptr, ""), copies_from));
  printed.inserted = oracle(reader, table, fmt::format("id >= {}", copies_from));
  const Dice same = dice;
  Dice again = same;
  std::string some = column_list(table, &dice, "");
  std::string values = column_list(table, &again, "o.");
  if (some.empty()) {
    some = "id";
    values = fmt::format("{}.id", table.name);
  }
  writer.sql(fmt::format(
      "update {0} set ({1}) = (select {2} from {0} o where o.id = ({0}.id + 1) % {3}) where {4}",
      table.name, some, values, rows_per_table, old_rows));
  printed.updated = oracle(reader, table, old_rows);
  writer.sql(fmt::format("delete from {} where {}", table.name, old_rows));
  return printed;
}

void check_table(const RandomTable& table, const Printed& printed,
                 const std::vector<RecordedEvent>& loaded,
                 const std::vector<RecordedEvent>& streamed) {
  CAPTURE(table.name);
  const auto loads = of_table(loaded, table, EventType::load);
  const auto inserts = of_table(streamed, table, EventType::insert);
  const auto updates = of_table(streamed, table, EventType::update);
  const auto deletes = of_table(streamed, table, EventType::remove);
  check_rows(table, printed.loaded, loads, Side::after);
  check_rows(table, printed.inserted, inserts, Side::after);
  check_rows(table, printed.loaded, updates, Side::before);
  check_rows(table, printed.updated, updates, Side::after);
  check_rows(table, printed.updated, deletes, Side::before);
  for (std::size_t i = 0; i < loads.size(); ++i) CHECK(loads[i].body == updates[i].before);
  check_schema(table, loads.at(0).schema);
  CHECK(loads.at(0).schema == deletes.at(0).schema);
}

bool is_sent_in_binary(PostgresServer& server, const std::string& slot) {
  return server.sql(
             "select a.query like '%binary ''true''%' from pg_replication_slots s join "
             "pg_stat_activity a on a.pid = s.active_pid where s.slot_name = '" +
             slot + "'") == Rows{{"t"}};
}

// Events of `tables`, which both have.
void check_same(const std::vector<RandomTable>& tables, const std::vector<RecordedEvent>& texts,
                const std::vector<RecordedEvent>& binary) {
  for (const RandomTable& table : tables) {
    for (const EventType type :
         {EventType::load, EventType::insert, EventType::update, EventType::remove}) {
      const auto one = of_table(texts, table, type);
      const auto other = of_table(binary, table, type);
      REQUIRE(one.size() == other.size());
      for (std::size_t i = 0; i < one.size(); ++i) {
        CHECK(one[i].body == other[i].body);
        CHECK(one[i].before == other[i].before);
        CHECK(one[i].key == other[i].key);
        CHECK(one[i].schema == other[i].schema);
      }
    }
  }
}

void check_random_types(const std::string& version, Dice dice) {
  PostgresServer server({.settings = {"max_wal_senders=10"}, .hba = {}, .version = version});
  SqlSession writer = server.session();
  make_extensions(writer);
  const std::vector<RandomType> types = make_types(writer, dice);
  std::vector<RandomTable> tables;
  for (std::size_t i = 0; i < table_count; ++i) {
    tables.push_back(make_table(writer, dice, types, "r" + std::to_string(i)));
    fill(writer, dice, tables.back());
  }
  const std::vector<RandomType> readable = read_in_binary(writer, server, types);
  MESSAGE("postgres " << version << ": " << readable.size() << " of " << types.size()
                      << " types are read in binary form");
  CHECK(readable.size() >= 40);
  std::vector<RandomTable> in_binary;
  for (std::size_t i = 0; i < binary_tables; ++i) {
    in_binary.push_back(make_table(writer, dice, readable, "b" + std::to_string(i)));
    fill(writer, dice, in_binary.back());
  }
  tables.insert(tables.end(), in_binary.begin(), in_binary.end());
  server.sql(
      "alter role postgres set datestyle = 'German'; alter role postgres set timezone = "
      "'Asia/Tokyo'; alter database postgres set intervalstyle = 'postgres_verbose'; alter role "
      "postgres set bytea_output = 'escape'; alter role postgres set extra_float_digits = 0; alter "
      "role postgres set search_path = 'public'");
  PostgresCapture capture(options_for(server.url(), {"public.r*", "public.b*"}));
  capture.run();
  PostgresOptions binary_options = options_for(server.url(), {"public.b*"});
  binary_options.name = "binary";
  binary_options.binary = true;
  PostgresCapture binary(std::move(binary_options));
  binary.run();
  SqlSession reader = oracle_session(server);
  std::vector<Printed> printed;
  for (const RandomTable& table : tables) printed.push_back(change(writer, reader, dice, table));
  const bool came = capture.handler.wait_for_transactions(3 * tables.size()) &&
                    binary.handler.wait_for_transactions(3 * in_binary.size());
  CHECK(is_sent_in_binary(server, "tidelog_binary"));
  CHECK_FALSE(is_sent_in_binary(server, "tidelog_shop"));
  for (PostgresCapture* const one : {&capture, &binary}) {
    const Status ended = one->stop();
    REQUIRE_MESSAGE(ended, (ended ? "" : ended.error().what));
  }
  REQUIRE(came);
  check_same(in_binary, capture.handler.loaded(), binary.handler.loaded());
  check_same(in_binary, capture.handler.events(), binary.handler.events());
  const auto loaded = capture.handler.loaded();
  const auto streamed = capture.handler.events();
  for (std::size_t i = 0; i < tables.size(); ++i)
    check_table(tables[i], printed[i], loaded, streamed);
}

TEST_CASE("postgres types: random values of random types are what the server prints") {
  const std::uint64_t seed = test_seed(20'261'126);
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    check_random_types(version, Dice(seed));
  }
}

}  // namespace
}  // namespace tidelog::testing
