// Retention: what the configuration's rules no longer keep goes, and what is kept is packed, by
// hand (`tidelog store compact`) and in the background of a running service.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "app/command.h"
#include "app/config.h"
#include "app/log.h"
#include "eventstore/event_store.h"
#include "eventstore/packing.h"
#include "eventstore/retention.h"

namespace tidelog {

// Events from the answer on are still to be read by a consumer.
using ConsumerFloor = std::function<Position()>;

// Applies the rules once. Base snapshots are made of the tables that are cut.
Result<RetentionReport> retain(EventStore& store, const StoreConfig& config, Position floor,
                               RetentionMemory& memory,
                               const std::function<void(Position)>& on_progress,
                               const std::stop_token& stop);

// What is to be said of a `max_bytes` that is not larger than a segment; nothing of others.
std::optional<std::string> small_max_bytes(const StoreConfig& config);

// Whether the configuration asks for sealed segments to be packed (eventstore/packing.h).
bool packs(const StoreConfig& config);

// Takes the stream's events before the revision, behind a base snapshot, as far as whole segments
// hold them.
Result<RetentionReport> truncate_table(EventStore& store, const std::string& stream,
                                       Revision before, Position floor,
                                       const std::function<void(Position)>& on_progress);

// For the commands that do either.
Status print_retention(const CommandContext& context, bool json, const RetentionReport& report,
                       const PackingReport& packing);

// Store, configuration and log must outlive it; destroying it ends the thread. What fails is logged
// and tried again; it never stops capture.
class RetentionRun {
 public:
  RetentionRun(EventStore& store, const StoreConfig& config, ConsumerFloor floor, Log& log);

 private:
  std::jthread thread_;
};

}  // namespace tidelog
