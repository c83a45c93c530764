#include "connectors/mysql/server_watch.h"

#include <algorithm>
#include <vector>

#include "connectors/mysql/executed.h"
#include "connectors/mysql/server_binlog.h"
#include "core/source_position.h"

namespace tidelog::mysql {

namespace {

using Seen = ServerWatch::Seen;

std::uint64_t count_of(const GtidSet& set) {
  std::uint64_t count = 0;
  for (const auto& [source, intervals] : set.sources()) {
    for (const GtidSet::Interval& interval : intervals) count += interval.last - interval.first + 1;
  }
  return count;
}

// Of each domain the number of its last transaction, which counts them well enough.
std::uint64_t count_of(const MariadbGtidPosition& position) {
  std::uint64_t count = 0;
  for (const auto& [domain, gtid] : position.domains()) count += gtid.sequence;
  return count;
}

Seen seen_of(std::uint64_t end, std::uint64_t stored) {
  return {.end = end, .missing = end - std::min(end, stored), .in_bytes = false};
}

// Of files that are there, and of that one where the source stands.
Seen seen_of(const std::vector<BinlogFile>& files, const BinlogPlace& place) {
  Seen seen{.in_bytes = true};
  std::uint64_t stored = 0;
  for (const BinlogFile& file : files) {
    if (file.name == place.file) stored = seen.end + place.offset;
    seen.end += file.bytes;
  }
  seen.missing = seen.end - std::min(seen.end, stored);
  return seen;
}

}  // namespace

Result<Seen> ServerWatch::look(std::string_view stored) {
  auto seen = ask(stored);
  if (!seen) connection_.reset();
  return seen;
}

Result<Seen> ServerWatch::ask(std::string_view stored) {
  const auto resume = read_mysql_resume(stored);
  if (!resume || resume->phase != MysqlResume::Phase::streaming)
    return fail(Code::not_found, "the source has no position yet");
  TRY(const Executed executed, executed_of(*resume));
  if (!connection_) {
    TRY(connection_, Connection::open(options_.connection, stop_));
  }
  if (const auto* const at = std::get_if<MysqlResume::Place>(&executed)) {
    TRY(const std::vector<BinlogFile> files, list_binlogs(*connection_, stop_));
    return seen_of(files, at->place);
  }
  TRY(const DumpStart newest, newest_start(*connection_, stop_));
  const auto* const set = std::get_if<GtidSet>(&newest);
  const auto* const stored_set = std::get_if<GtidSet>(&executed);
  if (set != nullptr && stored_set != nullptr)
    return seen_of(count_of(*set), count_of(*stored_set));
  const auto* const position = std::get_if<MariadbGtidPosition>(&newest);
  const auto* const stored_position = std::get_if<MariadbGtidPosition>(&executed);
  if (position != nullptr && stored_position != nullptr)
    return seen_of(count_of(*position), count_of(*stored_position));
  return fail(Code::misconfigured, "the server names its transactions otherwise than before");
}

}  // namespace tidelog::mysql
