// IngestHandler: what a source hands over, gathered to batches of whole transactions and appended.
// One per connection.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/load_step.h"
#include "core/schema.h"
#include "core/source.h"
#include "eventstore/batch_builder.h"
#include "eventstore/event_store.h"
#include "eventstore/staging.h"
#include "ingest/reconciler.h"

namespace tidelog {

// What the stream of a table goes on with when it is captured from here on.
struct Beginning {
  StreamId stream;
  LoadStep step;
  bool forgets = false;  // the rows that were known before may be gone: a truncate
  std::optional<Schema> schema;
};

// Where a source's own events are: "shop.$source".
std::string source_stream_name(std::string_view source);

struct IngestLimits {
  std::uint64_t transaction_bytes_max = 0;
  std::uint64_t batch_bytes = 0;
  std::chrono::steady_clock::duration progress_interval{};
};

// Counters that others read while it works.
struct IngestCounters {
  std::atomic<std::uint64_t> events{0};      // made durable
  std::atomic<std::int64_t> commit_time{0};  // of the last durable transaction
};

// One thread. All references must outlive it.
class IngestHandler final : public ChangeHandler {
 public:
  struct LoadSteps {
    // Of the load of a table that is loaded from here on.
    std::function<Result<LoadStep>(const std::string& table)> first;
    // The last of the open load of a table, if there is one.
    std::function<Result<std::optional<LoadStep>>(const std::string& table)> open;
  };
  IngestHandler(EventStore& store, Clock& clock, std::string source_name,
                const IngestLimits& limits, IngestCounters& counters, Reconciler& reconciler,
                LoadSteps load_steps);

  Status begin(const Transaction& transaction) override;
  Result<Version> schema(std::string_view table, const Schema& schema) override;
  Status event(const EventBody& event) override;
  Result<StreamId> source_stream() override;
  std::optional<KnownTable> known_table(std::string_view table) override;
  std::optional<KnownTable> known_table(std::uint32_t table_id) override;
  std::vector<KnownTable> known_tables(std::string_view table_schema) override;
  StreamId stream_of(std::string_view table) override;
  // After one of these that begins or ends a load, the commit ends the connection with
  // Code::unavailable: that is done between two.
  Status end_table(const KnownTable& table, std::string_view reason,
                   std::uint32_t ordinal) override;
  Status end_load(std::string_view table, std::string_view reason) override;
  Status begin_load(std::string_view table) override;
  Status commit(std::string_view resume) override;
  Status progress(std::string_view resume) override;
  Status idle() override;
  std::string durable() override { return durable_; }
  Result<std::unique_ptr<HeldTransaction>> hold() override;
  Status keep(HeldTransaction& held, std::string_view about) override;
  Result<std::vector<std::unique_ptr<HeldTransaction>>> kept(
      const std::vector<std::uint64_t>& ids) override;
  void release(std::unique_ptr<HeldTransaction> held) override;

  // Tables that are captured from here on, and where the source goes on; on disk when this returns.
  // Which tables they are is not known from here on: `anew`, as the database may be another one,
  // not of any table of the source.
  Status begin_tables(const std::vector<Beginning>& tables, std::string_view resume, bool anew);

  // The connection ended: what is whole becomes durable, the open transaction is forgotten.
  Status end();
  // Loads have begun or ended in the stream itself.
  bool has_other_loads() const { return has_other_loads_; }

 private:
  std::map<std::string, Schema> newest_schemas();  // by table
  Status spill();
  Status append();
  void forget_released();
  Status check_keys(StreamId stream, const std::string& name, const Schema& next);
  Status announce(StreamId stream, SchemaId schema, std::string_view encoded);
  Status announce_again(const EventBody& event);
  Status place_loads();
  Status put(LoadPart& part);
  Status put_step(const LoadStep& step);
  Status announce_rows_of(const LoadPart& part);
  void forget_table_id(std::string_view stream, Schema schema, BatchBuilder& batch);

  EventStore& store_;
  Clock& clock_;
  const std::string name_;
  const IngestLimits limits_;
  IngestCounters& counters_;
  Reconciler& reconciler_;
  const SourceId source_;
  BatchBuilder batch_;
  std::unique_ptr<StagingWriter> staging_;  // holds the open transaction, once it is large
  // The version that each stream's next row has, as far as this connection announced it.
  absl::flat_hash_map<StreamId, SchemaId> versions_;
  // Streams whose rows of a load may have another version than the stream's own.
  absl::flat_hash_set<StreamId> mixed_;
  std::string reached_;  // where to go on after what was taken so far
  std::string durable_;
  std::chrono::steady_clock::time_point last_append_;
  std::vector<std::unique_ptr<HeldTransaction>> released_;  // until the batch is durable
  std::string encoded_schema_;
  // Of streams, in what is not in the log yet.
  std::map<std::string, Schema> newest_;
  absl::flat_hash_set<StreamId> emptied_;  // truncated, and nothing of it came since
  // Tables by their ids, once asked for; a table may have another id by now.
  std::optional<absl::flat_hash_map<std::uint32_t, std::string>> tables_by_id_;
  const LoadSteps load_steps_;
  // The last steps of the loads that the open transaction begins or ends, by table.
  std::map<std::string, LoadStep> other_loads_;
  bool has_other_loads_ = false;
};

}  // namespace tidelog
