#include "connectors/mysql/row_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <tuple>
#include <utility>
#include <variant>

#include "connectors/mysql/executed.h"
#include "connectors/mysql/mariadb_gtid.h"
#include "connectors/mysql/server_binlog.h"

namespace tidelog::mysql {

namespace {

constexpr std::chrono::milliseconds look_again{5};

constexpr const char* begin_sql = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY";

// "binlog.000009" before "binlog.000010", and ".999999" before ".1000000".
auto order_of(const BinlogPlace& place) {
  return std::tuple(place.file.size(), std::string_view(place.file), place.offset);
}

bool have_in_common(const GtidSet& few, const GtidSet& other) {
  for (const auto& [source, intervals] : few.sources()) {
    for (const GtidSet::Interval& each : intervals) {
      for (std::uint64_t number = each.first; number <= each.last; ++number) {
        if (other.contains({source, number})) return true;
      }
    }
  }
  return false;
}

}  // namespace

// Nothing stands between the last thread of one server and the next server: "…:5#94a11fa47-…:7#10"
// is of thread 9. So a server's part begins 36 characters before a colon that a UUID is in front
// of.
Result<GtidSet> read_owned_gtids(std::string_view text) {
  std::string gtids;
  std::size_t next = 0;  // what comes is of a thread until there
  bool in_thread = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    Uuid uuid;
    if (read_uuid(text.substr(at, uuid_text_bytes), uuid) &&
        text.substr(at + uuid_text_bytes).starts_with(':')) {
      if (!gtids.empty()) gtids.push_back(',');
      gtids.append(text.substr(at, uuid_text_bytes));
      in_thread = false;
      next = at + uuid_text_bytes;
    }
    if (at < next) continue;
    const char c = text[at];
    in_thread = c == '#' || (in_thread && c >= '0' && c <= '9');
    if (!in_thread && c != ',' && c != '\n' && c != ' ') gtids.push_back(c);
  }
  return GtidSet::parse(gtids);
}

Result<GtidSet> RowSnapshots::owned() {
  TRY(const std::string text, connection_.value("SELECT @@GLOBAL.gtid_owned", stop_));
  return read_owned_gtids(text);
}

Result<GtidSet> RowSnapshots::executed() {
  TRY(const std::string text, connection_.value("SELECT @@GLOBAL.gtid_executed", stop_));
  return GtidSet::parse(text);
}

Status RowSnapshots::wait_a_moment() const {
  pause_for(look_again, stop_);
  if (stop_.requested()) return fail(Code::cancelled, "asked to stop");
  return {};
}

// Each ends, whether it is committed or rolled back.
Status RowSnapshots::wait_for_commits() {
  if (connection_.is_mariadb()) {
    TRY(not_before_, current_place());
    return {};
  }
  TRY(const GtidSet being_committed, owned());
  for (;;) {
    TRY(const GtidSet now, owned());
    if (!have_in_common(being_committed, now)) return {};
    TRY_DO(wait_a_moment());
  }
}

Result<TableReader::Snapshot> RowSnapshots::begin() {
  TableReader::Snapshot snapshot;
  TRY(snapshot.transactions, connection_.is_mariadb() ? begin_mariadb() : begin_mysql());
  snapshot.place = encode(place_);
  TRY(const std::string micros,
      connection_.value("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)", stop_));
  const auto read =
      std::from_chars(micros.data(), micros.data() + micros.size(), snapshot.time.value);
  if (read.ec != std::errc()) return fail(Code::corrupt, "the server's time is " + micros);
  return snapshot;
}

Result<std::string> RowSnapshots::begin_mysql() {
  TRY(const GtidSet before, executed());
  TRY_DO(connection_.query(begin_sql, stop_));
  // In this order: what is no longer owned is executed.
  TRY(const GtidSet meanwhile, owned());
  TRY(const GtidSet after, executed());
  is_exact_ = meanwhile.is_empty() && after == before;
  TRY(place_, current_place());
  return before.print();
}

Result<std::string> RowSnapshots::begin_mariadb() {
  for (;;) {
    TRY_DO(connection_.query(begin_sql, stop_));
    TRY(place_, snapshot_place());
    if (!not_before_ || order_of(place_) >= order_of(*not_before_)) break;
    TRY_DO(connection_.query("ROLLBACK", stop_));
    TRY_DO(wait_a_moment());
  }
  is_exact_ = true;
  TRY(const std::vector<TextRow> rows,
      connection_.query(
          fmt::format("SELECT BINLOG_GTID_POS({}, {})", quote_text(place_.file), place_.offset),
          stop_));
  if (rows.size() != 1 || rows[0].size() != 1 || !rows[0][0]) {
    return fail(Code::unavailable, "the binlog " + print_binlog_place(place_) +
                                       " is gone, where a snapshot was taken a moment ago");
  }
  shown_ = *rows[0][0];
  return shown_;
}

// What was owned when the snapshot had been taken may be in it.
Result<std::string> RowSnapshots::end() {
  if (connection_.is_mariadb()) return shown_;
  TRY_DO(wait_for_commits());
  // What is in no binlog never comes (`SET gtid_purged`, a replica that does not log).
  TRY(const std::string to_come,
      connection_.value("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged)",
                        stop_));
  TRY(const GtidSet end, GtidSet::parse(to_come));
  return end.print();
}

Result<BinlogPlace> RowSnapshots::current_place() {
  TRY(const std::vector<BinlogFile> files, list_binlogs(connection_, stop_));
  return BinlogPlace{files.back().name, files.back().bytes};
}

Result<BinlogPlace> RowSnapshots::snapshot_place() {
  TRY(const std::vector<TextRow> rows,
      connection_.query("SHOW STATUS LIKE 'binlog\\_snapshot\\_%'", stop_));
  BinlogPlace place;
  for (const TextRow& row : rows) {
    if (row.size() != 2 || !row[0] || !row[1]) continue;
    if (row[0] == "Binlog_snapshot_file") place.file = *row[1];
    if (row[0] == "Binlog_snapshot_position") {
      const std::string& text = *row[1];
      std::from_chars(text.data(), text.data() + text.size(), place.offset);
    }
  }
  if (!place.file.empty() && place.offset != 0) return place;
  return fail(Code::unavailable, "the server does not say where in its binlog a snapshot stands");
}

Result<bool> snapshot_includes(std::string_view snapshot, std::string_view position) {
  TRY(const std::string gtid, read_gtid(position));
  if (const auto one = MariadbGtidPosition::parse(gtid)) {
    TRY(const MariadbGtidPosition shown, MariadbGtidPosition::parse(snapshot));
    return one->is_reached_by(shown);
  }
  TRY(const GtidSet one, GtidSet::parse(gtid));
  TRY(const GtidSet shown, GtidSet::parse(snapshot));
  return one.is_subset_of(shown);
}

Result<bool> has_passed(std::string_view resume, std::string_view end) {
  if (resume.empty()) return false;
  TRY(const MysqlResume reached, read_mysql_resume(resume));
  TRY(const Executed executed, executed_of(reached));
  if (const auto* const set = std::get_if<GtidSet>(&executed)) {
    TRY(const GtidSet wanted, GtidSet::parse(end));
    return wanted.is_subset_of(*set);
  }
  if (const auto* const position = std::get_if<MariadbGtidPosition>(&executed)) {
    TRY(const MariadbGtidPosition wanted, MariadbGtidPosition::parse(end));
    return wanted.is_reached_by(*position);
  }
  return fail(Code::unsupported, "a load beside a stream that goes on by file and offset");
}

}  // namespace tidelog::mysql
