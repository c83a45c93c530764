// Proofs of scale: transactions, tables, rows and values of a size that few have, each by the
// stream, by the first load and by a load beside the stream. Every row arrives exactly once and as
// the server itself prints it, and the program's anonymous memory stays within what is promised:
// 256 MB and four times the largest row, 64 MB while rows of usual size are streamed.
//
// In an ordinary run the sizes are small. TIDELOG_SCALE=full (scripts/soak.sh scale) takes those of
// the promise, which need an hour at most and the space on disk that each case asks for first.
#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>
#include <libpq-fe.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <thread>

#include "core/disk.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "eventstore/store_reader.h"
#include "tests/integration/shop.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

constexpr std::uint64_t megabyte = 1 << 20;
constexpr std::uint64_t streaming_limit = 64 * megabyte;

bool is_full() {
  const char* scale = std::getenv("TIDELOG_SCALE");
  return scale != nullptr && std::string_view(scale) == "full";
}

// Of an ordinary run, and of the promise.
std::uint64_t sized(std::uint64_t small, std::uint64_t full) { return is_full() ? full : small; }
Duration deadline() { return is_full() ? Duration(1'200'000) : Duration(60'000); }

std::uint64_t limit_for(std::uint64_t row_bytes) { return 256 * megabyte + 4 * row_bytes; }

void need_disk(std::uint64_t bytes) {
  const std::uint64_t free = std::filesystem::space(build_folder()).available;
  REQUIRE_MESSAGE(free > bytes, "needs " << bytes / megabyte << " MB of disk, " << free / megabyte
                                         << " MB are free");
}

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().what);
  return *std::move(result);
}

// -- what a table holds, as numbers --

using Cells = std::vector<std::uint64_t>;  // a hash of each value's text

std::uint64_t hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }
constexpr std::uint64_t null_hash = 0x6E756C6C;

struct Sums {
  std::uint64_t rows = 0;
  std::uint64_t sum = 0;        // of the rows' hashes
  std::uint64_t row_bytes = 0;  // of the largest, as text
  void add(const Cells& cells) {
    std::uint64_t hash = 0;
    for (const std::uint64_t cell : cells)
      hash = (hash ^ cell) * 0x9E3779B97F4A7C15ULL + (hash >> 29);
    ++rows;
    sum += hash;
  }
  bool operator==(const Sums& other) const { return rows == other.rows && sum == other.sum; }
};

std::ostream& operator<<(std::ostream& out, const Sums& sums) {
  return out << sums.rows << " rows, sum " << sums.sum;
}

// The server's own text, in the forms that tidelog asks for. Row by row: the result may be larger
// than the memory.
Sums table_sums(const std::string& url, const std::string& query) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url.c_str()),
                                                                &PQfinish);
  const char* forms =
      "set datestyle = 'ISO'; set intervalstyle = 'iso_8601'; set timezone = 'UTC'; "
      "set extra_float_digits = 3; set bytea_output = 'hex'";
  PQclear(PQexec(connection.get(), forms));
  PQsendQuery(connection.get(), query.c_str());
  PQsetSingleRowMode(connection.get());
  Sums sums;
  Cells cells;
  while (PGresult* const row = PQgetResult(connection.get())) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> owned(row, &PQclear);
    const ExecStatusType status = PQresultStatus(row);
    if (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK)
      throw std::runtime_error(PQerrorMessage(connection.get()));
    if (PQntuples(row) == 0) continue;
    cells.clear();
    std::uint64_t bytes = 0;
    for (int i = 0; i < PQnfields(row); ++i) {
      const std::string_view text(PQgetvalue(row, 0, i),
                                  static_cast<std::size_t>(PQgetlength(row, 0, i)));
      cells.push_back(PQgetisnull(row, 0, i) != 0 ? null_hash : hash_of(text));
      bytes += text.size();
    }
    sums.add(cells);
    sums.row_bytes = std::max(sums.row_bytes, bytes);
  }
  return sums;
}

// The rows of one stream, folded from its events: each insert is of a key that is not there, each
// update and delete of one that is.
class Fold {
 public:
  Fold(const std::string& store, const std::string& stream)
      : reader_(must(StoreReader::open(*disk_, store))) {
    reader_->only_streams({stream});
  }

  void read_on() {
    while (const Event* const event = must(reader_->next())) take(*event);
  }
  Sums sums() const {
    Sums sums;
    for (const auto& [key, cells] : rows_) sums.add(cells);
    return sums;
  }
  std::uint64_t contradictions() const { return contradictions_; }
  std::uint64_t changes() const { return changes_; }  // that the stream brought

 private:
  void take(const Event& event) {
    if (!is_row_event(event.type)) return;
    if (event.type != EventType::load) ++changes_;
    const std::uint64_t key = hash_of(*event.key);
    const auto found = rows_.find(key);
    const bool known = found != rows_.end();
    if (event.type != EventType::load && known == (event.type == EventType::insert))
      ++contradictions_;
    if (event.type == EventType::remove) {
      rows_.erase(key);
    } else {
      const Cells old = known ? found->second : Cells();
      rows_[key] = cells_of(event, old);
    }
  }

  Cells cells_of(const Event& event, const Cells& old) {
    const Schema* const schema = must(reader_->schema(event.schema));
    Cells cells;
    cells.reserve(schema->columns.size());
    for (const Value& value : must(read_row(*event.body, schema->columns.size()))) {
      if (value.kind() == ValueKind::null) {
        cells.push_back(null_hash);
      } else if (value.kind() == ValueKind::unchanged) {
        cells.push_back(old.at(cells.size()));
      } else {
        text_.clear();
        print_value(text_, value);
        cells.push_back(hash_of(text_));
      }
    }
    return cells;
  }

  std::unique_ptr<Disk> disk_ = real_disk();
  std::unique_ptr<StoreReader> reader_;
  absl::flat_hash_map<std::uint64_t, Cells> rows_;
  std::uint64_t contradictions_ = 0;
  std::uint64_t changes_ = 0;
  std::string text_;
};

// -- the program, watched --

std::uint64_t anonymous_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::uint64_t kilobytes = 0;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) std::istringstream(line.substr(8)) >> kilobytes;
  }
  return kilobytes * 1024;
}

// The largest anonymous resident memory of a process since it was asked last.
class MemoryWatch {
 public:
  explicit MemoryWatch(pid_t pid)
      : thread_([this, pid](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            const std::uint64_t now = anonymous_bytes(pid);
            if (now > peak_) peak_ = now;
            eventually(Duration(5), [&] { return stop.stop_requested(); });
          }
        }) {}
  std::uint64_t take() { return peak_.exchange(0); }

 private:
  std::atomic<std::uint64_t> peak_{0};
  std::jthread thread_;
};

using Clock = std::chrono::steady_clock;

struct ScaleShop : Shop {
  ScaleShop(std::uint64_t disk_bytes, const std::vector<std::string>& settings)
      : Shop(with(settings)), began(Clock::now()) {
    need_disk(disk_bytes);
  }
  ~ScaleShop() { std::filesystem::remove_all(folder); }
  static PostgresServer::Options with(std::vector<std::string> settings) {
    settings.insert(settings.end(), {"max_wal_size=8GB", "shared_buffers=256MB"});
    return {.settings = std::move(settings), .hba = {}};
  }

  void run() {
    process = start();
    watch.emplace(process->pid());
    begin_phase();
    REQUIRE_MESSAGE(eventually(deadline(), [&] { return streams_now(); }), process->errors());
  }
  // Seldom: each question is a program of its own, on the same processors.
  bool streams_now() {
    if (streams()) return true;
    eventually(Duration(is_full() ? 500 : 50), [&] { return !process->running(); });
    return !process->running();
  }
  void end() {
    watch.reset();
    CHECK(stopped(*process) == Exit{0, 0});
    process.reset();
  }

  void begin_phase() {
    if (watch) watch->take();
    began = Clock::now();
  }
  // Since the phase began.
  void report(const std::string& phase, std::uint64_t limit) {
    const std::uint64_t peak = watch->take();
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    MESSAGE(phase << ": " << fmt::format("{:.1f} s, {} MB anonymous", seconds, peak / megabyte)
                  << ", limit " << limit / megabyte);
    CHECK_MESSAGE(peak <= limit, phase);
    begin_phase();
  }

  void load(const std::string& table) {
    const Finished loaded =
        run_tidelog({"source", "load", "shop." + table, "-c", config()}, deadline());
    CHECK_MESSAGE(loaded.code == 0, loaded.errors);
  }

  // Until the stream has brought so many changes of the table.
  void wait_for(Fold& fold, std::uint64_t changes) {
    REQUIRE_MESSAGE(eventually(deadline(),
                               [&] {
                                 fold.read_on();
                                 return fold.changes() >= changes || !process->running();
                               }),
                    process->errors());
    CHECK(fold.changes() == changes);
  }
  void check_same(Fold& fold, const Sums& expected) {
    fold.read_on();
    CHECK(fold.sums() == expected);
    CHECK(fold.contradictions() == 0);
  }

  std::unique_ptr<TidelogProcess> process;
  std::optional<MemoryWatch> watch;
  Clock::time_point began;
};

}  // namespace

TEST_SUITE_BEGIN("integration: scale");

// Half of the rows are loaded, half come in one transaction. Then rows that are a kilobyte each.
void check_rows(std::uint64_t count, const std::string& note_sql, std::uint64_t row_bytes) {
  const std::string half = std::to_string(count / 2);
  ScaleShop shop(count * row_bytes * 4 + 2048 * megabyte, {});
  shop.server.sql(
      "create table rows (id bigint primary key, note text, total numeric(12,2), changed "
      "timestamptz)");
  const auto fill = [&](const std::string& from, const std::string& to) {
    shop.server.sql(
        "insert into rows select n, " + note_sql +
        ", (n % 100000) / 100.0, timestamptz '2026-01-01 00:00+00' + n * interval '1 second' "
        "from generate_series(" +
        from + "::bigint, " + to + ") n");
  };
  fill("1", half);
  shop.server.sql("analyze rows");
  shop.configure("[public.rows]");
  shop.run();
  shop.report("first load", limit_for(row_bytes));
  Fold fold(shop.store(), "shop.public.rows");
  fold.read_on();

  fill(half + " + 1", std::to_string(count));
  shop.begin_phase();
  shop.wait_for(fold, count / 2);
  shop.report("one transaction", streaming_limit);
  const Sums expected = table_sums(shop.url, "select * from rows");
  CHECK(expected.rows == count);
  shop.check_same(fold, expected);

  shop.begin_phase();
  shop.load("public.rows");
  shop.report("source load", limit_for(row_bytes));
  shop.end();
  shop.check_same(fold, expected);
}

TEST_CASE("scale: millions of rows in one transaction, each once, in bounded memory") {
  check_rows(sized(400'000, 20'000'000), "'customer ' || n % 1000", 100);
}

TEST_CASE("scale: a gigabyte of rows, each once, in bounded memory") {
  check_rows(sized(20'000, 2'000'000),
             "(select string_agg(md5(n::text || i), '') from generate_series(1, 32) i)", 1100);
}

TEST_CASE("scale: tables with 1,600 columns") {
  const std::uint64_t rows = sized(300, 10'000);
  ScaleShop shop(rows * 100'000 + 1024 * megabyte, {});
  std::string columns = "id int primary key";
  std::string values = "n";
  for (int i = 1; i < 1600; ++i) {
    columns += fmt::format(", c{} int", i);
    values += i % 7 == 0 ? ", null" : fmt::format(", n + {}", i);
  }
  shop.server.sql("create table wide (" + columns + ")");
  const auto fill = [&](std::uint64_t from) {
    shop.server.sql(fmt::format("insert into wide select {} from generate_series({}, {}) n", values,
                                from, from + rows / 2 - 1));
  };
  fill(1);
  shop.configure("[public.wide]");
  shop.run();
  shop.report("1,600 columns, first load", limit_for(16'000));
  Fold fold(shop.store(), "shop.public.wide");
  fill(1 + rows / 2);
  shop.server.sql("update wide set c1599 = id where id % 3 = 0; delete from wide where id % 5 = 0");
  shop.wait_for(fold, rows / 2 + rows / 3 + rows / 5);
  shop.report("1,600 columns, stream", streaming_limit);
  const Sums expected = table_sums(shop.url, "select * from wide");
  shop.check_same(fold, expected);
  shop.load("public.wide");
  shop.report("1,600 columns, source load", limit_for(16'000));
  shop.end();
  shop.check_same(fold, expected);
}

TEST_CASE("scale: many tables in one publication for all tables") {
  const std::uint64_t tables = sized(500, 100'000);
  ScaleShop shop(
      tables * 60'000 + 1024 * megabyte,
      {fmt::format("max_locks_per_transaction={}", std::max<std::uint64_t>(tables / 40, 256)),
       "shared_buffers=1GB"});
  // In transactions of their own: each table takes locks until its end.
  shop.server.sql("create schema many");
  shop.server.sql(fmt::format(
      "do $$ begin for t in 1..{} loop execute format('create table many.t%s (id int primary key, "
      "note text); insert into many.t%s values (0, %L)', t, t, 'first of ' || t); "
      "if t % 500 = 0 then commit; end if; end loop; end $$",
      tables));
  shop.server.sql("create publication everything for all tables");
  shop.configure("[\"many.*\"]", "    publication: everything\n");
  shop.run();
  shop.report(fmt::format("{} tables, start and first load", tables), limit_for(0));

  // One row for each table, and a second one for some, in transactions of a hundred tables.
  shop.server.sql(
      fmt::format("do $$ begin for t in 1..{} loop execute format('insert into many.t%s values (1, "
                  "%L)', t, 'row of ' || t); "
                  "if t % 100 = 0 then commit; end if; end loop; end $$",
                  tables));
  shop.server.sql("insert into many.t7 values (2, 'last')");
  {
    Fold last(shop.store(), "shop.many.t7");
    shop.wait_for(last, 2);
  }
  shop.report("a row for each table", limit_for(0));
  shop.load("many.t9");
  shop.report("source load of one of them", limit_for(0));
  const auto disk = real_disk();
  const auto reader = must(StoreReader::open(*disk, shop.store()));
  std::uint64_t loads = 0;
  std::uint64_t inserts = 0;
  std::uint64_t schemas = 0;
  while (const Event* const event = must(reader->next())) {
    loads += event->type == EventType::load ? 1 : 0;
    inserts += event->type == EventType::insert ? 1 : 0;
    schemas += event->type == EventType::schema ? 1 : 0;
  }
  CHECK(loads == tables + 2);
  CHECK(inserts == tables + 1);
  CHECK(schemas == tables);
  // Again: everything is known, and nothing is loaded.
  shop.end();
  shop.run();
  shop.report("start again", limit_for(0));
  shop.end();
}

// Text that does not compress, so that it stays what it is on its whole way.
TEST_CASE("scale: values of 50 MB, new, changed with the old row, and unchanged") {
  const std::vector<std::string> kinds = is_full()
                                             ? std::vector<std::string>{"text", "bytea", "jsonb"}
                                             : std::vector<std::string>{"text"};
  for (const std::string& kind : kinds) {
    CAPTURE(kind);
    ScaleShop shop(6'000 * megabyte, {"wal_compression=off"});
    shop.server.sql(
        "create table seed (body text); alter table seed alter body set storage external;"
        "insert into seed select string_agg(md5(i::text), '') from generate_series(1, 1638400) "
        "i;"  // 50 MB
        "create table plain (id int primary key, n int, big " +
        kind +
        "); alter table plain alter big set storage external;"
        "create table whole (id int primary key, n int, big " +
        kind +
        "); alter table whole alter big set storage external;"
        "alter table whole replica identity full");
    const auto value = [&](int seed) {
      const std::string text = "(select '" + std::to_string(seed) + "' || body from seed)";
      if (kind == "bytea") return "convert_to(" + text + ", 'UTF8')";
      if (kind == "jsonb") return "jsonb_build_object('value', " + text + ")";
      return text;
    };
    const std::uint64_t row_bytes = (kind == "bytea" ? 100 : 50) * megabyte + 1000;
    shop.server.sql("insert into plain values (1, 1, " + value(1) +
                    "); insert into whole values (1, 1, " + value(2) + ")");
    shop.configure("[public.plain, public.whole]");
    shop.run();
    shop.report("50 MB of " + kind + ", first load", limit_for(row_bytes));
    Fold plain(shop.store(), "shop.public.plain");
    Fold whole(shop.store(), "shop.public.whole");
    shop.server.sql("insert into plain values (2, 1, " + value(3) + ")");
    shop.wait_for(plain, 1);
    shop.report("50 MB of " + kind + ", insert", limit_for(row_bytes));
    shop.server.sql("update plain set n = 2");
    shop.wait_for(plain, 3);
    shop.report("50 MB of " + kind + ", unchanged", limit_for(row_bytes));
    shop.server.sql("update whole set n = 2");
    shop.wait_for(whole, 1);
    shop.report("50 MB of " + kind + ", unchanged, with the old row", limit_for(2 * row_bytes));
    shop.server.sql("update whole set big = " + value(4));
    shop.wait_for(whole, 2);
    shop.report("50 MB of " + kind + ", changed, with the old row", limit_for(2 * row_bytes));
    shop.load("public.plain");
    shop.report("50 MB of " + kind + ", source load", limit_for(row_bytes));
    shop.end();
    shop.check_same(plain, table_sums(shop.url, "select * from plain"));
    shop.check_same(whole, table_sums(shop.url, "select * from whole"));
  }
}

TEST_SUITE_END();

}  // namespace tidelog::testing
