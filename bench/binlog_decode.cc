// Reads binlog files, verifies every event and decodes the rows into what is stored of them, keys
// included, and does nothing else: the decoder alone, for bench/mysql_decode_bench.py. Prints one
// JSON object: {"rows","cpu_seconds"} of the fastest round.
//   binlog_decode mysql|mariadb ROUNDS FILE...
#include <fmt/format.h>

#include <absl/container/flat_hash_map.h>

#include <charconv>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/event_check.h"
#include "connectors/mysql/row_encoder.h"
#include "connectors/mysql/rows_event.h"
#include "connectors/mysql/table_map.h"
#include "core/bytes.h"

namespace tidelog::mysql {
namespace {

// What a server begins a dump with: the file and where in it.
std::string artificial_rotate(std::uint64_t offset) {
  constexpr std::string_view name = "binlog.000001";
  std::string event;
  put_le(event, std::uint32_t{0});
  put_le(event, static_cast<std::uint8_t>(EventType::rotate));
  put_le(event, std::uint32_t{0});
  put_le(event, static_cast<std::uint32_t>(event_header_bytes + sizeof offset + name.size()));
  put_le(event, std::uint32_t{0});
  put_le(event, event_artificial);
  put_le(event, offset);
  return event.append(name);
}

class Decoding {
 public:
  explicit Decoding(Flavour flavour) : flavour_(flavour) {}

  Status read(std::string_view file) {
    constexpr std::size_t magic_bytes = 4;
    EventCheck check(EventCheck::Continuity::every_event);
    TRY_DO(check.take(artificial_rotate(magic_bytes)));
    for (std::size_t at = magic_bytes; at + event_header_bytes <= file.size();) {
      TRY(const EventHeader header, read_event_header(file.substr(at)));
      TRY(const PlacedEvent placed, check.take(file.substr(at, header.event_bytes)));
      TRY_DO(take(placed.event));
      at += header.event_bytes;
    }
    return {};
  }

  std::size_t rows() const { return rows_; }

 private:
  Status take(const Event& event) {
    if (event.header.type == EventType::table_map) return take_table_map(event.body);
    if (is_rows_event(event.header.type)) return take_rows(event);
    return {};
  }

  Status take_table_map(std::string_view body) {
    TRY(const TableMap map, read_table_map(body, flavour_));
    TRY(TableFormat format, format_of(map, nullptr, flavour_));
    tables_.insert_or_assign(map.table_id, std::move(format));
    return {};
  }

  Status take_rows(const Event& event) {
    TRY(const RowsEvent rows, read_rows_event(event.header.type, event.body, inflated_));
    const auto table = tables_.find(rows.table_id);
    if (table == tables_.end()) return fail(Code::corrupt, "rows of a table without a map");
    TRY(RowsReader reader, RowsReader::open(rows, table->second, values_));
    while (!reader.at_end()) {
      TRY_DO(reader.next(before_, after_));
      EncodedRow& row = rows.change == RowsChange::remove ? before_ : after_;
      TRY_DO(row.key(table->second.schema));
      ++rows_;
    }
    return {};
  }

  Flavour flavour_;
  absl::flat_hash_map<std::uint64_t, TableFormat> tables_;
  ValueDecoder values_;
  EncodedRow before_;
  EncodedRow after_;
  std::string inflated_;
  std::size_t rows_ = 0;
};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

std::string content_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

int run(Flavour flavour, int rounds, const std::vector<std::string>& files) {
  double fastest = 0;
  std::size_t rows = 0;
  for (int round = 0; round < rounds; ++round) {
    Decoding decoding(flavour);
    const double begin = cpu_seconds();
    for (const std::string& file : files) {
      if (const auto done = decoding.read(file); !done) {
        fmt::print(stderr, "binlog_decode: {}\n", done.error().what);
        return 1;
      }
    }
    const double taken = cpu_seconds() - begin;
    fastest = round == 0 ? taken : std::min(fastest, taken);
    rows = decoding.rows();
  }
  fmt::print("{{\"rows\":{},\"cpu_seconds\":{:.6f}}}\n", rows, fastest);
  return 0;
}

}  // namespace
}  // namespace tidelog::mysql

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "binlog_decode mysql|mariadb ROUNDS FILE...\n");
    return 2;
  }
  using tidelog::mysql::Flavour;
  const std::string_view rounds_text = argv[2];
  int rounds = 0;
  std::from_chars(rounds_text.data(), rounds_text.data() + rounds_text.size(), rounds);
  std::vector<std::string> files;
  for (int i = 3; i < argc; ++i) files.push_back(tidelog::mysql::content_of(argv[i]));
  return tidelog::mysql::run(
      std::string_view(argv[1]) == "mariadb" ? Flavour::mariadb : Flavour::mysql, rounds, files);
}
