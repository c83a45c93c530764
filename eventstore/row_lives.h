// RowLives: which events of a stream are of the rows that had a key, also under the keys that they
// had before and after. A life is a key's events from an insertion to the deletion after it. For
// erasure.h.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// Where a row stands in what was saved before the log's begin: under the key, when it was changed
// there last before the position. Later changes are another row's.
struct SavedKey {
  std::string key;
  Position before;
  bool operator==(const SavedKey&) const = default;
};

struct FoundRows {
  std::vector<Position> events;  // rising
  std::set<std::string> keys;    // that they had, those asked for included
  // Those asked for, and those that a row had without an insertion here.
  std::vector<SavedKey> saved;
};

// Reads the stream from its beginning to before `end`, twice when keys changed.
Result<FoundRows> rows_of_keys(StoreReader& reader, const std::string& stream,
                               const std::vector<std::string>& keys, Position end);

}  // namespace tidelog
