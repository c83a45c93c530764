#include "app/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/config_values.h"
#include "app/nearest.h"
#include "app/postgres_options.h"

namespace tidelog {
namespace {

// A setter for a member of `Target`, read by `read`.
template <auto member, auto read, class Target>
Status set(const ConfigReading& reading, const YamlNode& value, Target& target) {
  TRY(target.*member, read(reading, value));
  return {};
}

template <Database database, auto read>
Status set_connection(const ConfigReading& reading, const YamlNode& value, SourceConfig& source) {
  source.database = database;
  if (reading.use == ConfigUse::store_only) return {};
  TRY(source.connection, read(reading, value));
  return {};
}

// ---- Sections ----

template <class Target>
std::vector<std::string_view> names_of(std::span<const Key<Target>> keys) {
  std::vector<std::string_view> names;
  for (const Key<Target>& key : keys) names.push_back(key.text.name);
  return names;
}

bool is_later(std::string_view section, std::string_view name) {
  return std::any_of(later_keys().begin(), later_keys().end(), [&](const LaterKey& key) {
    return key.section == section && key.name == name;
  });
}

template <class Target>
tl::unexpected<Error> unknown_key(const ConfigReading& reading, const YamlEntry& entry,
                                  std::span<const Key<Target>> keys, std::string_view section) {
  if (is_later(section, entry.key)) {
    return reading.fail_at(
        entry.line, fmt::format("this version of tidelog does not have `{}` yet", entry.key));
  }
  return reading.fail_at(entry.line, fmt::format("unknown key `{}` in {}{}", entry.key, section,
                                                 suggestion(entry.key, names_of(keys))));
}

template <class Target>
Status read_entry(const ConfigReading& reading, const YamlEntry& entry,
                  std::span<const Key<Target>> keys, std::string_view section, Target& target) {
  const auto key = std::find_if(keys.begin(), keys.end(), [&](const Key<Target>& candidate) {
    return candidate.text.name == entry.key;
  });
  if (key == keys.end()) return unknown_key(reading, entry, keys, section);
  if (entry.value.kind == YamlNode::Kind::null) {
    return reading.fail_at(entry.line, fmt::format("`{}` has no value", entry.key));
  }
  return key->set(reading, entry.value, target);
}

template <class Target>
Status check_required(const ConfigReading& reading, const YamlNode& node,
                      std::span<const Key<Target>> keys, std::string_view section) {
  for (const Key<Target>& key : keys) {
    if (!key.text.fallback.empty()) continue;
    const bool is_there =
        std::any_of(node.entries.begin(), node.entries.end(),
                    [&](const YamlEntry& entry) { return entry.key == key.text.name; });
    if (is_there) continue;
    return reading.fail_at(node.line,
                           fmt::format("{} lacks `{}`: {}", section, key.text.name, key.text.help));
  }
  return {};
}

template <class Target>
Status read_section(const ConfigReading& reading, const YamlNode& node,
                    std::span<const Key<Target>> keys, std::string_view section, Target& target) {
  if (node.kind != YamlNode::Kind::map) {
    return reading.fail_at(node.line, fmt::format("{} must be a group of keys, found {}", section,
                                                  name_of(node.kind)));
  }
  for (const YamlEntry& entry : node.entries) {
    TRY_DO(read_entry(reading, entry, keys, section, target));
  }
  return check_required(reading, node, keys, section);
}

template <class Target>
Status check_unique(const ConfigReading& reading, const std::vector<Target>& earlier,
                    const Target& target) {
  for (const Target& other : earlier) {
    if (other.name != target.name) continue;
    return reading.fail_at(target.line.number,
                           fmt::format("the name `{}` is taken: it stands on line {} already",
                                       target.name, other.line.number));
  }
  return {};
}

// A list of named sections: sources, projections.
template <class Target>
Result<std::vector<Target>> read_sections(const ConfigReading& reading, const YamlNode& value,
                                          std::span<const Key<Target>> keys,
                                          std::string_view section) {
  std::vector<Target> out;
  if (value.kind != YamlNode::Kind::list) {
    return reading.fail_at(
        value.line, fmt::format("expected a list (each entry begins with `- name: …`), found {}",
                                name_of(value.kind)));
  }
  for (const YamlNode& item : value.items) {
    Target target;
    target.line = {item.line};
    TRY_DO(read_section(reading, item, keys, section, target));
    TRY_DO(check_unique(reading, out, target));
    out.push_back(std::move(target));
  }
  return out;
}

Status set_store(const ConfigReading& reading, const YamlNode& value, Config& config) {
  return read_section(reading, value, store_keys(), "`store`", config.store);
}

Status set_snapshots(const ConfigReading& reading, const YamlNode& value, StoreConfig& store) {
  return read_section(reading, value, snapshot_keys(), "`snapshots`", store.snapshots);
}

// Two sources that read one slot would take each other's changes. Names that differ in case, or by
// - and _ alone, give the same one.
Status check_slot_is_its_own(const ConfigReading& reading, const std::vector<SourceConfig>& sources,
                             const SourceConfig& source) {
  const auto slot_of = [](const SourceConfig& of) {
    return postgres::slot_name(postgres_options(of, nullptr, {}));
  };
  for (const SourceConfig& other : sources) {
    if (&other == &source) return {};
    if (other.connection.empty() || other.connection != source.connection) continue;
    if (slot_of(other) != slot_of(source)) continue;
    return reading.fail_at(
        source.line.number,
        fmt::format("the slot `{}` is that of the source on line {} already: give "
                    "one of them another name, or `slot`",
                    slot_of(source), other.line.number));
  }
  return {};
}

bool has_key(const YamlNode& group, std::string_view name) {
  return std::ranges::any_of(group.entries,
                             [&](const YamlEntry& entry) { return entry.key == name; });
}

// Keys that not every source has belong to its database.
Status check_database(const ConfigReading& reading, const YamlNode& group) {
  constexpr std::array<std::string_view, 7> with_mysql = {
      "name", "mysql", "server_id", "tables", "except", "initial_load", "load"};
  const bool is_postgres = has_key(group, "postgres");
  const bool is_mysql = has_key(group, "mysql");
  if (!is_postgres && !is_mysql) {
    return reading.fail_at(group.line, "a source lacks `postgres` or `mysql`: its database");
  }
  for (const YamlEntry& entry : group.entries) {
    if (is_postgres && is_mysql && entry.key == "mysql")
      return reading.fail_at(entry.line, "a source has one database: `postgres` or `mysql`");
    if (is_postgres && entry.key == "server_id")
      return reading.fail_at(entry.line, "`server_id` belongs to `mysql`");
    if (is_mysql && std::ranges::find(with_mysql, entry.key) == with_mysql.end()) {
      return reading.fail_at(
          entry.line,
          fmt::format("`{}` belongs to `postgres`: a source with `mysql` does not have it",
                      entry.key));
    }
  }
  return {};
}

Status set_sources(const ConfigReading& reading, const YamlNode& value, Config& config) {
  TRY(config.sources, read_sections(reading, value, source_keys(), "a source"));
  for (const YamlNode& group : value.items) TRY_DO(check_database(reading, group));
  for (const SourceConfig& source : config.sources) {
    if (source.database == Database::postgres)
      TRY_DO(check_slot_is_its_own(reading, config.sources, source));
    if (!source.tables.empty() || !source.publication.empty()) continue;
    return reading.fail_at(
        source.line.number,
        "a source lacks `tables`: what is captured, for example [public.orders]");
  }
  return {};
}

Status set_projections(const ConfigReading& reading, const YamlNode& value, Config& config) {
  TRY(config.projections, read_sections(reading, value, projection_keys(), "a projection"));
  return {};
}

// A limit of a retention rule.
template <auto member, auto read>
Status set_rule(const ConfigReading& reading, const YamlNode& value, RetentionPolicy& policy) {
  TRY(policy.rule.*member, read(reading, value));
  return {};
}

Status expect_groups(const ConfigReading& reading, const YamlNode& value) {
  if (value.kind == YamlNode::Kind::list) return {};
  return reading.fail_at(value.line,
                         fmt::format("expected a list of groups, found {}", name_of(value.kind)));
}

Status set_retention(const ConfigReading& reading, const YamlNode& value, StoreConfig& store) {
  TRY_DO(expect_groups(reading, value));
  for (const YamlNode& item : value.items) {
    RetentionPolicy policy;
    TRY_DO(read_section(reading, item, retention_keys(), "a rule of `retention`", policy));
    if (!policy.rule.any()) {
      return reading.fail_at(item.line,
                             "a rule of `retention` needs a limit: `max_age`, `max_count`, "
                             "`max_bytes` or `compact`");
    }
    store.retention.push_back(std::move(policy));
  }
  return {};
}

Status set_max_bytes(const ConfigReading& reading, const YamlNode& value, StoreConfig& store) {
  TRY(store.max_bytes, read_size(reading, value));
  return {};
}

Result<Origins> read_origins(const ConfigReading& reading, const YamlNode& value) {
  TRY(const std::string text, read_text(reading, value));
  if (text == "any") return Origins::any;
  if (text == "none") return Origins::none;
  return reading.fail_at(value.line, fmt::format("expected `any` or `none`, found `{}`", text));
}

Status set_heartbeat(const ConfigReading& reading, const YamlNode& value, SourceConfig& source) {
  TRY(source.heartbeat, read_duration(reading, value));
  return {};
}

Status set_retained_wal(const ConfigReading& reading, const YamlNode& value, SourceConfig& source) {
  return read_section(reading, value, retained_wal_keys(), "`retained_wal`",
                      source.retained_wal.emplace());
}

Result<InitialLoad::Mode> read_mode(const ConfigReading& reading, const YamlNode& value) {
  TRY(const std::string text, read_text(reading, value));
  if (text == "always") return InitialLoad::Mode::always;
  if (text == "none") return InitialLoad::Mode::none;
  if (text == "schema") return InitialLoad::Mode::schema;
  if (text == "when_needed") return InitialLoad::Mode::when_needed;
  return reading.fail_at(
      value.line,
      fmt::format("expected `always`, `none`, `schema` or `when_needed`, found `{}`", text));
}

// One for all tables, or by pattern.
Status set_initial_load(const ConfigReading& reading, const YamlNode& value, SourceConfig& source) {
  if (value.kind != YamlNode::Kind::map) {
    TRY(const InitialLoad::Mode mode, read_mode(reading, value));
    source.initial_load = {{"*.*", mode}};
    return {};
  }
  TRY(source.initial_load, (read_by_table<InitialLoad>(reading, value, "modes", read_mode)));
  return {};
}

// ---- Transforms ----

template <TransformRule::Kind kind>
Status set_columns(const ConfigReading& reading, const YamlNode& value, TransformRule& rule) {
  if (!rule.columns.empty()) {
    return reading.fail_at(value.line,
                           "a rule of `transforms` does one thing: begin another one with `-`");
  }
  rule.kind = kind;
  TRY(rule.columns, read_columns(reading, value));
  return {};
}

Status set_with(const ConfigReading& reading, const YamlNode& value, TransformRule& rule) {
  TRY(rule.with, read_text(reading, value));
  return {};
}

Status set_hash_key(const ConfigReading& reading, const YamlNode& value, TransformRule& rule) {
  if (reading.use == ConfigUse::store_only) return {};
  TRY(rule.key, read_hash_key(reading, value));
  return {};
}

// A key of the rule belongs to one kind of it.
Status check_belongs(const ConfigReading& reading, const YamlNode& item, std::string_view key,
                     bool is_of_its_kind, std::string_view kind) {
  const auto is_key = [&](const YamlEntry& entry) { return entry.key == key; };
  const bool is_there = std::any_of(item.entries.begin(), item.entries.end(), is_key);
  if (is_there && !is_of_its_kind)
    return reading.fail_at(item.line, fmt::format("`{}` belongs to `{}`", key, kind));
  return {};
}

Status check_transform(const ConfigReading& reading, const YamlNode& item,
                       const TransformRule& rule) {
  using Kind = TransformRule::Kind;
  if (rule.columns.empty()) {
    return reading.fail_at(item.line,
                           "a rule of `transforms` lacks what is done, and to which columns: "
                           "`mask: [public.people.phone]`");
  }
  TRY_DO(check_belongs(reading, item, "with", rule.kind == Kind::mask, "mask"));
  TRY_DO(check_belongs(reading, item, "key", rule.kind == Kind::hash, "hash"));
  TRY_DO(check_belongs(reading, item, "to", rule.kind == Kind::shorten, "shorten"));
  if (rule.kind == Kind::hash && rule.key.empty() && reading.use != ConfigUse::store_only) {
    return reading.fail_at(item.line,
                           "`hash` lacks `key`: a secret, as `openssl rand -hex 32` makes one");
  }
  if (rule.kind == Kind::shorten && rule.characters == 0)
    return reading.fail_at(item.line, "`shorten` lacks `to`: how many characters stay");
  return {};
}

Status set_transforms(const ConfigReading& reading, const YamlNode& value, SourceConfig& source) {
  TRY_DO(expect_groups(reading, value));
  for (const YamlNode& item : value.items) {
    TransformRule& rule = source.transforms.emplace_back();
    TRY_DO(read_section(reading, item, transform_keys(), "a rule of `transforms`", rule));
    TRY_DO(check_transform(reading, item, rule));
  }
  return {};
}

// ---- Replica identities ----

Result<IdentityRule::Wanted> read_identity(const ConfigReading& reading, const YamlNode& value) {
  constexpr std::string_view index = "index ";
  TRY(const std::string text, read_text(reading, value));
  if (text == "default") return IdentityRule::Wanted{ReplicaIdentity::primary_key};
  if (text == "full") return IdentityRule::Wanted{ReplicaIdentity::full};
  if (text == "nothing") return IdentityRule::Wanted{ReplicaIdentity::nothing};
  if (text.starts_with(index) && text.size() > index.size())
    return IdentityRule::Wanted{ReplicaIdentity::index, text.substr(index.size())};
  return reading.fail_at(
      value.line,
      fmt::format("expected `default`, `full`, `nothing` or `index NAME`, found `{}`", text));
}

Status set_identities(const ConfigReading& reading, const YamlNode& value, SourceConfig& source) {
  if (value.kind != YamlNode::Kind::map) {
    TRY(IdentityRule::Wanted wanted, read_identity(reading, value));
    source.identities = {{"*.*", std::move(wanted)}};
    return {};
  }
  TRY(source.identities,
      (read_by_table<IdentityRule>(reading, value, "identities", read_identity)));
  return {};
}

Status set_load(const ConfigReading& reading, const YamlNode& value, SourceConfig& source) {
  return read_section(reading, value, load_keys(), "`load`", source.load);
}

Result<RetainedWal::Then> read_then(const ConfigReading& reading, const YamlNode& value) {
  TRY(const std::string text, read_text(reading, value));
  if (text == "warn") return RetainedWal::Then::warn;
  if (text == "stop") return RetainedWal::Then::stop;
  if (text == "drop") return RetainedWal::Then::drop;
  return reading.fail_at(value.line,
                         fmt::format("expected `warn`, `stop` or `drop`, found `{}`", text));
}

Result<format::Codec> read_codec(const ConfigReading& reading, const YamlNode& value) {
  TRY(const std::string text, read_text(reading, value));
  if (text == "lz4") return format::Codec::lz4;
  if (text == "zstd") return format::Codec::zstd;
  return reading.fail_at(value.line, fmt::format("expected `lz4` or `zstd`, found `{}`", text));
}

// ---- The table ----

constexpr Key<Config> root_table[] = {
    {{"store", "group", "", "the event store that everything is written to"}, set_store},
    {{"sources", "list of groups", "none", "the databases that changes are captured from"},
     set_sources},
    {{"projections", "list of groups", "none",
      "copies of the tables' state that `run` keeps current"},
     set_projections},
};

constexpr Key<StoreConfig> store_table[] = {
    {{"path", "path", "", "the store's folder; made when it is missing"},
     set<&StoreConfig::path, read_path>},
    {{"segment_size", "size", "64 MiB", "how large a file of the log grows before the next begins"},
     set<&StoreConfig::segment_bytes, read_size>},
    {{"disk_floor", "size", "256 MiB",
      "how much of the store's disk stays free: with less, sources pause and appends are refused "
      "until there is space again; `0 MiB` is no floor"},
     set<&StoreConfig::disk_floor_bytes, read_size_or_none>},
    {{"compress", "`lz4` or `zstd`", "lz4",
      "how segments are kept once they are full: with `zstd` they are written anew, smaller and "
      "slower to read"},
     set<&StoreConfig::sealed_codec, read_codec>},
    {{"snapshots", "group", "as below",
      "when a table's state is saved, for fast questions about "
      "the past: at the first of these, if the table changed"},
     set_snapshots},
    {{"retention", "list of groups", "all is kept",
      "what streams keep; the first rule that takes a stream counts"},
     set_retention},
    {{"max_bytes", "size", "no limit",
      "when more is written to the log's files, the oldest events of all streams go, whole "
      "segments at "
      "a time: at least so much stays"},
     set_max_bytes},
};

constexpr Key<SnapshotPolicy> snapshot_table[] = {
    {{"events", "number", "1000000", "after so many events of the table"},
     set<&SnapshotPolicy::events, read_number>},
    {{"bytes", "size", "1 GiB", "after the log has grown by so much"},
     set<&SnapshotPolicy::bytes, read_size>},
    {{"time", "duration", "24 h", "after so long"}, set<&SnapshotPolicy::time, read_duration>},
    {{"keep", "number", "4",
      "how many of each table are kept: the newest, and others spread over the history"},
     set<&SnapshotPolicy::keep, read_number>},
};

constexpr Key<RetentionPolicy> retention_table[] = {
    {{"streams", "pattern", "", "the streams that the rule is for; `*` and `?` are wildcards"},
     set<&RetentionPolicy::streams, read_text>},
    {{"max_age", "duration", "no limit", "events that were appended longer ago go"},
     set_rule<&RetentionRule::max_age, read_duration>},
    {{"max_count", "number", "no limit", "only so many of the newest events stay"},
     set_rule<&RetentionRule::max_count, read_number>},
    {{"max_bytes", "size", "no limit", "about so many bytes of the newest events stay"},
     set_rule<&RetentionRule::max_bytes, read_size>},
    {{"compact", "`true` or `false`", "false",
      "of each key only the newest event stays, and what that one needs"},
     set_rule<&RetentionRule::compact, read_yes>},
    {{"keep_deletions", "duration", "7 d", "how long a deletion stays with `compact`"},
     set_rule<&RetentionRule::keep_deletions, read_duration>},
};

constexpr Key<SourceConfig> source_table[] = {
    {{"name", "name", "", "names the source; its streams are called `{name}.{schema}.{table}`"},
     set<&SourceConfig::name, read_name>},
    {{"postgres", "secret", "this or `mysql`",
      "the database: `postgresql://user:password@host:port/database` or a connection string of "
      "libpq"},
     set_connection<Database::postgres, read_connection>},
    {{"mysql", "secret", "this or `postgres`",
      "a MySQL or MariaDB server: `mysql://user:password@host:port`, with `?ssl-mode=`, `ssl-ca=`, "
      "`ssl-cert=`, `ssl-key=`, `socket=`; see docs/guide/mysql.md for what works with it"},
     set_connection<Database::mysql, read_mysql_url>},
    {{"server_id", "number", "made from the source's name",
      "with `mysql`: the number by which the server knows the source, like no other replica's"},
     set<&SourceConfig::server_id, read_server_id>},
    {{"tables", "list of patterns", "all tables of `publication`, which is then required",
      "what is captured: `schema.table`; `*` and `?` are wildcards"},
     set<&SourceConfig::tables, read_tables>},
    {{"except", "list of patterns", "none", "tables that are left out of these all the same"},
     set<&SourceConfig::except, read_tables>},
    {{"publication", "name", "`tidelog_{name}`, made when it is missing",
      "the publication that says what the server sends"},
     set<&SourceConfig::publication, read_text>},
    {{"slot", "name", "`tidelog_{name}`, made when it is missing",
      "the replication slot that holds the server's log for us"},
     set<&SourceConfig::slot, read_text>},
    {{"two_phase", "`true` or `false`", "false",
      "prepared transactions are read when they are prepared instead of when they commit, and keep "
      "their global id (PostgreSQL 15 and later); the slot is changed for good"},
     set<&SourceConfig::two_phase, read_yes>},
    {{"origin", "`any` or `none`", "any",
      "`none` leaves out what was replicated to the server from elsewhere (PostgreSQL 16 and "
      "later)"},
     set<&SourceConfig::origins, read_origins>},
    {{"binary", "`true` or `false`", "false",
      "the stream's values are sent in binary form: less work for the server where rows have many "
      "numbers and times, the same events; see docs/guide/postgres-values.md"},
     set<&SourceConfig::binary, read_yes>},
    {{"keys", "columns by pattern", "the columns of each table's replica identity",
      "which columns are the key of a table's events: `public.events: [account, number]`"},
     set<&SourceConfig::keys, read_keys>},
    {{"transforms", "list of groups", "values are stored as they are",
      "what is made of columns before anything of them is stored; the first rule that fits a "
      "column "
      "decides"},
     set_transforms},
    {{"replica_identity", "`default`, `full`, `nothing` or `index NAME`, or these by pattern",
      "as the tables have it",
      "what the server logs of old rows: the source sees to it that tables have this one, if it "
      "may "
      "change them, and says the statement otherwise; the first pattern that fits counts"},
     set_identities},
    {{"initial_load", "`always`, `none`, `schema` or `when_needed`, or these by pattern", "always",
      "what is done about the rows that a table has when it is captured first: `always` loads "
      "them, `schema` stores only which columns there are, `none` nothing; `when_needed` loads "
      "them, too, and again, with a new slot, when history was lost; the first pattern that fits "
      "counts: `{public.log: none, public.*: always}`"},
     set_initial_load},
    {{"load", "group", "as below", "how existing rows are loaded"}, set_load},
    {{"retained_wal", "group", "no ceiling",
      "how much of the server's log the slot may hold back, and what is done when it is more"},
     set_retained_wal},
    {{"heartbeat", "duration", "none",
      "how often a message is written into the database's log to show that what is written comes "
      "through; it is no event"},
     set_heartbeat},
};

using TransformKind = TransformRule::Kind;
constexpr Key<TransformRule> transform_table[] = {
    {{"keep", "list of columns", "one of these six is required",
      "these are stored as they are, whatever later rules say; a column is `schema.table.column`, "
      "with `*` and `?` as wildcards"},
     set_columns<TransformKind::keep>},
    {{"exclude", "list of columns", "none", "these are left out; a column of the key cannot be"},
     set_columns<TransformKind::exclude>},
    {{"include", "list of columns", "none",
      "of the tables that these are of, all other columns are left out; later rules decide about "
      "these"},
     set_columns<TransformKind::include>},
    {{"mask", "list of columns", "none",
      "every value becomes the same, or a `*` for each of its characters; null stays null"},
     set_columns<TransformKind::mask>},
    {{"hash", "list of columns", "none",
      "every value becomes its HMAC-SHA-256 with `key`, in hexadecimal: equal values stay equal, "
      "also those of keys"},
     set_columns<TransformKind::hash>},
    {{"shorten", "list of columns", "none", "only the first characters of a value's text stay"},
     set_columns<TransformKind::shorten>},
    {{"with", "text", "a `*` for each character", "of `mask`: what stands for every value"},
     set_with},
    {{"key", "secret", "required by `hash`",
      "of `hash`: at least 16 bytes; with another one all hashes are others"},
     set_hash_key},
    {{"to", "number", "required by `shorten`", "of `shorten`: how many characters stay"},
     set<&TransformRule::characters, read_number>},
};

constexpr Key<LoadConfig> load_table[] = {
    {{"parallel", "number", "2",
      "how many readers work at the same time, each on a table or on a part of a large one"},
     set<&LoadConfig::parallel, read_number>},
    {{"chunk", "size", "4 MiB",
      "how much is read at once: it is held in memory, and read again if it was interrupted"},
     set<&LoadConfig::chunk_bytes, read_size>},
    {{"where", "conditions by pattern", "all rows",
      "which rows the initial load takes: `public.orders: created > '2025-01-01'`"},
     set<&LoadConfig::where, read_conditions>},
    {{"select", "queries by pattern", "the table itself",
      "what rows are loaded from instead of the table, with its columns: `public.orders: select * "
      "from public.orders where not hidden`"},
     set<&LoadConfig::selects, read_selects>},
};

constexpr Key<RetainedWal> retained_wal_table[] = {
    {{"max", "size", "", "so much of its log the server may keep for the source"},
     set<&RetainedWal::bytes_max, read_size>},
    {{"then", "`warn`, `stop` or `drop`", "warn",
      "with more: `warn` in the log and in `source status`; `stop` the source; `drop` the slot, to "
      "save the server's disk, which loses what was not read yet: a `gap` event says so, and the "
      "source stops"},
     set<&RetainedWal::then, read_then>},
};

constexpr Key<ProjectionConfig> projection_table[] = {
    {{"name", "name", "", "names the projection"}, set<&ProjectionConfig::name, read_name>},
    {{"sqlite", "path", "", "the SQLite file that holds the tables"},
     set<&ProjectionConfig::sqlite, read_path>},
    {{"streams", "list of streams", "all", "which streams, by their whole names"},
     set<&ProjectionConfig::streams, read_streams>},
};

constexpr LaterKey later_table[] = {
    {"the configuration", "sinks"},
    {"the configuration", "queries"},
    {"the configuration", "api"},
    {"a source", "on_gap"},
    {"a source", "on_undecodable"},
    {"a source", "start"},
    {"a source", "tls"},
    {"a projection", "postgres"},
};

}  // namespace

std::span<const Key<Config>> root_keys() { return root_table; }
std::span<const Key<StoreConfig>> store_keys() { return store_table; }
std::span<const Key<SnapshotPolicy>> snapshot_keys() { return snapshot_table; }
std::span<const Key<SourceConfig>> source_keys() { return source_table; }
std::span<const Key<TransformRule>> transform_keys() { return transform_table; }
std::span<const Key<LoadConfig>> load_keys() { return load_table; }
std::span<const Key<RetainedWal>> retained_wal_keys() { return retained_wal_table; }
std::span<const Key<ProjectionConfig>> projection_keys() { return projection_table; }
std::span<const Key<RetentionPolicy>> retention_keys() { return retention_table; }
std::span<const LaterKey> later_keys() { return later_table; }

Result<Config> parse_config(std::string_view text, const std::string& file, ConfigUse use,
                            const ConfigContext& context) {
  TRY(const YamlNode root, parse_yaml(text, file));
  const ConfigReading reading{file, use, context};
  Config config;
  config.file = file;
  TRY_DO(read_section(reading, root, root_keys(), "the configuration", config));
  return config;
}

Result<Config> load_config(const std::string& file, ConfigUse use, const ConfigContext& context) {
  auto text = read_file(context.disk, file);
  if (!text) return fail(Code::misconfigured, text.error().what);
  return parse_config(*text, file, use, context);
}

}  // namespace tidelog
