// What people have ordered of the sources of a store: which ones pause, which leave out a
// transaction. Written by `tidelog source pause|resume|skip`, obeyed by the run that works then or
// begins next, which only reads it. A small JSON file in the store's folder, so that it outlives
// both.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/disk.h"
#include "core/result.h"
#include "ingest/ingest.h"

namespace tidelog {

struct SourceOrders {
  std::set<std::string, std::less<>> paused;            // names
  std::map<std::string, SkipOrder, std::less<>> skips;  // by name; of no effect once done
  bool operator==(const SourceOrders&) const = default;
};

// None when there is no such file. Code::misconfigured for one that is not ours.
Result<SourceOrders> read_source_orders(Disk& disk, const std::string& store);
Status write_source_orders(Disk& disk, const std::string& store, const SourceOrders& orders);

// Positions are bytes; in JSON they are hexadecimal.
std::string to_hex(std::string_view bytes);
Result<std::string> from_hex(std::string_view text);

}  // namespace tidelog
