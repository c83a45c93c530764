// What a Postgres source is told. Filled by app/ from the configuration; read by every file of this
// folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/finding.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// Which transactions are captured: all, or only those that were not replicated to the server from
// elsewhere (its replication origins).
enum class Origins : std::uint8_t { any, none };

// The key of a table's events, in place of what its replica identity says.
struct KeyOverride {
  std::string table;                 // a pattern, see table_pattern.h; the first that fits counts
  std::vector<std::string> columns;  // in any order: the table's counts
  bool operator==(const KeyOverride&) const = default;
};

// What is made of columns' values before they are stored. Of several rules the first that fits a
// column decides.
struct TransformRule {
  enum class Kind : std::uint8_t {
    keep,     // nothing, whatever later rules say
    exclude,  // the column is left out
    include,  // of the tables that it names columns of, every other column is left out
    mask,
    hash,
    shorten,
  };
  Kind kind = Kind::keep;
  std::vector<std::string> columns;      // patterns, see table_pattern.h: "public.people.*mail"
  std::optional<std::string> with = {};  // mask: in the place of each value; nothing: asterisks
  std::string key = {};                  // hash: a secret
  std::uint64_t characters = 0;          // shorten: so many of the first
  bool operator==(const TransformRule&) const = default;
};

// The replica identity that tables are given.
struct IdentityRule {
  struct Wanted {
    ReplicaIdentity identity = ReplicaIdentity::primary_key;
    std::string index = {};  // of ReplicaIdentity::index: its name
    bool operator==(const Wanted&) const = default;
  };
  std::string table;  // a pattern, see table_pattern.h; the first that fits counts
  Wanted wanted;
  bool operator==(const IdentityRule&) const = default;
};

// What a table's existing rows are read from, in place of the table itself.
struct SelectOverride {
  std::string table;   // a pattern, see table_pattern.h; the first that fits counts
  std::string select;  // an SQL query that has the table's columns
  bool operator==(const SelectOverride&) const = default;
};

// How much of the server's log our slot may hold back, and what is done when it is more.
struct RetainedWal {
  enum class Then : std::uint8_t {
    warn,
    stop,  // the source stops
    drop,  // so that the server can remove its log the slot is dropped, and the source stops
  };
  std::uint64_t bytes_max = 0;
  Then then = Then::warn;
  bool operator==(const RetainedWal&) const = default;
};

struct PostgresOptions {
  std::string name;                 // the source's: "shop"
  std::string connection;           // a postgresql:// URL or a libpq connection string
  std::vector<std::string> tables;  // patterns, see table_pattern.h; empty: all of `publication`
  std::vector<std::string> except;  // patterns of what is left out all the same
  std::string publication;          // empty: tidelog_{name}, made and kept by us
  std::string slot;                 // empty: tidelog_{name}
  // Prepared transactions are taken when they are prepared, not when they commit. A slot that once
  // had this keeps it.
  bool two_phase = false;
  Origins origins = Origins::any;
  // The stream's values are asked for in binary form, as long as all of their types can be read.
  bool binary = false;
  std::vector<KeyOverride> keys;
  std::vector<SelectOverride> selects;
  std::vector<TransformRule> transforms;
  std::vector<IdentityRule> identities;
  std::optional<RetainedWal> retained_wal;             // nothing: no ceiling
  std::optional<std::chrono::milliseconds> heartbeat;  // nothing: none is written
  std::chrono::milliseconds status_interval{
      10'000};  // at least this often we tell the server where we are
  std::chrono::milliseconds connect_timeout{10'000};  // for each host
  std::chrono::milliseconds slot_wait{4'000};  // for a reader that ended to let go of the slot
  std::chrono::milliseconds slot_creation_wait{
      60'000};                                     // for transactions that were open before us
  std::function<void(const Finding&)> on_warning;  // what prepare met that does not stop it
  std::stop_token stop;                            // also ends the waits of prepare and begin
};

namespace postgres {

// The name as the server takes it: a slot's is of a-z, 0-9 and _ only, so what else is in a
// source's name becomes _.
std::string slot_name(const PostgresOptions& options);
std::string publication_name(const PostgresOptions& options);

// Whether the publication is ours to make, that is, was not named in the configuration.
bool owns_publication(const PostgresOptions& options);

}  // namespace postgres
}  // namespace tidelog
