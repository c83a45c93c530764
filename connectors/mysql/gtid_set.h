// MySQL's global transaction identifiers, with and without tags (9.x), and sets of them (MySQL
// manual, "GTID Format and Storage"). A set is the resume point of a MySQL source.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/result.h"

namespace tidelog::mysql {

inline constexpr std::size_t uuid_bytes = 16;
using Uuid = std::array<std::uint8_t, uuid_bytes>;
// "3e11fa47-71ca-11e1-9e33-c80aa9429562", in small letters.
std::string print_uuid(const Uuid& uuid);
inline constexpr std::size_t uuid_text_bytes = 36;
// In letters of either size. False: it is none.
bool read_uuid(std::string_view text, Uuid& uuid);

// Who numbers transactions: a server, or one of its tags.
struct GtidSource {
  Uuid uuid = {};
  std::string tag = {};  // at most 32 of a-z, 0-9 and _, in small letters; usually none
  friend auto operator<=>(const GtidSource&, const GtidSource&) = default;
};

struct Gtid {
  GtidSource source;
  std::uint64_t number = 0;  // 1, 2, …
  bool operator==(const Gtid&) const = default;
};
// A letter or _, then these and digits, 32 bytes at most; `tag` gets it in small letters. False: it
// is none.
bool read_gtid_tag(std::string_view text, std::string& tag);
// "uuid:5", "uuid:tag:5"
std::string print_gtid(const Gtid& gtid);

// One thread.
class GtidSet {
 public:
  static constexpr std::uint64_t number_max = (std::uint64_t{1} << 63) - 2;
  struct Interval {
    std::uint64_t first = 0;
    std::uint64_t last = 0;  // is in it
    bool operator==(const Interval&) const = default;
  };
  using Intervals = std::vector<Interval>;  // sorted, with numbers missing between them

  // As the server prints a set, or takes one: "uuid:1-5:7:tag:1,uuid:1-9". Misconfigured: it is
  // none.
  static Result<GtidSet> parse(std::string_view text);
  // As the server does, but in one line.
  std::string print() const;

  void add(const Gtid& gtid);
  void add(const GtidSet& other);
  void add(const GtidSource& source, Interval interval);
  bool contains(const Gtid& gtid) const;
  bool is_subset_of(const GtidSet& other) const;
  bool is_empty() const { return sources_.empty(); }
  bool has_tags() const;
  const std::map<GtidSource, Intervals>& sources() const { return sources_; }
  bool operator==(const GtidSet&) const = default;

 private:
  std::map<GtidSource, Intervals> sources_;  // none without intervals
};

// As in the event Previous_gtids and the command COM_BINLOG_DUMP_GTID. Servers before 8.3 do not
// know the form that a set with tags has.
void put_gtid_set(std::string& out, const GtidSet& set);
Result<GtidSet> read_gtid_set(std::string_view bytes);

}  // namespace tidelog::mysql
