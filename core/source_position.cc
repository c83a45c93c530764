#include "core/source_position.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "core/bytes.h"

namespace tidelog {
namespace {

void expect_kind(ByteReader& in, SourcePositionKind kind) {
  if (in.le<std::uint8_t>() != static_cast<std::uint8_t>(kind)) in.fail();
}

PostgresResume::Phase read_phase(ByteReader& in) {
  const auto phase = in.le<std::uint8_t>();
  if (phase != static_cast<std::uint8_t>(PostgresResume::Phase::beginning) &&
      phase != static_cast<std::uint8_t>(PostgresResume::Phase::streaming)) {
    in.fail();
  }
  return static_cast<PostgresResume::Phase>(phase);
}

// What follows the slot's name.
void read_more(ByteReader& in, PostgresResume& resume) {
  resume.consistent.value = in.be<std::uint64_t>();
  const auto standby = in.be<std::uint8_t>();
  if (standby > 1) in.fail();
  resume.is_standby = standby == 1;
  while (!in.failed() && in.remaining() != 0) resume.kept.push_back(in.be<std::uint64_t>());
  const bool says_something =
      resume.consistent != Lsn{} || resume.is_standby || !resume.kept.empty();
  if (!says_something) in.fail();
}

// One half of an LSN: 1 to 8 hexadecimal digits.
bool parse_half(std::string_view text, std::uint32_t& half) {
  if (text.empty() || text.size() > 8) return false;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, half, 16);
  return error == std::errc{} && stopped == end;
}

std::string print_resume(const PostgresResume& resume) {
  if (resume.phase == PostgresResume::Phase::beginning) return "loading";
  return "lsn " + print_lsn(resume.end_lsn);
}

// ---- MySQL and MariaDB ----

constexpr std::uint8_t by_gtids = 1;
constexpr std::uint8_t by_place = 2;

// A number from 1 to 2.
template <class Enum>
Enum one_of_two(ByteReader& in) {
  const auto number = in.le<std::uint8_t>();
  if (number != 1 && number != 2) in.fail();
  return static_cast<Enum>(number);
}

std::string print_resume(const MysqlResume& resume) {
  if (resume.phase == MysqlResume::Phase::beginning) return "beginning";
  if (const auto* const gtids = std::get_if<MysqlResume::Gtids>(&resume.executed))
    return gtids->text.empty() ? "gtids none" : "gtids " + gtids->text;
  return "binlog " + print_binlog_place(std::get<MysqlResume::Place>(resume.executed).place);
}

std::string in_hexadecimal(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<std::uint8_t>(c));
  }
  return out;
}

}  // namespace

std::string encode(const PostgresResume& resume) {
  std::string out;
  put_be(out, static_cast<std::uint8_t>(SourcePositionKind::postgres_resume));
  put_be(out, static_cast<std::uint8_t>(resume.phase));
  put_be(out, resume.system_id);
  put_be(out, resume.timeline);
  put_be(out, resume.end_lsn.value);
  out.append(resume.slot);
  const bool has_more = resume.consistent != Lsn{} || resume.is_standby || !resume.kept.empty();
  if (!has_more) return out;
  out.push_back('\0');
  put_be(out, resume.consistent.value);
  put_be(out, static_cast<std::uint8_t>(resume.is_standby));
  for (const std::uint64_t id : resume.kept) put_be(out, id);
  return out;
}

Result<PostgresResume> read_postgres_resume(std::string_view bytes) {
  ByteReader in(bytes);
  expect_kind(in, SourcePositionKind::postgres_resume);
  PostgresResume resume;
  resume.phase = read_phase(in);
  resume.system_id = in.be<std::uint64_t>();
  resume.timeline = in.be<std::uint32_t>();
  resume.end_lsn.value = in.be<std::uint64_t>();
  const std::string_view rest = in.rest();
  const std::size_t zero = rest.find('\0');
  resume.slot = rest.substr(0, zero);
  if (zero != std::string_view::npos) {
    ByteReader more(rest.substr(zero + 1));
    read_more(more, resume);
    if (more.failed()) in.fail();
  }
  return in.finish(std::move(resume), "resume position of a Postgres source");
}

std::string encode(Lsn lsn) {
  std::string out;
  put_be(out, static_cast<std::uint8_t>(SourcePositionKind::postgres_lsn));
  put_be(out, lsn.value);
  return out;
}

Result<Lsn> read_postgres_lsn(std::string_view bytes) {
  ByteReader in(bytes);
  expect_kind(in, SourcePositionKind::postgres_lsn);
  const Lsn lsn{in.be<std::uint64_t>()};
  return in.finish(lsn, "position in the log of Postgres");
}

std::string print_lsn(Lsn lsn) {
  return fmt::format("{:X}/{:X}", lsn.value >> 32, lsn.value & 0xFFFF'FFFF);
}

Result<Lsn> parse_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  std::uint32_t high = 0;
  std::uint32_t low = 0;
  if (slash == std::string_view::npos || !parse_half(text.substr(0, slash), high) ||
      !parse_half(text.substr(slash + 1), low)) {
    return fail(Code::corrupt, fmt::format("'{}' is no LSN, which looks like 16/B374D848", text));
  }
  return Lsn{(std::uint64_t{high} << 32) | low};
}

std::string encode(const MysqlResume& resume) {
  std::string out;
  put_be(out, static_cast<std::uint8_t>(SourcePositionKind::mysql_resume));
  put_be(out, static_cast<std::uint8_t>(resume.phase));
  put_be(out, static_cast<std::uint8_t>(resume.make));
  put_be(out, resume.tables);
  put_sized(out, resume.server);
  put_be(out, static_cast<std::uint32_t>(resume.kept.size()));
  for (const std::uint64_t id : resume.kept) put_be(out, id);
  if (const auto* const gtids = std::get_if<MysqlResume::Gtids>(&resume.executed)) {
    put_be(out, by_gtids);
    out.append(gtids->text);
    return out;
  }
  const auto& at = std::get<MysqlResume::Place>(resume.executed);
  put_be(out, by_place);
  put_be(out, at.place.offset);
  put_be(out, at.file_time);
  out.append(at.place.file);
  return out;
}

Result<MysqlResume> read_mysql_resume(std::string_view bytes) {
  ByteReader in(bytes);
  expect_kind(in, SourcePositionKind::mysql_resume);
  MysqlResume resume;
  resume.phase = one_of_two<MysqlResume::Phase>(in);
  resume.make = one_of_two<MysqlResume::Make>(in);
  resume.tables = in.be<std::uint64_t>();
  resume.server = in.sized();
  const auto kept = in.be<std::uint32_t>();
  if (kept > in.remaining() / sizeof(std::uint64_t)) in.fail();
  for (std::uint32_t i = 0; i < kept && !in.failed(); ++i)
    resume.kept.push_back(in.be<std::uint64_t>());
  const auto form = one_of_two<std::uint8_t>(in);
  if (form == by_gtids) {
    resume.executed = MysqlResume::Gtids{std::string(in.rest())};
  } else {
    MysqlResume::Place at;
    at.place.offset = in.be<std::uint64_t>();
    at.file_time = in.be<std::uint32_t>();
    at.place.file = in.rest();
    if (at.place.file.empty()) in.fail();
    resume.executed = std::move(at);
  }
  return in.finish(std::move(resume), "resume position of a MySQL source");
}

std::string encode_gtid(std::string_view gtid) {
  std::string out;
  put_be(out, static_cast<std::uint8_t>(SourcePositionKind::mysql_gtid));
  out.append(gtid);
  return out;
}

Result<std::string> read_gtid(std::string_view bytes) {
  ByteReader in(bytes);
  expect_kind(in, SourcePositionKind::mysql_gtid);
  std::string gtid(in.rest());
  if (gtid.empty()) in.fail();
  return in.finish(std::move(gtid), "GTID of a transaction");
}

std::string encode(const BinlogPlace& place) {
  std::string out;
  put_be(out, static_cast<std::uint8_t>(SourcePositionKind::mysql_place));
  put_be(out, place.offset);
  out.append(place.file);
  return out;
}

Result<BinlogPlace> read_binlog_place(std::string_view bytes) {
  ByteReader in(bytes);
  expect_kind(in, SourcePositionKind::mysql_place);
  BinlogPlace place;
  place.offset = in.be<std::uint64_t>();
  place.file = in.rest();
  if (place.file.empty()) in.fail();
  return in.finish(std::move(place), "place in a binlog");
}

std::string print_binlog_place(const BinlogPlace& place) {
  return fmt::format("{}:{}", place.file, place.offset);
}

std::string print_source_position(std::string_view bytes) {
  if (bytes.empty()) return "none";
  if (auto resume = read_postgres_resume(bytes)) return print_resume(*resume);
  if (auto lsn = read_postgres_lsn(bytes)) return "lsn " + print_lsn(*lsn);
  if (auto mysql = read_mysql_resume(bytes)) return print_resume(*mysql);
  if (auto gtid = read_gtid(bytes)) return "gtid " + *gtid;
  if (auto place = read_binlog_place(bytes)) return "binlog " + print_binlog_place(*place);
  return in_hexadecimal(bytes);
}

}  // namespace tidelog
