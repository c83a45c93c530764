#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/disk.h"
#include "eventstore/erasure.h"
#include "eventstore/store_files.h"
#include "tests/app/cli_fixture.h"
#include "tests/app/shop_store.h"
#include "tests/support/child_process.h"

namespace tidelog {
namespace {

using testing::CliFixture;
using testing::contains;
using testing::ShopStore;

struct Folders : CliFixture {
  explicit Folders(const std::string& purpose)
      : base(testing::scratch_folder(purpose).string()),
        store(base + "/store"),
        backup(base + "/backup"),
        restored(base + "/restored") {
    ShopStore shop(*disk, clock, store);
    shop.insert(1, "new");                   // positions 0 (schema) and 1
    shop.update(1, "new", "paid");           // 2
    shop.update(1, "paid", "sent");          // 3
    clock.advance(std::chrono::seconds(1));  // for the next batch's append time
    shop.insert_customer(9, "Ada");          // 4 (schema) and 5
  }

  Answer run_well(const std::vector<std::string>& arguments) {
    const Answer answer = run(arguments);
    CHECK_MESSAGE(answer.code == 0, answer.err);
    return answer;
  }

  std::string events_of(const std::string& folder) {
    return run_well({"events", "--store", folder, "--json"}).out;
  }

  std::string configuration() {
    const auto file = disk->create(base + "/shop.yaml");
    REQUIRE(file);
    REQUIRE((*file)->write(0, "store: { path: " + restored +
                                  " }\nsources:\n  - name: shop\n    postgres: postgresql:///none\n"
                                  "    tables: [public.orders]\n"));
    return base + "/shop.yaml";
  }

  std::string base, store, backup, restored;
};

}  // namespace

TEST_CASE("store backup: reads like the store, and the next one copies only what is new") {
  Folders folders("backup command");
  const auto answer = folders.run_well(
      {"store", "backup", "--store", folders.store, "--to", folders.backup, "--json"});
  CHECK(contains(answer.out, R"("position":6,)"));
  CHECK(contains(answer.out, R"("copied_files":1,)"));
  CHECK(folders.events_of(folders.backup) == folders.events_of(folders.store));
  const auto again =
      folders.run_well({"store", "backup", "--store", folders.store, "--to", folders.backup});
  CHECK(contains(again.out, "0 of them copied now"));
  CHECK(contains(again.out, "every checksum of all of them verified"));
  const std::string segment = folders.backup + "/segments/00000001-0.log";
  const auto file = folders.disk->open_write(segment);
  REQUIRE(file);
  REQUIRE((*file)->write(300, "rot"));
  const auto mended =
      folders.run_well({"store", "backup", "--store", folders.store, "--to", folders.backup});
  CHECK(contains(mended.out, segment + ": its bytes are not those that were copied: copied again"));
  CHECK(contains(mended.out, "1 of them copied now"));
  const auto trusted = folders.run_well(
      {"store", "backup", "--store", folders.store, "--to", folders.backup, "--trust-copies"});
  CHECK(contains(trusted.out, "the others were not read (--trust-copies)"));
  CHECK(contains(folders.run_well({"store", "verify", "--store", folders.backup}).out, "whole"));
  CHECK(folders.run_well({"store", "stats", "--store", folders.backup}).code == 0);
}

TEST_CASE("store restore: the whole backup, to a position, to a time") {
  Folders folders("restore command");
  folders.run_well({"store", "backup", "--store", folders.store, "--to", folders.backup});
  const std::string all = folders.events_of(folders.store);
  const auto restore = [&](const std::string& to, const std::string& until) {
    std::vector<std::string> arguments = {"store", "restore", "--from", folders.backup, "--to", to};
    if (!until.empty()) arguments.insert(arguments.end(), {"--until", until});
    return folders.run_well(arguments).out;
  };
  CHECK(contains(restore(folders.restored, ""), "the history before position 6."));
  CHECK(folders.events_of(folders.restored) == all);
  CHECK(contains(restore(folders.base + "/two", "2"), "the history before position 3."));
  CHECK(all.starts_with(folders.events_of(folders.base + "/two")));
  CHECK(contains(restore(folders.base + "/time", print_time(ShopStore::time_of(1))),
                 "the history before position 3."));
  const auto occupied = folders.run(
      {"store", "restore", "--from", folders.backup, "--to", folders.restored, "--json"});
  CHECK(occupied.code == 5);
  CHECK(contains(occupied.err, "is not empty"));
}

TEST_CASE("store restore, salvage, backup: not into what they read, by whatever way it is named") {
  Folders folders("within");
  folders.run_well({"store", "backup", "--store", folders.store, "--to", folders.backup});
  std::filesystem::create_directory_symlink(folders.store + "/segments", folders.base + "/link");
  std::filesystem::create_directory_symlink(folders.backup, folders.base + "/copy");
  const auto refused = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "store");
    const auto answer = folders.run(arguments);
    CHECK(answer.code == 2);
    CHECK_MESSAGE(contains(answer.err, "itself, or within it"), answer.err);
  };
  refused({"salvage", "--from", folders.store, "--to", folders.store + "/x"});
  refused({"salvage", "--from", folders.store, "--to", folders.base + "/link/x"});
  refused({"salvage", "--from", folders.store + "/", "--to", folders.backup + "/../store/y"});
  refused({"restore", "--from", folders.backup, "--to", folders.base + "/copy/x"});
  refused({"restore", "--from", folders.base + "/copy", "--to", folders.backup + "/x"});
  refused({"backup", "--store", folders.store, "--to", folders.base + "/link/x"});
  CHECK_FALSE(std::filesystem::exists(folders.store + "/segments/x"));
}

TEST_CASE("append, store truncate, store delete: an erasure that is not done is said, and left") {
  Folders folders("pending erasure");
  const std::string lines = folders.base + "/lines.jsonl";
  const auto file = folders.disk->create(lines);
  REQUIRE(file);
  REQUIRE((*file)->write(0, "{\"type\":\"t\"}\n"));
  REQUIRE(write_erasures(*folders.disk, StorePaths(folders.store),
                         {{"shop.public.customers", {}, {Position{5}}}}));
  const std::vector<std::vector<std::string>> commands = {
      {"append", "cart", lines},
      {"store", "truncate", "--stream", "cart", "--before", "1"},
      {"store", "delete", "--stream", "cart"}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--store", folders.store});
    const auto answer = folders.run_well(command);
    CHECK_MESSAGE(contains(answer.err, "an erasure that was cut off is not done yet"), answer.err);
  }
  CHECK(contains(folders.events_of(folders.store), "Ada"));
}

TEST_CASE("a store without its manifest is a damaged one, not none") {
  Folders folders("no manifest");
  const std::string lines = folders.base + "/lines.jsonl";
  const auto file = folders.disk->create(lines);
  REQUIRE(file);
  REQUIRE((*file)->write(0, "{\"type\":\"t\"}\n"));
  std::filesystem::remove(folders.store + "/manifest");
  const std::vector<std::vector<std::string>> commands = {
      {"store", "verify"},    {"events"},
      {"store", "adopt"},     {"store", "stats"},
      {"store", "compact"},   {"store", "backup", "--to", folders.backup},
      {"append", "a", lines}, {"append", "a", lines, "--create"}};
  for (std::vector<std::string> command : commands) {
    CAPTURE(command.back());
    command.insert(command.end(), {"--store", folders.store});
    const auto answer = folders.run(command);
    CHECK(answer.code == 3);
    CHECK_MESSAGE(contains(answer.err, "store salvage --from " + folders.store), answer.err);
  }
  folders.run_well({"store", "salvage", "--from", folders.store, "--to", folders.restored});
  CHECK(contains(folders.events_of(folders.restored), "Ada"));
}

TEST_CASE("a folder with other people's files, or with half a backup, is no damaged store") {
  Folders folders("no store");
  const std::string other = folders.base + "/other";
  std::filesystem::create_directories(other + "/segments");
  const auto video = folders.disk->create(other + "/segments/video1.ts");
  REQUIRE(video);
  REQUIRE((*video)->write(0, "frames"));
  const auto events = folders.run({"events", "--store", other});
  CHECK(events.code != 3);
  CHECK_MESSAGE(contains(events.err, "holds no store"), events.err);
  const auto half = folders.disk->create(other + "/backup.unfinished");
  REQUIRE(half);
  const auto backup = folders.run({"events", "--store", other});
  CHECK(backup.code == 2);
  CHECK_MESSAGE(contains(backup.err, "cut off before it was whole"), backup.err);
}

TEST_CASE("run: a backup is not written to") {
  Folders folders("run on a backup");
  folders.restored = folders.backup;
  folders.run_well({"store", "backup", "--store", folders.store, "--to", folders.backup});
  const auto answer = folders.run({"run", "-c", folders.configuration()});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "is a backup"));
}

TEST_CASE("run: a source does not go on in a store that was restored without its last events") {
  Folders folders("run on a cut store");
  folders.run_well({"store", "backup", "--store", folders.store, "--to", folders.backup});
  folders.run_well(
      {"store", "restore", "--from", folders.backup, "--to", folders.restored, "--until", "2"});
  const auto answer = folders.run({"run", "-c", folders.configuration()});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "the source shop cannot go on in it"));
  CHECK(contains(answer.err, "name: shop-2"));
}

TEST_CASE("store salvage: lists what is missing, for people and as JSON") {
  Folders folders("salvage command");
  const std::string segment = folders.store + "/segments/00000001-0.log";
  {
    // The second transaction's record, in its block.
    const auto file = folders.disk->open_write(segment);
    REQUIRE(file);
    std::string content;
    REQUIRE((*file)->read(0, 1 << 20, content));
    const std::size_t at = content.find("paid");
    REQUIRE(at != std::string::npos);
    REQUIRE((*file)->write(at, "Paid"));
  }
  CHECK(folders.run({"store", "verify", "--store", folders.store}).code == 3);
  const auto told =
      folders.run_well({"store", "salvage", "--from", folders.store, "--to", folders.restored});
  CHECK(contains(told.out, "holds 5 events"));
  CHECK(contains(told.out, "shop.public.orders"));
  const auto json = folders.run_well(
      {"store", "salvage", "--from", folders.store, "--to", folders.base + "/again", "--json"});
  CHECK(contains(json.out, R"("missing":1,"missing_events":[{"first":2,"last":2,"count":1,)"));
  CHECK(contains(json.out, R"("file":"segments/00000001-0.log")"));
  CHECK(contains(folders.run_well({"store", "verify", "--store", folders.restored}).out, "whole"));
  const auto run = folders.run({"run", "-c", folders.configuration()});
  CHECK(run.code == 2);
  CHECK(contains(run.err, "cannot go on in it"));
}

TEST_CASE("store verify: --json tells bytes and each damaged place") {
  Folders folders("verify as json");
  const auto whole = folders.run_well({"store", "verify", "--store", folders.store, "--json"});
  CHECK(contains(whole.out, R"("events":6,"position":5,)"));
  CHECK(contains(whole.out, R"("whole":true,"damage":[],"warnings":[]})"));
  folders.run_well({"store", "backup", "--store", folders.store, "--to", folders.backup});
  const auto file = folders.disk->open_write(folders.backup + "/backup");
  REQUIRE(file);
  REQUIRE((*file)->write(20, "????????"));
  const auto damaged = folders.run({"store", "verify", "--store", folders.backup, "--json"});
  CHECK(damaged.code == 3);
  CHECK(contains(damaged.out, R"("whole":false,"damage":[")"));
}

TEST_CASE("a copied store is not written to until it is adopted; a renamed one goes on") {
  Folders folders("copied store");
  const std::string copy = folders.base + "/copy";
  std::filesystem::copy(folders.store, copy, std::filesystem::copy_options::recursive);
  folders.restored = copy;
  const auto refused = folders.run({"run", "-c", folders.configuration()});
  CHECK(refused.code == 5);
  CHECK(contains(refused.err, "is a copy of a store"));
  CHECK(contains(refused.err, "tidelog store adopt --store " + copy));
  CHECK(folders.events_of(copy) == folders.events_of(folders.store));
  CHECK(contains(folders.run_well({"store", "adopt", "--store", copy, "--json"}).out,
                 R"({"store":")" + copy + R"("})"));
  ShopStore(*folders.disk, folders.clock, copy);
  const auto needless = folders.run({"store", "adopt", "--store", copy});
  CHECK(needless.code == 2);
  CHECK(contains(needless.err, "is no copy"));

  const std::string renamed = folders.base + "/renamed";
  std::filesystem::rename(folders.store, renamed);
  ShopStore(*folders.disk, folders.clock, renamed);
}

}  // namespace tidelog
