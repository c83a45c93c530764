// Events of every type and values of every kind, for tests that read whole stores.
#pragma once

#include "eventstore/event_store.h"

namespace tidelog::testing {

// Some of the sample values are as long as a server's longest.
enum class Samples : std::uint8_t { all, short_ones };

// Two transactions: a row of every kind of value, loaded, updated and moved away; and one event of
// each type that is no row's.
void append_every_kind(EventStore& store, Samples samples);
// The same in one adopted staging file, the row `repeats` times.
void adopt_every_kind(EventStore& store, Samples samples, int repeats);
// Streams that are truncated, deleted, begun anew and ended for ever.
void change_streams(EventStore& store);
// An application's event with every attribute, in a stream of applications.
void append_application(EventStore& store, const std::string& id);

}  // namespace tidelog::testing
