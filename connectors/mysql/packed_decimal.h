// Decimals as rows and JSON documents have them (MySQL source, strings/decimal.cc, decimal2bin):
// digits in groups of nine, four bytes a group and fewer for what is left at both ends; big-endian,
// the first bit inverted, all bits of a negative number.
#pragma once

#include <string>

#include "core/bytes.h"

namespace tidelog::mysql {

inline constexpr std::size_t decimal_text_bytes_max = 70;

// Appends what the server prints: the sign, at least one digit before the point, and `scale` digits
// behind it. Fails the reader, and appends nothing, when the bytes are no decimal of this precision
// (1 to 65) and scale (at most the precision).
void append_packed_decimal(std::string& out, ByteReader& in, unsigned precision, unsigned scale);

}  // namespace tidelog::mysql
