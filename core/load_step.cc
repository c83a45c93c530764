#include "core/load_step.h"

#include <fmt/format.h>

#include "core/bytes.h"

namespace tidelog {
namespace {

constexpr std::uint8_t flag_fresh = 1;
constexpr std::uint8_t flag_last = 2;
constexpr std::uint8_t flags_known = flag_fresh | flag_last;
constexpr auto kind_max = static_cast<std::uint8_t>(LoadStep::Kind::left_out);

}  // namespace

std::string_view name_of(LoadStep::Kind kind) {
  switch (kind) {
    case LoadStep::Kind::begun:
      return "begun";
    case LoadStep::Kind::chunk:
      return "chunk";
    case LoadStep::Kind::ended:
      return "ended";
    case LoadStep::Kind::failed:
      return "failed";
    case LoadStep::Kind::cancelled:
      return "cancelled";
    case LoadStep::Kind::divided:
      return "divided";
    case LoadStep::Kind::left_out:
      return "left out";
  }
  return "unknown";
}

std::string encode(const LoadStep& step) {
  std::string out;
  out.push_back(static_cast<char>(step.kind));
  put_varint(out, step.number);
  put_sized(out, step.table);
  put_sized(out, step.where);
  out.push_back(static_cast<char>((step.fresh ? flag_fresh : 0) | (step.last ? flag_last : 0)));
  put_varint(out, step.rows);
  put_varint(out, step.part);
  put_varint(out, step.chunk_rows);
  put_sized(out, step.next);
  put_varint(out, step.bounds.size());
  for (const std::string& bound : step.bounds) put_sized(out, bound);
  put_sized(out, step.reason);
  return out;
}

Result<LoadStep> read_load_step(std::string_view bytes) {
  ByteReader in(bytes);
  LoadStep step;
  const auto kind = in.le<std::uint8_t>();
  step.kind = static_cast<LoadStep::Kind>(kind);
  step.number = in.varint();
  step.table = in.sized();
  step.where = in.sized();
  const auto flags = in.le<std::uint8_t>();
  step.fresh = (flags & flag_fresh) != 0;
  step.last = (flags & flag_last) != 0;
  step.rows = in.varint();
  step.part = in.varint();
  step.chunk_rows = in.varint();
  step.next = in.sized();
  step.bounds.resize(in.varint_count(1));
  for (std::string& bound : step.bounds) bound = in.sized();
  step.reason = in.sized();
  if (!in.failed() && (kind == 0 || kind > kind_max || (flags & ~flags_known) != 0))
    return fail(Code::unsupported, "a step of a load of a kind that a newer tidelog writes");
  return in.finish(std::move(step), "a step of a load");
}

std::string print_load_step(const LoadStep& step) {
  std::string out = fmt::format("load {}: {}", step.number, name_of(step.kind));
  if (step.kind == LoadStep::Kind::chunk)
    out +=
        fmt::format(" of part {}, {} rows, {} so far", step.part + 1, step.chunk_rows, step.rows);
  if (step.kind == LoadStep::Kind::divided)
    out += fmt::format(" into {} parts", step.bounds.size() + 1);
  if (step.kind == LoadStep::Kind::ended) out += fmt::format(", {} rows", step.rows);
  if (!step.where.empty()) out += " where " + step.where;
  if (!step.reason.empty()) out += ": " + step.reason;
  return out;
}

}  // namespace tidelog
