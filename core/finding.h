// Finding: what a look at a database found before anything is read from it. connectors/ look, and
// app/ prints or logs it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace tidelog {

// One thing that a look at the server found, and the statement that mends it.
struct Finding {
  enum class Severity : std::uint8_t {
    fine,  // as it should be, and worth a line of `check`
    warning,
    error,
  };
  Severity severity = Severity::error;
  Code code = Code::misconfigured;
  std::string what;
  std::string mend;  // SQL, or a sentence when no statement can help; empty: the text says it all
};

// All errors in one; ok when there is none. Its code is that of the first, but: what may be over
// with another try is tried again, and otherwise lost history outweighs what else a person must
// mend.
Status first_error(const std::vector<Finding>& findings);

}  // namespace tidelog
