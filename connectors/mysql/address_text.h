// MariaDB's INET4 and INET6 as it prints them.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace tidelog::mysql {

using Inet4 = std::array<std::uint8_t, 4>;
using Inet6 = std::array<std::uint8_t, 16>;

std::string address_text(const Inet4& address);  // "1.2.3.4"
// "2001:db8::1", "::ffff:1.2.3.4". As others would not, it writes :: for a single 0, too.
std::string address_text(const Inet6& address);

}  // namespace tidelog::mysql
