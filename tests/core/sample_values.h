// Values of every kind, the extreme ones among them. What they borrow lives as long as the program.
#pragma once

#include <string>
#include <vector>

#include "core/value.h"

namespace tidelog::testing {

const std::vector<Value>& sample_values();

// The stored form of one value.
std::string stored(const Value& value);

}  // namespace tidelog::testing
