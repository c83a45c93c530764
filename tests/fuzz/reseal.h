// Checksums made to fit again, so that what a mutation did is met by the parser and not by the
// checksum in front of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tidelog::fuzz {

// The crc of [begin, end) is stored at `at`. Nothing is done when the bytes are not there.
void patch_crc(std::string& bytes, std::size_t at, std::size_t begin, std::size_t end);
// The last four bytes are the crc of all before.
std::string with_last_crc(std::string_view input);
// A segment's head: its two checksums. `head_bytes` of it, padding included, or 0.
std::size_t reseal_head(std::string& segment);
// The batches from `begin` on, each with its extension's and header's checksum and the chain;
// `rewritten` ones have second headers.
void reseal_batches(std::string& file, std::size_t begin, std::uint32_t chain, bool rewritten);

}  // namespace tidelog::fuzz
