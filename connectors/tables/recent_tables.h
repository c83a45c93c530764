// RecentTables: the tables that a source captures, as its server said a moment ago: it takes long
// to tell with many tables. For those who open readers of tables (core/table_reader.h).
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/result.h"

namespace tidelog {

// Any thread.
template <class Table>
class RecentTables {
 public:
  using ByName = std::map<std::string, Table>;  // "public.orders"

  // `list` asks the server, and gives a Result<ByName>. Nothing: the table is not captured.
  template <class List>
  Result<std::optional<Table>> find(const std::string& name, List list) {
    constexpr std::chrono::seconds lifetime{5};
    const std::scoped_lock lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - listed_ >= lifetime || !tables_.contains(name)) {
      TRY(tables_, list());
      listed_ = now;
    }
    const auto found = tables_.find(name);
    return found == tables_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::mutex mutex_;
  ByName tables_;                                   // guarded by mutex_
  std::chrono::steady_clock::time_point listed_{};  // guarded by mutex_
};

}  // namespace tidelog
