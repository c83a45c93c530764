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

std::string print_source_position(std::string_view bytes) {
  if (bytes.empty()) return "none";
  if (auto resume = read_postgres_resume(bytes)) return print_resume(*resume);
  if (auto lsn = read_postgres_lsn(bytes)) return "lsn " + print_lsn(*lsn);
  return in_hexadecimal(bytes);
}

}  // namespace tidelog
