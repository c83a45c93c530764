// `tidelog store truncate` and `tidelog store delete`: a stream as a whole.
#pragma once

#include <cstdint>
#include <string>

#include "app/command.h"

namespace tidelog {

struct StreamCommandOptions {
  CommonOptions common;
  std::string stream;
  std::string expected = "any";
  std::uint64_t before = 0;     // truncate: the first revision that is kept
  bool past_consumers = false;  // truncate, of a table: takes also what no projection has read
  bool for_ever = false;        // delete: a tombstone
};

// Of an application's stream what is before no longer counts from now on. Of a table's it goes at
// once, behind a base snapshot, as far as whole segments hold nothing else.
// Code::conflict when what was expected does not hold: nothing is changed then.
Status truncate_stream(const CommandContext& context, const StreamCommandOptions& options);
Status delete_stream(const CommandContext& context, const StreamCommandOptions& options);

}  // namespace tidelog
