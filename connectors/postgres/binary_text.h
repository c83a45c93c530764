// Texts of binary values that are stored as texts: byte for byte what the output function of the
// type prints. For binary_value.cc.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tidelog::postgres {

// Each appends the text. False, with nothing appended: no such value is ever sent.
bool print_character(std::string& out, std::string_view bytes);  // "char"
bool print_network(std::string& out, std::string_view bytes);    // inet, cidr
// macaddr, of 6 bytes, and macaddr8, of 8
bool print_mac(std::string& out, std::string_view bytes, std::size_t size);

}  // namespace tidelog::postgres
