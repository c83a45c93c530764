// The program's bad days, on a real Postgres: each is told once with the way out, ends or waits as
// documented, and nothing is lost: when the cause is gone, the store holds what the table holds.
#include <doctest/doctest.h>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>
#include <charconv>

#include <map>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "tests/integration/shop.h"

namespace tidelog::testing {
namespace {

constexpr Duration long_wait(90'000);

// A file system of its own. It is in a name space of this process, so it dies with it, however that
// ends.
class SmallDisk {
 public:
  SmallDisk(std::filesystem::path folder, const std::string& size) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
    mounted_ = ::unshare(CLONE_NEWNS) == 0 &&
               ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    if (!mounted_) MESSAGE("skipped: only root can mount a small file system to fill it");
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }

  // Takes all the space that is left, apart from so much.
  void fill(std::uintmax_t spare_bytes) {
    std::ofstream ballast(folder_ / "ballast", std::ios::app);
    const std::string block(4096, 'x');
    while (std::filesystem::space(folder_).available > spare_bytes && ballast << block) {
      ballast.flush();
    }
  }
  void free() { std::filesystem::remove(folder_ / "ballast"); }

 private:
  std::filesystem::path folder_;
  bool mounted_ = false;
};

void keep_on_disk(Shop& shop) {
  shop.store_folder = shop.folder / "disk" / "store";
  shop.store_keys = ", segment_size: 1 MiB, disk_floor: 0 MiB";
  shop.configure("[public.orders]");
}

// Orders from the first number on, in one transaction; each has some 140 bytes that no compression
// makes much smaller.
void insert_orders(Shop& shop, int first, int count) {
  shop.server.sql(
      "insert into orders select n, 'order ' || n || ' ' || md5(n::text) || md5((-n)::text) || "
      "md5((n * 2)::text) from generate_series(" +
      std::to_string(first) + ", " + std::to_string(first + count - 1) + ") n");
}

// Orders in transactions of so many, until they are more than what a disk with a few MiB left can
// take, and far fewer than what the whole disk can.
void fill_with_orders(Shop& shop, int& next, int in_transaction) {
  constexpr int enough = 50'000;
  for (const int end = next + enough; next < end; next += in_transaction) {
    insert_orders(shop, next, in_transaction);
  }
}

bool waits_for_space(Shop& shop) {
  const std::string status = shop.status();
  return contains(status, "\"state\":\"waiting\"") && contains(status, "No space left on device");
}

// Whether the store's state is the table; asked only once as many events are there.
bool has_all(Shop& shop) {
  const std::string status = shop.status();
  const std::string name = "\"position\":";
  const std::size_t at = status.find(name);
  if (at == std::string::npos) return false;
  const std::size_t begin = at + name.size();
  const std::string position = status.substr(begin, status.find(',', begin) - begin);
  const bool enough =
      shop.server.sql("select count(*) <= " + position + " from orders") == Rows{{"t"}};
  return enough && shop.orders_in_store() == shop.orders_in_table();
}

// Whether a transaction lies in the store but is not whole yet.
bool is_staging(const Shop& shop) {
  const auto folder = shop.store_folder / "staging";
  return std::filesystem::exists(folder) && !std::filesystem::is_empty(folder);
}

// What the store's files hold. Who last held the lock does not count.
std::map<std::string, std::string> files_of(const Shop& shop) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(shop.store_folder)) {
    if (entry.is_regular_file() && entry.path().filename() != "lock") {
      files[entry.path().string()] = content_of(entry.path());
    }
  }
  return files;
}

void replace_content(const std::filesystem::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

std::filesystem::path first_segment(const Shop& shop) {
  return shop.store_folder / "segments" / "00000001-0.log";
}

std::string confirmed(Shop& shop) {
  return shop.server.sql("select confirmed_flush_lsn from pg_replication_slots").at(0).at(0);
}

// A store of five transactions of one order each, after the load.
void five_transactions(Shop& shop) {
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  for (int id = 51; id <= 55; ++id) {
    insert_orders(shop, id, 1);
    REQUIRE(eventually(soon, [&] { return shop.rows("orders") == static_cast<std::size_t>(id); }));
  }
  CHECK(stopped(*run) == Exit{0, 0});
}

std::size_t text_of_order(const std::string& segment, int id) {
  const std::size_t text = segment.find("order " + std::to_string(id) + " ");
  REQUIRE(text != std::string::npos);
  return text;
}

// Where the batch of the order's text begins in the segment.
std::size_t batch_of_order(const std::string& segment, int id) {
  const std::size_t text = text_of_order(segment, id);
  const std::size_t batch = segment.rfind("TLGB", text);
  REQUIRE(batch != std::string::npos);
  return batch;
}

}  // namespace

TEST_CASE("bad days: a disk that fills up under load is told and waited for, and nothing is lost") {
  Shop shop;
  SmallDisk disk(shop.folder / "disk", "32m");
  if (!disk.mounted()) return;
  keep_on_disk(shop);
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  disk.fill(2 << 20);
  int next = 51;
  fill_with_orders(shop, next, 500);
  REQUIRE_MESSAGE(eventually(long_wait, [&] { return waits_for_space(shop); }), run->errors(),
                  shop.status());
  CHECK(contains(run->errors(), "source waits source=shop problem="));
  CHECK(contains(run->errors(), "free some space"));
  disk.fill(0);
  insert_orders(shop, next, 500);
  CHECK(eventually(soon, [&] { return waits_for_space(shop); }));
  CHECK(shop.tidelog({"store", "verify"}).code == 0);
  CHECK(shop.rows("orders") > 50);
  disk.free();
  CHECK_MESSAGE(eventually(long_wait, [&] { return shop.streams() && has_all(shop); }),
                run->errors());
  CHECK(shop.events("insert") == shop.orders_in_table().size() - 50);
  CHECK(stopped(*run) == Exit{0, 0});
  CHECK(shop.tidelog({"store", "verify"}).code == 0);
}

TEST_CASE("bad days: a load that fills the disk waits, is told, and is whole once there is space") {
  Shop shop;
  insert_orders(shop, 51, 100'000);
  SmallDisk disk(shop.folder / "disk", "64m");
  if (!disk.mounted()) return;
  keep_on_disk(shop);
  disk.fill(2 << 20);
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(long_wait, [&] { return waits_for_space(shop); }), run->errors());
  CHECK(shop.rows("orders") == 0);
  disk.free();
  CHECK_MESSAGE(eventually(long_wait, [&] { return shop.streams() && has_all(shop); }),
                run->errors());
  CHECK(shop.events("load") == 100'050);
  CHECK(shop.server.sql("select count(*) from pg_replication_slots") == Rows{{"1"}});
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE(
    "bad days: a run that waits for space ends cleanly, and one that starts on a full disk waits") {
  Shop shop;
  SmallDisk disk(shop.folder / "disk", "32m");
  if (!disk.mounted()) return;
  keep_on_disk(shop);
  {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    disk.fill(0);
    int next = 51;
    fill_with_orders(shop, next, 5'000);
    REQUIRE_MESSAGE(eventually(long_wait, [&] { return waits_for_space(shop); }), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
  }
  disk.fill(0);
  const auto run = shop.start();
  const auto says = [&](const char* what) { return contains(run->errors(), what); };
  CHECK(eventually(soon, [&] { return says(" waits ") && says("No space left on device"); }));
  disk.free();
  CHECK_MESSAGE(eventually(long_wait, [&] { return has_all(shop); }), run->errors());
  CHECK(shop.events("insert") == shop.orders_in_table().size() - 50);
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("bad days: a new store on a full disk is waited for; it can be stopped meanwhile") {
  Shop shop;
  SmallDisk disk(shop.folder / "disk", "32m");
  if (!disk.mounted()) return;
  keep_on_disk(shop);
  disk.fill(0);
  {
    const auto run = shop.start();
    CHECK(eventually(soon, [&] { return contains(run->errors(), "store waits problem="); }));
    CHECK_MESSAGE(contains(run->errors(), "free some space"), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
  }
  const auto run = shop.start();
  REQUIRE(eventually(soon, [&] { return contains(run->errors(), "store waits problem="); }));
  disk.free();
  CHECK_MESSAGE(eventually(long_wait, [&] { return shop.streams() && has_all(shop); }),
                run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("bad days: a store of a newer format is refused by name, and nothing of it is changed") {
  Shop shop;
  capture_and_stop(shop);
  const auto manifest = shop.store_folder / "manifest";
  const std::string old = content_of(manifest);
  std::string newer = old;
  patch_le(newer, 4, std::uint32_t{2});
  replace_content(manifest, newer);
  const auto before = files_of(shop);
  const std::string position = confirmed(shop);
  check_refused(shop, 1, {manifest.string(), "format 2", "use a newer tidelog"});
  for (const char* const command : {"events", "replay"}) {
    std::vector<std::string> words = {command};
    if (words.front() == "replay") words.insert(words.end(), {"--into", "-"});
    const Finished answer = shop.tidelog(words);
    CHECK(answer.code == 1);
    CHECK_MESSAGE(contains(answer.errors, "use a newer tidelog"), answer.errors);
  }
  CHECK(shop.tidelog({"store", "verify"}).code == 1);
  CHECK(files_of(shop) == before);
  CHECK(confirmed(shop) == position);
  replace_content(manifest, old);
  insert_orders(shop, 51, 1);
  const auto run = shop.start();
  CHECK_MESSAGE(eventually(soon, [&] { return has_all(shop); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("bad days: a batch of a newer format is refused too; what lies before it is served") {
  Shop shop;
  five_transactions(shop);
  const std::string old = content_of(first_segment(shop));
  std::string newer = old;
  const std::size_t batch = batch_of_order(old, 53);
  newer[batch + 8] = 2;
  patch_le(newer, batch + 4, crc32c(std::string_view(newer).substr(batch + 8, 88)));
  replace_content(first_segment(shop), newer);
  const auto before = files_of(shop);
  check_refused(
      shop, 1, {"segment 1 at offset " + std::to_string(batch), "format 2", "use a newer tidelog"});
  const Finished events = shop.tidelog({"events", "--type", "insert", "--json"});
  CHECK(events.code == 1);
  CHECK(line_count(events.output) == 2);
  CHECK(files_of(shop) == before);
  replace_content(first_segment(shop), old);
  const auto run = shop.start();
  insert_orders(shop, 56, 1);
  CHECK_MESSAGE(eventually(soon, [&] { return has_all(shop); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("bad days: a flipped bit in a segment ends run with the positions; the rest is served") {
  Shop shop;
  five_transactions(shop);
  const std::string old = content_of(first_segment(shop));
  std::string rotten = old;
  const std::size_t text = text_of_order(old, 53);
  rotten[text + 20] = static_cast<char>(rotten[text + 20] ^ 1);
  replace_content(first_segment(shop), rotten);
  const auto before = files_of(shop);
  const std::string position = confirmed(shop);

  const Finished events = shop.tidelog({"events", "--json"});
  CHECK(events.code == 3);
  REQUIRE(line_count(events.output) > 50);
  CHECK(contains(lines_of(events.output).back(), "\"id\":52"));
  const std::string first_bad = std::to_string(line_count(events.output));
  const std::string last_good = std::to_string(line_count(events.output) - 1);
  check_refused(shop, 3,
                {"segment 1", "events from position " + first_bad + " on are damaged",
                 "Nothing was changed", "reading commands serve what is whole"});
  CHECK(shop.tidelog({"state", "shop.public.orders", "--json"}).code == 3);
  const Finished state = shop.tidelog({"state", "shop.public.orders", "--at", last_good, "--json"});
  CHECK(state.code == 0);
  CHECK(line_count(state.output) == 52);
  const Finished verify = shop.tidelog({"store", "verify"});
  CHECK(verify.code == 3);
  CHECK_MESSAGE(
      contains(verify.output + verify.errors, "positions " + first_bad + " to " + first_bad),
      verify.output, verify.errors);
  CHECK(files_of(shop) == before);
  CHECK(confirmed(shop) == position);

  replace_content(first_segment(shop), old);
  insert_orders(shop, 56, 1);
  const auto run = shop.start();
  CHECK_MESSAGE(eventually(soon, [&] { return has_all(shop); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("bad days: a slot that the server invalidated meanwhile is told, and not made anew") {
  PostgresServer::Options options;
  options.settings = {"max_slot_wal_keep_size=1MB", "min_wal_size=32MB", "max_wal_size=32MB"};
  Shop shop(options);
  capture_and_stop(shop);
  const auto status = [&] {
    return shop.server.sql("select slot_name, wal_status from pg_replication_slots");
  };
  REQUIRE(eventually(long_wait, [&] {
    shop.server.sql(
        "insert into customers select n, repeat('x', 100) from generate_series(1, 20000) n");
    shop.server.sql("truncate customers");
    shop.server.sql("select pg_switch_wal()");
    shop.server.sql("checkpoint");
    return status() == Rows{{"tidelog_shop", "lost"}};
  }));
  check_refused(shop, 2,
                {"the slot tidelog_shop was invalidated", "nothing was recreated",
                 "use a new store", "pg_drop_replication_slot('tidelog_shop')"});
  CHECK(shop.tidelog({"check"}).code == 2);
  CHECK(status() == Rows{{"tidelog_shop", "lost"}});
  CHECK(shop.rows("orders") == 50);
}

TEST_CASE("bad days: lost history is a gap event, once, and the store is read as before") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop({.settings = {}, .hba = {}, .version = version});
    capture_and_stop(shop);
    shop.server.sql("select pg_drop_replication_slot('tidelog_shop')");
    const std::string missing = "the slot tidelog_shop does not exist any more";
    CHECK(shop.tidelog({"check"}).code == 2);
    CHECK(shop.events("gap") == 0);
    for (int again = 0; again < 2; ++again) {
      check_refused(shop, 2,
                    {missing, "give the source another name", "initial_load: when_needed"});
      CHECK(shop.events("gap") == 1);
    }
    const Finished gap = shop.tidelog({"events", "--stream", "shop.$source", "--json"});
    CHECK(line_count(gap.output) == 1);
    CHECK_MESSAGE(contains(gap.output, "\"gap\":{\"reason\":\"" + missing), gap.output);
    CHECK(contains(shop.tidelog({"events", "--backwards", "--limit", "1"}).output, missing));
    CHECK(contains(shop.status(), missing));

    const Finished state = shop.tidelog({"state", "shop.public.orders", "--json"});
    CHECK(line_count(state.output) == 50);
    CHECK_MESSAGE(contains(state.errors, "may be missing: " + missing), state.errors);
    const std::string name = "\"position\":";
    const std::string behind = gap.output.substr(gap.output.find(name) + name.size());
    std::uint64_t position = 0;
    std::from_chars(behind.data(), behind.data() + behind.size(), position);
    const std::string last = std::to_string(position - 1);
    const Finished before = shop.tidelog({"state", "shop.public.orders", "--at", last, "--json"});
    CHECK(line_count(before.output) == 50);
    CHECK_FALSE(contains(before.errors, "may be missing"));
    CHECK(line_count(shop.tidelog({"history", "shop.public.orders", "7", "--json"}).output) == 1);
    CHECK(shop.tidelog({"events", "--rows", "whole", "--json"}).code == 0);
    CHECK(shop.tidelog({"store", "verify"}).code == 0);
    const std::string file = (shop.folder / "orders.db").string();
    const Finished replayed = shop.tidelog({"replay", "--into", "sqlite:" + file});
    CHECK_MESSAGE(replayed.code == 0, replayed.errors);
    CHECK_MESSAGE(contains(replayed.errors, "1 gap event"), replayed.errors);
    CHECK(output_of({"sqlite3", file, "select count(*) from orders"}, soon) == "50\n");
  }
}

TEST_CASE("bad days: a slot that is dropped under a run is a gap that ends it") {
  for (const std::string& version : postgres_versions()) {
    CAPTURE(version);
    Shop shop({.settings = {}, .hba = {}, .version = version});
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    // Quicker than it comes back.
    CHECK(eventually(soon, [&] {
      shop.server.sql("select pg_terminate_backend(active_pid) from pg_replication_slots");
      return shop.server.query("select pg_drop_replication_slot('tidelog_shop')").has_value();
    }));
    check_ended(*run, 2,
                {"the slot tidelog_shop does not exist any more", "nothing was recreated"});
    CHECK(shop.events("gap") == 1);
    CHECK(shop.rows("orders") == 50);
  }
}

TEST_CASE("bad days: a slot that somebody else reads is a conflict that names the process") {
  Shop shop;
  capture_and_stop(shop);
  {
    SqlSession other(shop.url + "?replication=database");
    CHECK_FALSE(
        other.query("START_REPLICATION SLOT tidelog_shop LOGICAL 0/0 (proto_version '1', "
                    "publication_names 'tidelog_shop')"));
    const std::string pid =
        shop.server.sql("select active_pid from pg_replication_slots").at(0).at(0);
    check_refused(shop, 5,
                  {"the slot tidelog_shop is in use by process " + pid,
                   "SELECT pg_terminate_backend(" + pid + ")"});
    CHECK(shop.server.sql("select active_pid from pg_replication_slots") == Rows{{pid}});
  }
  insert_orders(shop, 51, 10);
  const auto run = shop.start();
  CHECK_MESSAGE(eventually(soon, [&] { return has_all(shop); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE(
    "bad days: a cut or a restart in the middle of a large transaction; it comes once, whole") {
  Shop shop;
  const auto run = shop.start();
  REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
  const std::vector<std::function<void()>> cuts = {
      [&] { shop.server.sql("select pg_terminate_backend(pid) from pg_stat_replication"); },
      [&] { shop.server.restart(PostgresServer::Shutdown::fast); },
      [&] { shop.server.restart(PostgresServer::Shutdown::immediate); },
  };
  int next = 51;
  for (const auto& cut : cuts) {
    insert_orders(shop, next, 150'000);
    next += 150'000;
    WARN_MESSAGE(eventually(soon, [&] { return is_staging(shop); }),
                 "it was not cut in the middle");
    cut();
    CHECK_MESSAGE(eventually(long_wait, [&] { return has_all(shop); }), run->errors());
  }
  CHECK(shop.events("insert") == 450'000);
  CHECK_FALSE(is_staging(shop));
  CHECK(contains(run->errors(), "source waits"));
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE(
    "bad days: a value that cannot be decoded stops its source, with place, table and column") {
  Shop shop;
  shop.server.sql("create table dues (id int primary key, due date)");
  shop.configure("[public.orders, public.dues]");
  capture_and_stop(shop);
  // No sound server prints such a date. This one is made to: the type's output function is another
  // one, which prints the number within.
  shop.server.sql("insert into orders values (51, 'before')");
  shop.server.sql(
      "create function date_as_number(date) returns cstring language internal immutable strict as "
      "'int4out'");
  shop.server.sql("update pg_type set typoutput = 'date_as_number' where oid = 'date'::regtype");
  shop.server.sql("insert into dues values (1, '2026-11-24')");
  shop.server.sql("insert into orders values (52, 'after')");
  const std::string position = confirmed(shop);
  for (const char* const name : {"first", "second"}) {
    const auto run = shop.start(name);
    check_ended(*run, 1, {"public.dues", "due", "9824", "lsn"});
    CHECK(shop.rows("orders") == 51);
    CHECK(shop.rows("dues") == 0);
  }
  CHECK(contains(shop.status(), "public.dues"));
  CHECK(shop.server.sql("select confirmed_flush_lsn >= '" + position +
                        "' and pg_current_wal_lsn() > confirmed_flush_lsn from "
                        "pg_replication_slots") == Rows{{"t"}});
}

TEST_CASE("bad days: a store folder that we may not write is refused with user and way out") {
  Shop shop;
  capture_and_stop(shop);
  std::vector<std::string> command = {tidelog_program(), "run", "-c", shop.config()};
  if (::geteuid() == 0) {
    command.insert(command.begin(),
                   {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
  } else {
    std::filesystem::permissions(
        shop.store_folder, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  }
  const auto before = ::geteuid() == 0 ? files_of(shop) : std::map<std::string, std::string>();
  const auto check_unwritable = [&](const std::string& names) {
    ChildProcess run(command, shop.folder / "nobody.out", shop.folder / "nobody.err");
    const auto exit = run.wait(soon);
    REQUIRE(exit.has_value());
    CHECK_MESSAGE(exit->code == 2, run.errors());
    for (const std::string& part :
         {names, std::string("Permission denied"), std::string("tidelog runs as user "),
          std::string("give it the rights (chown, chmod) or name another directory")}) {
      CHECK_MESSAGE(contains(run.errors(), part), run.errors());
    }
  };
  check_unwritable(shop.store());
  if (::geteuid() == 0) CHECK(files_of(shop) == before);
  std::filesystem::permissions(shop.store_folder, std::filesystem::perms::owner_all);
  // A new one, in a folder where we may make none.
  const auto used = shop.store_folder;
  if (::geteuid() == 0) {
    shop.store_folder = shop.folder / "new" / "store";
    shop.configure("[public.orders]");
    check_unwritable((shop.folder / "new").string());
    CHECK_FALSE(std::filesystem::exists(shop.folder / "new"));
  }
  shop.store_folder = used;
  shop.configure("[public.orders, public.customers]");
  insert_orders(shop, 51, 1);
  const auto run = shop.start();
  CHECK_MESSAGE(eventually(soon, [&] { return has_all(shop); }), run->errors());
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("bad days: a misspelt key is refused with file, line and the nearest key") {
  Shop shop;
  shop.configure("[public.orders]", "    publicaton: other\n");
  check_refused(shop, 2, {shop.config() + ":6: unknown key `publicaton`", "`publication`"});
  CHECK(shop.tidelog({"check"}).code == 2);
  CHECK(shop.server.sql("select count(*) from pg_replication_slots") == Rows{{"0"}});
  CHECK_FALSE(std::filesystem::exists(shop.store_folder));
}

TEST_CASE("bad days: a stop during the load of a large table ends in time; the next run is whole") {
  Shop shop;
  insert_orders(shop, 51, 600'000);
  {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.events("load") > 0; }), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
    WARN_FALSE(shop.streams());
    CHECK(shop.rows("orders") == 0);
  }
  const auto run = shop.start();
  CHECK_MESSAGE(eventually(long_wait, [&] { return has_all(shop); }), run->errors());
  CHECK(shop.events("load") == 600'050);
  CHECK(shop.server.sql("select count(*) from pg_replication_slots") == Rows{{"1"}});
  CHECK(stopped(*run) == Exit{0, 0});
}

TEST_CASE("bad days: a stop during a large transaction ends in time; the next run has it once") {
  Shop shop;
  {
    const auto run = shop.start();
    REQUIRE_MESSAGE(eventually(soon, [&] { return shop.streams(); }), run->errors());
    insert_orders(shop, 51, 400'000);
    REQUIRE_MESSAGE(eventually(soon, [&] { return is_staging(shop); }), run->errors());
    CHECK(stopped(*run) == Exit{0, 0});
    CHECK(shop.rows("orders") == 50);
  }
  const auto run = shop.start();
  CHECK_MESSAGE(eventually(long_wait, [&] { return has_all(shop); }), run->errors());
  CHECK(shop.events("insert") == 400'000);
  CHECK(stopped(*run) == Exit{0, 0});
}

}  // namespace tidelog::testing
