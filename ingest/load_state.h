// LoadState: how far the newest load of a table is, as the steps in the log tell it. A load that
// was interrupted goes on from there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/load_step.h"
#include "core/result.h"
#include "eventstore/store_reader.h"

namespace tidelog {

struct LoadState {
  struct Part {
    std::string next;   // where its next chunk begins
    std::string end;    // where it ends; empty: with the table
    bool last = false;  // it is loaded
    std::uint64_t rows = 0;
  };

  // Of its kinds those that begin or end a load: which it is, and whether it goes on.
  LoadStep step;
  std::vector<Part> parts{1};
  bool is_cut = false;  // its begin is no longer in the log

  bool has_ended() const { return ends_load(step.kind); }
  bool has_chunks() const;
  std::uint64_t rows() const;
  // The table is divided by these places, before there are chunks.
  void divide(const std::vector<std::string>& bounds);
};

// Of all tables of the source, by their streams.
Result<std::map<std::string, LoadState>> read_loads(StoreReader& reader, std::string_view source);

}  // namespace tidelog
