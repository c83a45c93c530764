// Packing: sealed segments written anew with a codec that takes less space, for who trades time for
// it. Every event, position and revision stays.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <utility>

#include "core/result.h"
#include "eventstore/event_store.h"

namespace tidelog {

struct PackingReport {
  std::uint64_t segments = 0;  // written anew
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
};

// Segments and their generations that need not be looked at again. Kept by the caller, in memory
// alone.
using PackingMemory = std::set<std::pair<std::uint64_t, std::uint32_t>>;

// Packs each sealed segment with the store's `sealed_codec` of which a sample says that it becomes
// an eighth smaller or more. Ends early, without error, when `stop` asks for it.
Result<PackingReport> pack_segments(EventStore& store, PackingMemory& memory,
                                    const std::stop_token& stop);

}  // namespace tidelog
