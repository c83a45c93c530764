// Opening the store for writing, by a command that is not `run`: it takes the lock, so it says who
// holds it when that is somebody else.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/command.h"
#include "core/clock.h"
#include "eventstore/erasure.h"
#include "eventstore/event_store.h"

namespace tidelog {

// For whoever comes while the lock is taken: "process 4711 (tidelog run) on host db1, since
// 2026-11-24T10:00:00.000000Z".
std::string lock_holder(Clock& clock, std::string_view command);

// How the configuration wants the store opened, by this command.
StoreOptions store_options(const StoreConfig& config, Clock& clock, std::string_view command);

// The store must exist: Code::not_found otherwise. Code::conflict names the holder of the lock.
Result<std::unique_ptr<EventStore>> open_for_writing(const CommandContext& context,
                                                     const CommonOptions& options,
                                                     std::string_view command);

// Says so when an erasure that was cut off is not done yet, for a command that does not wait for
// it.
Status tell_pending_erasures(const CommandContext& context, const EventStore& store);

// Does what an erasure that was cut off left to do.
Result<ErasureReport> finish_erasures(const CommandContext& context, EventStore& store,
                                      std::string_view command);

}  // namespace tidelog
