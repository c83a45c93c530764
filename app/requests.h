// What a command asks of the `tidelog run` that is at work on the same store: a file in the store's
// folder `requests`, which the run answers with another one. So nothing listens anywhere, and
// whoever may write to the store's folder may ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/disk.h"
#include "core/result.h"

namespace tidelog {

struct LoadRequest {
  enum class What : std::uint8_t { load, cancel };
  What what = What::load;
  std::string source;
  std::string table;  // "public.orders"
  std::string where;
  bool anew = false;  // the rows that are stored are forgotten first
};

struct LoadAnswer {
  std::uint64_t number = 0;  // of the load
  std::string refused;       // why it was not taken; empty: it was
};

// -- for the command --

// Its name, by which the answer is found.
Result<std::string> ask(Disk& disk, const std::string& store, const LoadRequest& request,
                        UnixMicros now);
// Nothing: there is none yet. An answer is given once.
Result<std::optional<LoadAnswer>> take_answer(Disk& disk, const std::string& store,
                                              const std::string& name);
// It is no longer to be answered.
Status withdraw(Disk& disk, const std::string& store, const std::string& name);

// -- for the run --

struct NamedRequest {
  std::string name;
  Result<LoadRequest> request;  // an error: it cannot be read
};
// In the order in which they were asked.
Result<std::vector<NamedRequest>> open_requests(Disk& disk, const std::string& store);
Status answer(Disk& disk, const std::string& store, const std::string& name,
              const LoadAnswer& answer);

}  // namespace tidelog
