#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "app/config.h"
#include "app/config_keys.h"
#include "core/disk.h"
#include "tests/support/child_process.h"
#include "tests/support/paths.h"

namespace tidelog {
namespace {

struct Parser {
  std::unique_ptr<Disk> disk = real_disk();
  Secrets secrets;
  Environment environment = [](std::string_view name) -> std::optional<std::string> {
    if (name == "SHOP_URL") return "postgresql://shop:hunter22@db/shop";
    if (name == "FOLDER") return "/var/lib/tidelog";
    return std::nullopt;
  };

  Result<Config> parse(std::string_view text, ConfigUse use = ConfigUse::everything) {
    return parse_config(text, "shop.yaml", use, {*disk, environment, secrets});
  }
  std::string error(std::string_view text) {
    const auto config = parse(text);
    REQUIRE_FALSE(config);
    CHECK(config.error().code == Code::misconfigured);
    return config.error().what;
  }
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

constexpr std::string_view five_settings = R"(store: { path: "${FOLDER}/shop" }
sources:
  - name: shop
    postgres: ${SHOP_URL}
    tables: [public.orders, public.customers]
)";

}  // namespace

TEST_CASE("config: five settings are enough") {
  Parser parser;
  const auto config = parser.parse(five_settings);
  REQUIRE(config);
  CHECK(config->store.path == "/var/lib/tidelog/shop");
  REQUIRE(config->sources.size() == 1);
  CHECK(config->sources[0].name == "shop");
  CHECK(config->sources[0].connection == "postgresql://shop:hunter22@db/shop");
  CHECK(config->sources[0].tables == std::vector<std::string>{"public.orders", "public.customers"});
}

TEST_CASE("config: the policy of state snapshots has defaults, and each can be given") {
  Parser parser;
  const auto usual = parser.parse(five_settings);
  REQUIRE(usual);
  CHECK(usual->store.snapshots.events == 1'000'000);
  CHECK(usual->store.snapshots.keep == 4);
  const auto given = parser.parse(
      "store:\n  path: s\n  snapshots: { events: 5000, bytes: 64 MiB, time: 30 min, keep: 9 }\n");
  REQUIRE(given);
  CHECK(given->store.snapshots.events == 5000);
  CHECK(given->store.snapshots.bytes == 64 << 20);
  CHECK(given->store.snapshots.time == std::chrono::minutes(30));
  CHECK(given->store.snapshots.keep == 9);
  CHECK(contains(parser.error("store:\n  path: s\n  snapshots: { time: 30 }\n"),
                 "expected a time like `30 min`"));
  CHECK(contains(parser.error("store:\n  path: s\n  snapshots: { keep: 0 }\n"),
                 "expected a whole number from 1 on"));
}

TEST_CASE("config: a misspelt key is an error with its line and the nearest valid key") {
  Parser parser;
  const std::string what = parser.error(
      "store: { path: s }\nsources:\n  - name: shop\n    postgres: ${SHOP_URL}\n    tabels: "
      "[a.b]\n");
  CHECK(what == "shop.yaml:5: unknown key `tabels` in a source (did you mean `tables`?)");
}

TEST_CASE("config: a misspelt section is an error with its line and the nearest valid one") {
  Parser parser;
  CHECK(parser.error("stroe: { path: s }\n") ==
        "shop.yaml:1: unknown key `stroe` in the configuration (did you mean `store`?)");
}

TEST_CASE("config: a key that is near to none is answered with all that there are") {
  Parser parser;
  CHECK(parser.error("store: { path: s, wallpaper_color: 3 }\n") ==
        "shop.yaml:1: unknown key `wallpaper_color` in `store` (there are: `path`, `segment_size`, "
        "`disk_floor`, `compress`, `snapshots`, `retention`, `max_bytes`)");
}

TEST_CASE("config: a key of a later version is refused, not ignored") {
  Parser parser;
  CHECK(parser.error("store: { path: s }\nsinks:\n  - name: events\n") ==
        "shop.yaml:2: this version of tidelog does not have `sinks` yet");
}

TEST_CASE("config: a key that stands twice is an error that names both lines") {
  Parser parser;
  CHECK(parser.error("store: { path: s }\nsources: []\nstore: { path: t }\n") ==
        "shop.yaml:3: the key `store` stands here again; it is already on line 1");
}

TEST_CASE("config: what is required and missing is named with the line of its section") {
  Parser parser;
  CHECK(contains(parser.error("store: { segment_size: 1 MiB }\n"),
                 "shop.yaml:1: `store` lacks `path`"));
  CHECK(contains(parser.error("store: { path: s }\nsources:\n  - name: shop\n    tables: [a.b]\n"),
                 "shop.yaml:3: a source lacks `postgres`"));
  CHECK(contains(
      parser.error("store: { path: s }\nsources:\n  - name: shop\n    postgres: ${SHOP_URL}\n"),
      "shop.yaml:3: a source lacks `tables`"));
}

TEST_CASE("config: the same name twice is an error that names both lines") {
  Parser parser;
  const std::string text =
      std::string(five_settings) + "  - name: shop\n    postgres: ${SHOP_URL}\n    tables: [a.b]\n";
  CHECK(parser.error(text) == "shop.yaml:6: the name `shop` is taken: it stands on line 3 already");
}

TEST_CASE("config: two sources of one database cannot have one slot") {
  Parser parser;
  const std::string second = "  - name: Shop\n    postgres: ${SHOP_URL}\n    tables: [a.b]\n";
  CHECK(parser.error(std::string(five_settings) + second) ==
        "shop.yaml:6: the slot `tidelog_shop` is that of the source on line 3 already: give one of "
        "them another name, or `slot`");
  CHECK(parser.parse(std::string(five_settings) + second + "    slot: other\n"));
  CHECK(parser.parse(std::string(five_settings) +
                     "  - name: Shop\n    postgres: host=elsewhere\n    tables: [a.b]\n"));
}

constexpr const char* mysql_source =
    "store: { path: s }\nsources:\n  - name: shop\n    mysql: mysql://app:hunter2@db:3307\n"
    "    tables: [shop.orders]\n";

TEST_CASE("config: a source of MySQL, with its server id") {
  Parser parser;
  const auto config = parser.parse(std::string(mysql_source) + "    server_id: 77\n");
  REQUIRE(config);
  CHECK(config->sources[0].database == Database::mysql);
  CHECK(config->sources[0].connection == "mysql://app:hunter2@db:3307");
  CHECK(config->sources[0].server_id == 77);
  CHECK(parser.parse(mysql_source)->sources[0].server_id == 0);
  CHECK(parser.parse(five_settings)->sources[0].database == Database::postgres);
}

TEST_CASE("config: a source has one database, and the keys of that one") {
  Parser parser;
  const std::string mysql = mysql_source;
  CHECK(parser.error(mysql + "    postgres: host=x\n") ==
        "shop.yaml:4: a source has one database: `postgres` or `mysql`");
  CHECK(parser.error(mysql + "    slot: x\n") ==
        "shop.yaml:6: `slot` belongs to `postgres`: a source with `mysql` does not have it");
  CHECK(parser.error(mysql + "    heartbeat: 5 s\n") ==
        "shop.yaml:6: `heartbeat` belongs to `postgres`: a source with `mysql` does not have it");
  CHECK(contains(parser.error(std::string(five_settings) + "    server_id: 7\n"),
                 "`server_id` belongs to `mysql`"));
  CHECK(contains(parser.error(mysql + "    server_id: 4294967296\n"), "up to 4294967295"));
}

TEST_CASE("config: a MySQL connection that is none is refused without its password") {
  Parser parser;
  const std::string error = parser.error(
      "store: { path: s }\nsources:\n  - name: shop\n    mysql: mysql://app:hunter2@db/shop\n"
      "    tables: [shop.orders]\n");
  CHECK(contains(error, "shop.yaml:4: expected mysql://user:password@host:port"));
  CHECK_FALSE(contains(error, "hunter2"));
}

TEST_CASE("config: prepared transactions, origins and binary form are asked for by their names") {
  Parser parser;
  const auto plain = parser.parse(five_settings);
  CHECK_FALSE(plain->sources[0].two_phase);
  CHECK(plain->sources[0].origins == Origins::any);
  CHECK_FALSE(plain->sources[0].binary);
  const auto asked = parser.parse(std::string(five_settings) +
                                  "    two_phase: true\n    origin: none\n    binary: true\n");
  REQUIRE(asked);
  CHECK(asked->sources[0].two_phase);
  CHECK(asked->sources[0].origins == Origins::none);
  CHECK(asked->sources[0].binary);
  CHECK(parser.error(std::string(five_settings) + "    origin: mine\n") ==
        "shop.yaml:6: expected `any` or `none`, found `mine`");
}

TEST_CASE("config: the key of a table's events is a list of columns by a pattern") {
  Parser parser;
  const std::string text(five_settings);
  const auto asked = parser.parse(
      text + "    keys: { public.events: [account, number], \"public.log_*\": [id] }\n");
  REQUIRE(asked);
  CHECK(asked->sources[0].keys == std::vector<KeyOverride>{{"public.events", {"account", "number"}},
                                                           {"public.log_*", {"id"}}});
  CHECK(parser.error(text + "    keys: [id]\n") ==
        "shop.yaml:6: expected tables with their columns, found a list");
  CHECK(parser.error(text + "    keys: { public.events: id }\n") ==
        "shop.yaml:6: expected a list, found a single value");
  CHECK(parser.error(text + "    keys: { public.events: [] }\n") ==
        "shop.yaml:6: the list is empty");
  CHECK(contains(parser.error(text + "    keys: { \"public.\": [id] }\n"), "shop.yaml:6: "));
}

TEST_CASE("config: a ceiling of the server's log, and a heartbeat") {
  Parser parser;
  CHECK_FALSE(parser.parse(five_settings)->sources[0].retained_wal);
  CHECK_FALSE(parser.parse(five_settings)->sources[0].heartbeat);
  const std::string five(five_settings);
  const auto warned =
      parser.parse(five + "    retained_wal: { max: 50 GiB }\n    heartbeat: 30 s\n");
  REQUIRE(warned);
  CHECK(warned->sources[0].retained_wal->bytes_max == 50ULL << 30);
  CHECK(warned->sources[0].retained_wal->then == RetainedWal::Then::warn);
  CHECK(warned->sources[0].heartbeat == std::chrono::seconds(30));
  const auto dropped = parser.parse(five + "    retained_wal: { max: 1 MiB, then: drop }\n");
  REQUIRE(dropped);
  CHECK(dropped->sources[0].retained_wal->then == RetainedWal::Then::drop);
  CHECK(parser.error(five + "    retained_wal: { max: 1 MiB, then: pause }\n") ==
        "shop.yaml:6: expected `warn`, `stop` or `drop`, found `pause`");
  CHECK(contains(parser.error(five + "    retained_wal: { then: drop }\n"),
                 "shop.yaml:6: `retained_wal` lacks `max`"));
}

TEST_CASE("config: text that is not YAML is an error with its line") {
  Parser parser;
  CHECK(contains(parser.error("store: { path: s }\nsources: [\n"), "shop.yaml:3: not YAML"));
}

TEST_CASE("config: an empty file lacks its store") {
  Parser parser;
  CHECK(contains(parser.error(""), "the configuration must be a group of keys, found nothing"));
}

TEST_CASE("config: a key without a value is an error") {
  Parser parser;
  CHECK(parser.error("store:\n") == "shop.yaml:1: `store` has no value");
}

TEST_CASE("config: a table pattern that cannot be is an error with its line") {
  Parser parser;
  CHECK(contains(
      parser.error("store: { path: s }\nsources:\n  - name: shop\n    postgres: ${SHOP_URL}\n"
                   "    tables:\n      - public.orders\n      - customers\n"),
      "shop.yaml:7: "));
}

TEST_CASE("config: a source's name holds nothing that a stream's name or a pattern needs") {
  Parser parser;
  CHECK(contains(parser.error("sources:\n  - name: shop.eu\n"),
                 "shop.yaml:2: `shop.eu`: a name consists"));
  CHECK(contains(parser.error("sources:\n  - name: $$shop\n"), "shop.yaml:2: `$shop`"));
}

TEST_CASE("config: an environment variable that is not set is an error that names it") {
  Parser parser;
  CHECK(parser.error("store: { path: \"${NOWHERE}\" }\n") ==
        "shop.yaml:1: the environment variable NOWHERE is not set");
}

TEST_CASE("config: a lone dollar sign is an error that tells the way to write one") {
  Parser parser;
  CHECK(contains(parser.error("store: { path: a$b }\n"), "a plain dollar sign is $$"));
  const auto config = parser.parse("store: { path: a$$b }\n");
  REQUIRE(config);
  CHECK(config->store.path == "a$b");
}

TEST_CASE("config: a secret may come from a file, without its last line end") {
  Parser parser;
  const auto folder = testing::scratch_folder("config_secret");
  REQUIRE(replace_file(*parser.disk, folder.string(), "url", "postgresql://u:secret77@h/d\n"));
  const auto config =
      parser.parse("store: { path: s }\nsources:\n  - name: shop\n    postgres: file:" +
                   (folder / "url").string() + "\n    tables: [a.b]\n");
  REQUIRE(config);
  CHECK(config->sources[0].connection == "postgresql://u:secret77@h/d");
  CHECK(parser.secrets.mask("said secret77 aloud") == "said *** aloud");
}

TEST_CASE("config: a secret's file that is missing is an error with line and path") {
  Parser parser;
  const std::string what = parser.error(
      "store: { path: s }\nsources:\n  - name: shop\n    postgres: file:/nowhere/url\n");
  CHECK(contains(what, "shop.yaml:4: "));
  CHECK(contains(what, "/nowhere/url"));
}

TEST_CASE("config: a connection that is none is refused without being printed") {
  Parser parser;
  const std::string what = parser.error(
      "store: { path: s }\nsources:\n  - name: shop\n    postgres: hunter33\n    tables: [a.b]\n");
  CHECK(contains(what, "shop.yaml:4: expected postgresql://"));
  CHECK_FALSE(contains(what, "hunter33"));
}

TEST_CASE("config: reading the store needs no secret") {
  Parser parser;
  const auto config = parser.parse(
      "store: { path: s }\nsources:\n  - name: shop\n    postgres: ${NOT_SET_HERE}\n"
      "    tables: [a.b]\n",
      ConfigUse::store_only);
  REQUIRE(config);
  CHECK(config->sources[0].connection.empty());
}

TEST_CASE("config: a relative path starts from the configuration's folder") {
  Parser parser;
  const auto config =
      parse_config("store: { path: data }\n", "/etc/tidelog/shop.yaml", ConfigUse::store_only,
                   {*parser.disk, parser.environment, parser.secrets});
  REQUIRE(config);
  CHECK(config->store.path == "/etc/tidelog/data");
}

TEST_CASE("config: sizes have a unit") {
  Parser parser;
  const auto config = parser.parse("store: { path: s, segment_size: 16 MiB }\n");
  REQUIRE(config);
  CHECK(config->store.segment_bytes == 16ULL << 20);
  for (const char* const wrong :
       {"16", "MiB", "-1 MiB", "0 MiB", "16 MB", "1.5 MiB", "99999999999999999999 MiB"}) {
    CAPTURE(wrong);
    CHECK(contains(parser.error(std::string("store: { path: s, segment_size: ") + wrong + " }\n"),
                   "expected a size like `64 MiB`"));
  }
}

TEST_CASE("config: an alias that contains itself is an error, not an endless loop") {
  Parser parser;
  CHECK(contains(parser.error("store: &a { path: *a }\n"), "shop.yaml:1: "));
}

TEST_CASE("config: a projection takes no patterns") {
  Parser parser;
  CHECK(contains(
      parser.error("projections:\n  - name: now\n    sqlite: now.db\n    streams: [shop.*]\n"),
      "shop.yaml:4: `shop.*`: a projection takes streams by their whole names"));
}

TEST_CASE("config: a file is one document, and what is no YAML is told with its line") {
  Parser parser;
  CHECK(parser.error("store: { path: s }\n---\nsources: []\n") ==
        "shop.yaml:2: a second document: only one is read");
  // yaml-cpp finds empty documents without end there.
  CHECK(parser.error(",store: { path: s }\n") ==
        "shop.yaml:1: not YAML: this cannot begin a document");
  CHECK(contains(parser.error("store: { path: s\n"), "shop.yaml:2: not YAML: "));
  CHECK(contains(parser.error(""), "shop.yaml:1: the configuration must be a group of keys"));
}

TEST_CASE("config: every file in config/ loads, and the one of docker/") {
  const auto disk = real_disk();
  const auto folder = testing::scratch_folder("config_examples");
  REQUIRE(replace_file(*disk, folder.string(), "shop_database_url", "postgresql://u:p@h/d\n"));
  const Environment environment = [&](std::string_view name) -> std::optional<std::string> {
    if (name == "SHOP_MYSQL_URL") return "mysql://user:password@localhost:3306";
    return name == "SECRETS_FOLDER" ? folder.string() : "postgresql://user:password@localhost/d";
  };
  std::vector<std::filesystem::path> files = {testing::source_folder() / "docker/tidelog.yaml"};
  for (const auto& entry :
       std::filesystem::directory_iterator(testing::source_folder() / "config")) {
    files.push_back(entry.path());
  }
  CHECK(files.size() >= 6);
  for (const auto& file : files) {
    CAPTURE(file.string());
    Secrets secrets;
    const auto config =
        load_config(file.string(), ConfigUse::everything, {*disk, environment, secrets});
    CHECK_MESSAGE(config.has_value(), (config ? "" : config.error().what));
  }
}

TEST_CASE("config: transforms are rules in order, each with one action and what belongs to it") {
  Parser parser;
  const std::string source = std::string(five_settings) + "    transforms:\n";
  const auto config = parser.parse(source + R"(      - keep: [public.people.mail_domain]
      - hash: [public.people.mail*, "public.*.tax"]
        key: 0123456789abcdef
      - { mask: [public.people.phone], with: "-" }
      - { shorten: [public.people.note], to: 10 }
      - exclude: [public.people.card]
      - include: [public.log.id]
)");
  REQUIRE_MESSAGE(config, config.error().what);
  using Kind = TransformRule::Kind;
  CHECK(config->sources[0].transforms ==
        std::vector<TransformRule>{
            {Kind::keep, {"public.people.mail_domain"}},
            {Kind::hash, {"public.people.mail*", "public.*.tax"}, {}, "0123456789abcdef"},
            {Kind::mask, {"public.people.phone"}, "-"},
            {Kind::shorten, {"public.people.note"}, {}, {}, 10},
            {Kind::exclude, {"public.people.card"}},
            {Kind::include, {"public.log.id"}}});
  CHECK(parser.secrets.mask("with 0123456789abcdef it was") == "with *** it was");
  const auto error = [&](const std::string& rule) {
    return parser.error(source + "      - " + rule + "\n");
  };
  CHECK(error("{ with: x }") ==
        "shop.yaml:7: a rule of `transforms` lacks what is done, and to which columns: "
        "`mask: [public.people.phone]`");
  CHECK(contains(error("{ mask: [a.b.c], keep: [a.b.d] }"), "does one thing"));
  CHECK(contains(error("{ mask: [a.b] }"), "say schema.table.column"));
  CHECK(contains(error("{ hash: [a.b.c] }"), "`hash` lacks `key`"));
  CHECK(contains(error("{ hash: [a.b.c], key: short }"), "has 5 bytes, and needs 16"));
  CHECK(contains(error("{ shorten: [a.b.c] }"), "`shorten` lacks `to`"));
  CHECK(contains(error("{ shorten: [a.b.c], to: 0 }"), "a whole number from 1 on"));
  CHECK(contains(error("{ shorten: [a.b.c], to: 3, with: x }"), "`with` belongs to `mask`"));
  CHECK(contains(error("{ mask: [a.b.c], key: 0123456789abcdef }"), "`key` belongs to `hash`"));
  CHECK(contains(error("{ hsah: [a.b.c] }"), "did you mean `hash`?"));
}

TEST_CASE("config: commands that only read the store do not need the key of a hash") {
  Parser parser;
  CHECK(parser.parse(
      std::string(five_settings) + "    transforms: [{ hash: [a.b.c], key: \"${NOT_SET}\" }]\n",
      ConfigUse::store_only));
}

TEST_CASE("config: replica identities are one for all tables, or by pattern") {
  Parser parser;
  const auto of = [&](const std::string& value) {
    const auto config =
        parser.parse(std::string(five_settings) + "    replica_identity: " + value + "\n");
    REQUIRE_MESSAGE(config, config.error().what);
    return config->sources[0].identities;
  };
  CHECK(of("full") == std::vector<IdentityRule>{{"*.*", {ReplicaIdentity::full}}});
  CHECK(of("{ public.a: index a_Key, public.b: default, public.*: nothing }") ==
        std::vector<IdentityRule>{{"public.a", {ReplicaIdentity::index, "a_Key"}},
                                  {"public.b", {ReplicaIdentity::primary_key}},
                                  {"public.*", {ReplicaIdentity::nothing}}});
  CHECK(contains(
      parser.error(std::string(five_settings) + "    replica_identity: index\n"),
      "shop.yaml:6: expected `default`, `full`, `nothing` or `index NAME`, found `index`"));
}

TEST_CASE("config: docs/configuration.md is what the table of keys prints") {
  const auto disk = real_disk();
  const auto page =
      read_file(*disk, (testing::source_folder() / "docs" / "configuration.md").string());
  REQUIRE(page);
  CHECK_MESSAGE(*page == configuration_page(),
                "print it anew: tidelog check --keys > docs/configuration.md");
}

}  // namespace tidelog
