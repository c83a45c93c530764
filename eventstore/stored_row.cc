#include "eventstore/stored_row.h"

#include "core/bytes.h"
#include "core/value.h"

namespace tidelog {
namespace {

std::int64_t first_number(std::string_view key) {
  if (key.empty() || key.front() != static_cast<char>(ValueKind::int64)) return 0;
  ByteReader in(key.substr(1));
  return in.zigzag_varint();  // 0 when it is cut short
}

}  // namespace

KeyOrder::KeyOrder(std::string_view key) : number_(first_number(key)), key_(key) {}

}  // namespace tidelog
