// Events as the Python reader (read_store.py) prints them, made from what our own reader gives.
#pragma once

#include <string>

#include "core/event.h"
#include "eventstore/store_reader.h"

namespace tidelog::testing {

// The event as one JSON object, its values with their kinds, its bytes in hexadecimal.
std::string json_of(const Event& event, const Schema* schema);

// Every event of the store, one a line.
std::string json_lines(StoreReader& reader);

}  // namespace tidelog::testing
