// MariaDB's global transaction identifiers, and positions made of them (MariaDB manual, "Global
// Transaction ID"): the last of each domain. A position is the resume point of a MariaDB source.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog::mysql {

struct MariadbGtid {
  std::uint32_t domain = 0;
  std::uint32_t server_id = 0;
  std::uint64_t sequence = 0;  // grows within its domain
  bool operator==(const MariadbGtid&) const = default;
};
// "0-1-100"
std::string print_gtid(const MariadbGtid& gtid);

// One thread.
class MariadbGtidPosition {
 public:
  // As in @@gtid_binlog_pos: "0-1-100,7-2-3". Misconfigured: it is none, or has a domain twice.
  static Result<MariadbGtidPosition> parse(std::string_view text);
  std::string print() const;

  // The last of its domain from now on.
  void set(const MariadbGtid& gtid) { domains_[gtid.domain] = gtid; }
  // Whether it comes no later in its domain than what is set. Only of the last one is it known
  // which server it is of: an earlier number of another server's passes, too, though it may be of
  // another history. Never a reason to leave a transaction out.
  bool contains(const MariadbGtid& gtid) const;
  // Whether the other one is as far in each of our domains, or farther.
  bool is_reached_by(const MariadbGtidPosition& other) const;
  bool is_empty() const { return domains_.empty(); }
  const std::map<std::uint32_t, MariadbGtid>& domains() const { return domains_; }
  bool operator==(const MariadbGtidPosition&) const = default;

 private:
  std::map<std::uint32_t, MariadbGtid> domains_;
};

}  // namespace tidelog::mysql
