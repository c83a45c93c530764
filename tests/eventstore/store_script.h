// StoreScript: a fixed list of operations on a store and the oracle for it: what a store that holds
// the first n of them must look like. The crash, fault and rot tests run it on FaultyDisks.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/disk.h"
#include "eventstore/event_store.h"
#include "tests/support/fake_clock.h"

namespace tidelog::testing {

struct ScriptRow {
  std::string stream;
  std::string key;
  std::string body;
  int version = 1;  // of the stream's schema
};

struct ScriptTransaction {
  std::string id;
  UnixMicros commit_time;
  std::vector<ScriptRow> rows;
};

struct ScriptOperation {
  enum class Kind : std::uint8_t { append, position_only, adopt };
  Kind kind = Kind::append;
  std::string source;
  std::string position;
  std::vector<ScriptTransaction> transactions;
  bool rolls_back_another = false;  // an abandoned transaction precedes the others
};

// A store's whole content. Each event is one line, with all that a reader gets.
struct StoreContent {
  std::vector<std::string> events;
  std::map<std::string, std::string> positions;  // by source
  bool operator==(const StoreContent&) const = default;
};

class StoreScript {
 public:
  explicit StoreScript(std::size_t operation_count);

  std::size_t size() const { return operations_.size(); }
  // The content after the first `count` operations.
  const StoreContent& after(std::size_t count) const { return contents_[count]; }

  // Does the operation; on success exactly its events and its position were added.
  Status run(EventStore& store, FakeClock& clock, std::size_t index) const {
    return run(store, clock, index, Tries::one);
  }
  // Two tries give the store the same batch or staging file again.
  enum class Tries : std::uint8_t { one, two };
  Status run(EventStore& store, FakeClock& clock, std::size_t index, Tries tries) const;

  // How many operations a store holds, or nothing when it holds no prefix of the script: at least
  // `least`, at most `most`.
  std::optional<std::size_t> operations_in(const StoreContent& content, std::size_t least,
                                           std::size_t most) const;

 private:
  std::vector<ScriptOperation> operations_;
  std::vector<StoreContent> contents_;
};

StoreOptions script_options();

// The event as StoreContent has it.
Result<std::string> line_of(StoreReader& reader, const Event& event);

// Everything that a reader beside the writer gets, revisions and transactions checked on the way.
// Stops at an error.
struct Scan {
  std::vector<std::string> events;
  Status status;
};
Scan scan(StoreReader& reader);
Scan scan(Disk& disk, const std::string& directory);

Result<StoreContent> content_of(Disk& disk, const EventStore& store, const std::string& directory);

}  // namespace tidelog::testing
