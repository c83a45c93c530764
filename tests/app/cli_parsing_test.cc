#include <doctest/doctest.h>

#include "app/config_keys.h"
#include "app/exit_code.h"
#include "core/disk.h"
#include "tests/app/cli_fixture.h"
#include "tests/support/child_process.h"

namespace tidelog {

using testing::CliFixture;
using testing::contains;

TEST_CASE("cli: --help teaches, with examples and the exit codes") {
  CliFixture cli;
  const auto answer = cli.run({"--help"});
  CHECK(answer.code == 0);
  CHECK(answer.err.empty());
  CHECK(contains(answer.out, "tidelog run -c shop.yaml"));
  CHECK(contains(answer.out, "Exit codes: 0 done, 1 failed, 2 wrong usage"));
}

TEST_CASE("cli: the help of every command has an example of that command") {
  CliFixture cli;
  const std::vector<std::vector<std::string>> commands = {
      {"run"},    {"check"},           {"events"},         {"state"},           {"history"},
      {"replay"}, {"store", "verify"}, {"store", "stats"}, {"source", "status"}};
  for (std::vector<std::string> command : commands) {
    std::string name = "  tidelog";
    for (const std::string& word : command) name += " " + word;
    CAPTURE(name);
    command.push_back("--help");
    const auto answer = cli.run(command);
    CHECK(answer.code == 0);
    CHECK(contains(answer.out, name + " "));
  }
}

TEST_CASE("cli: --version prints the version alone") {
  CliFixture cli;
  const auto answer = cli.run({"--version"});
  CHECK(answer.code == 0);
  CHECK(answer.out == "tidelog 0.0.1\n");
}

TEST_CASE("cli: no command is wrong usage") {
  CliFixture cli;
  const auto answer = cli.run({});
  CHECK(answer.code == 2);
  CHECK(answer.out.empty());
  CHECK(contains(answer.err, "tidelog: a command is missing (there are: `run`, `check`"));
  CHECK(contains(cli.run({"store"}).err,
                 "tidelog store: a command is missing (there are: `verify`, `snapshot`, `stats`"));
}

TEST_CASE("cli: the help of a command names it in full, and of a group only its own commands") {
  CliFixture cli;
  CHECK(contains(cli.run({"run", "--help"}).out, "Usage: tidelog run "));
  CHECK(contains(cli.run({"store", "verify", "--help"}).out, "Usage: tidelog store verify "));
  const std::string store = cli.run({"store", "--help"}).out;
  CHECK(contains(store, "  tidelog store stats"));
  CHECK_FALSE(contains(store, "tidelog run"));
}

TEST_CASE("cli: a limit that is no number is wrong usage that says what is expected") {
  CliFixture cli;
  for (const char* const limit : {"0", "x", "-1", "1.5", "99999999999999999999"}) {
    const auto answer = cli.run({"events", "--store", "s", "--limit", limit});
    CHECK(answer.code == 2);
    CHECK(contains(answer.err, "--limit: expected a whole number from 1 on"));
  }
}

TEST_CASE("cli: a misspelt command is wrong usage, with the nearest one") {
  CliFixture cli;
  const auto answer = cli.run({"evnets"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "`evnets` is not understood (did you mean `events`?)"));
}

TEST_CASE("cli: a misspelt option is wrong usage, with the nearest one of that command") {
  CliFixture cli;
  const auto answer = cli.run({"events", "--store", "s", "--folow"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err,
                 "tidelog events: `--folow` is not understood (did you mean `--follow`?)"));
}

TEST_CASE("cli: what a command needs and lacks is wrong usage that names it") {
  CliFixture cli;
  CHECK(cli.run({"run"}).code == 2);
  CHECK(contains(cli.run({"run"}).err, "--config is required"));
  CHECK(cli.run({"state", "--store", "s"}).code == 2);
  CHECK(cli.run({"history", "shop.public.orders", "--store", "s"}).code == 2);
  CHECK(cli.run({"replay", "--store", "s"}).code == 2);
  CHECK(cli.run({"store"}).code == 2);
}

TEST_CASE("cli: options that exclude each other are wrong usage") {
  CliFixture cli;
  CHECK(cli.run({"events", "--store", "s", "-c", "f"}).code == 2);
  CHECK(cli.run({"events", "--store", "s", "--follow", "--backwards"}).code == 2);
  CHECK(cli.run({"events", "--store", "s", "--follow", "--until", "3"}).code == 2);
}

TEST_CASE("cli: without a store it says how to name one") {
  CliFixture cli;
  const auto answer = cli.run({"events"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "Give -c FILE (a configuration) or --store DIR"));
}

TEST_CASE("cli: a store that does not exist is wrong usage that names the folder") {
  CliFixture cli;
  for (const char* const command : {"events", "state", "history"}) {
    std::vector<std::string> arguments = {command, "--store", "/nowhere/store"};
    if (std::string(command) != "events") arguments.push_back("shop.public.orders");
    if (std::string(command) == "history") arguments.push_back("7");
    const auto answer = cli.run(arguments);
    CHECK(answer.code == 2);
    CHECK(contains(answer.err, "/nowhere/store"));
  }
}

TEST_CASE("cli: a configuration that does not exist is wrong usage that names the file") {
  CliFixture cli;
  const auto answer = cli.run({"check", "-c", "/nowhere/shop.yaml"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "/nowhere/shop.yaml"));
}

TEST_CASE("cli: an error of the configuration is exit code 2 with file and line") {
  CliFixture cli;
  const auto folder = testing::scratch_folder("cli_config");
  REQUIRE(replace_file(*cli.disk, folder.string(), "shop.yaml", "store:\n  pth: s\n"));
  const auto answer = cli.run({"run", "-c", (folder / "shop.yaml").string()});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "shop.yaml:2: unknown key `pth` in `store` (did you mean `path`?)"));
}

TEST_CASE("cli: run without a source is exit code 2") {
  CliFixture cli;
  const auto folder = testing::scratch_folder("cli_no_source");
  REQUIRE(replace_file(*cli.disk, folder.string(), "shop.yaml", "store: { path: s }\n"));
  const auto answer = cli.run({"run", "-c", (folder / "shop.yaml").string()});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "no `sources`"));
}

TEST_CASE("cli: check --keys prints docs/configuration.md") {
  CliFixture cli;
  const auto answer = cli.run({"check", "--keys"});
  CHECK(answer.code == 0);
  CHECK(answer.out == configuration_page());
}

TEST_CASE("cli: --log-format takes text or json") {
  CliFixture cli;
  const auto answer = cli.run({"run", "-c", "/nowhere.yaml", "--log-format", "xml"});
  CHECK(answer.code == 2);
  CHECK(contains(answer.err, "--log-format: expected text or json, found `xml`"));
}

TEST_CASE("exit codes: every kind of error has the documented one") {
  CHECK(static_cast<int>(exit_code_for(Code::unavailable)) == 4);
  CHECK(static_cast<int>(exit_code_for(Code::timeout)) == 4);
  CHECK(static_cast<int>(exit_code_for(Code::disk_full)) == 1);
  CHECK(static_cast<int>(exit_code_for(Code::cancelled)) == 1);
  CHECK(static_cast<int>(exit_code_for(Code::corrupt)) == 3);
  CHECK(static_cast<int>(exit_code_for(Code::unsupported)) == 1);
  CHECK(static_cast<int>(exit_code_for(Code::conflict)) == 5);
  CHECK(static_cast<int>(exit_code_for(Code::misconfigured)) == 2);
  CHECK(static_cast<int>(exit_code_for(Code::not_found)) == 2);
  CHECK(static_cast<int>(exit_code_for(Code::failed)) == 1);
}

}  // namespace tidelog
