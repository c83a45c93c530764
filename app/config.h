// The configuration: one YAML file, read once by every command that is given -c. app/config_keys.cc
// lists its keys; that one table drives the parsing, the help for a misspelt key and
// docs/configuration.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/secrets.h"
#include "connectors/postgres/options.h"
#include "core/disk.h"
#include "core/result.h"
#include "eventstore/retention.h"

namespace tidelog {

// Where something stands in the file; all are equal, as that says nothing of what it is.
struct ConfigLine {
  int number = 0;
  bool operator==(const ConfigLine&) const { return true; }
};

// When a table's state is saved, so that questions about the past replay little
// (projections/snapshots.h): as soon as one of the three is reached, and the table changed.
struct SnapshotPolicy {
  std::uint64_t events = 1'000'000;  // of the table
  std::uint64_t bytes = 1ULL << 30;  // of the whole log
  std::chrono::milliseconds time = std::chrono::hours(24);
  std::uint64_t keep = 4;
  bool operator==(const SnapshotPolicy&) const = default;
};

// What the streams that a pattern takes keep.
struct RetentionPolicy {
  std::string streams;
  RetentionRule rule;
  bool operator==(const RetentionPolicy&) const = default;
};

struct StoreConfig {
  std::string path;
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint64_t disk_floor_bytes = 256ULL << 20;
  format::Codec sealed_codec = format::Codec::lz4;
  SnapshotPolicy snapshots;
  std::vector<RetentionPolicy> retention;  // the first that takes a stream counts
  std::optional<std::uint64_t> max_bytes;  // of all segments
  bool operator==(const StoreConfig&) const = default;
};

// What is done about the rows that tables have before they are captured.
struct InitialLoad {
  enum class Mode : std::uint8_t {
    always,  // when a table is captured first
    none,
    schema,
    when_needed,  // and again when its history was lost
  };
  std::string table;  // a pattern
  Mode mode = Mode::always;
  bool operator==(const InitialLoad&) const = default;
};

struct LoadConfig {
  struct Condition {
    std::string table;  // a pattern
    std::string sql;
    bool operator==(const Condition&) const = default;
  };
  std::uint64_t parallel = 2;
  std::uint64_t chunk_bytes = 4ULL << 20;
  std::vector<Condition> where;  // of initial loads
  std::vector<SelectOverride> selects;
  bool operator==(const LoadConfig&) const = default;
};

enum class Database : std::uint8_t {
  postgres,
  mysql,  // or MariaDB
};

struct SourceConfig {
  ConfigLine line;
  std::string name;
  Database database = Database::postgres;
  std::string connection;           // a URL or libpq's connection string, with its password
  std::vector<std::string> tables;  // patterns; empty: all of `publication`
  std::vector<std::string> except;  // patterns of what is left out all the same
  std::string publication;          // empty: made and named by us
  std::string slot;                 // empty: made and named by us
  bool two_phase = false;
  bool binary = false;
  Origins origins = Origins::any;
  std::vector<KeyOverride> keys;
  std::vector<TransformRule> transforms;  // the first that fits a column decides
  std::vector<IdentityRule> identities;
  std::vector<InitialLoad> initial_load;  // the first that fits counts; else `always`
  LoadConfig load;
  std::uint32_t server_id = 0;  // MySQL: 0 is made from the name
  std::optional<RetainedWal> retained_wal;
  std::optional<std::chrono::milliseconds> heartbeat;
  bool operator==(const SourceConfig&) const = default;
};

struct ProjectionConfig {
  ConfigLine line;
  std::string name;
  std::string sqlite;                // the file
  std::vector<std::string> streams;  // whole names; empty: all
  bool operator==(const ProjectionConfig&) const = default;
};

struct Config {
  std::string file;
  StoreConfig store;
  std::vector<SourceConfig> sources;
  std::vector<ProjectionConfig> projections;
};

// What the caller needs. A command that only reads the store must not ask for the database's
// password.
enum class ConfigUse : std::uint8_t { everything, store_only };

struct ConfigContext {
  Disk& disk;
  const Environment& environment;
  Secrets& secrets;  // learns what must never be printed
};

// Errors are Code::misconfigured and name the file, the line and, for an unknown key, the nearest
// valid one. Relative paths are taken from the file's own folder.
Result<Config> load_config(const std::string& file, ConfigUse use, const ConfigContext& context);
Result<Config> parse_config(std::string_view text, const std::string& file, ConfigUse use,
                            const ConfigContext& context);

}  // namespace tidelog
