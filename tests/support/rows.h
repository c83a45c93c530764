// What a server answered to a test's statement.
#pragma once

#include <string>
#include <vector>

namespace tidelog::testing {

// Values as text; a null is the text NULL.
using Rows = std::vector<std::vector<std::string>>;

}  // namespace tidelog::testing
