// LoadStep: how far a load of a table is that goes on beside the stream. An event of the table's
// stream, stored in one batch with the rows that it speaks of: rows and progress cannot disagree,
// and a load that was interrupted goes on from its last step. ingest/ writes and reads it,
// projections/ learns from it whether all rows of a table are known.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace tidelog {

struct LoadStep {
  // The numbers are stored: never renumber, only add.
  enum class Kind : std::uint8_t {
    begun = 1,
    chunk = 2,   // the rows before it, in the same transaction, are its part's next ones
    ended = 3,   // every row is here, and what changes them is known from here on
    failed = 4,  // `reason` says why; what was loaded stays
    cancelled = 5,
    divided = 6,   // into parts that are read at the same time, each in chunks of its own
    left_out = 7,  // the existing rows are not loaded, as the configuration says
  };
  Kind kind = Kind::begun;
  std::uint64_t number = 0;  // of the load: 1, 2, … in each stream
  std::string table;         // "public.orders"
  std::string where;         // only these rows, as SQL; empty: all
  // Not every row was known before it: until it has ended the table's state is incomplete.
  bool fresh = false;
  std::uint64_t rows = 0;  // so far, of a chunk those of its part

  // Of a chunk: its part, its own rows, where the next one begins (the source's connector knows
  // what that means), and whether it was the part's last.
  std::uint64_t part = 0;
  std::uint64_t chunk_rows = 0;
  std::string next;
  bool last = false;

  std::vector<std::string> bounds;  // of a division: where each part but the first begins
  std::string reason;
  bool operator==(const LoadStep&) const = default;
};

std::string_view name_of(LoadStep::Kind kind);  // "begun", …
constexpr bool ends_load(LoadStep::Kind kind) {
  return kind == LoadStep::Kind::ended || kind == LoadStep::Kind::failed ||
         kind == LoadStep::Kind::cancelled || kind == LoadStep::Kind::left_out;
}

// u8 kind | varint number | sized table | sized where | u8 flags (1 fresh, 2 last chunk)
// | varint rows | varint part | varint rows of the chunk | sized next | varint bounds
// | sized bound each | sized reason
std::string encode(const LoadStep& step);
Result<LoadStep> read_load_step(std::string_view bytes);

// For people: "load 3: 12000 rows so far".
std::string print_load_step(const LoadStep& step);

}  // namespace tidelog
