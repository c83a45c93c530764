// What commands share that append to a stream: what they expect of it, and what they say when it is
// otherwise.
#pragma once

#include <string>

#include "core/result.h"
#include "eventstore/application_append.h"

namespace tidelog {

// The option --expected-revision.
Result<ExpectedRevision> parse_expected(const std::string& text);

// One object.
std::string print_json(const AppendConflict& conflict);

}  // namespace tidelog
