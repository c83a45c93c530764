#include "connectors/mysql/address_text.h"

#include <fmt/format.h>

#include <cstddef>

namespace tidelog::mysql {

namespace {

constexpr std::size_t word_count = 8;
using Words = std::array<unsigned, word_count>;

struct Gap {
  std::size_t first = word_count;
  std::size_t count = 0;
};

// The first of the longest runs of zeros.
Gap longest_gap(const Words& words) {
  Gap longest;
  Gap here;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] != 0) {
      here = {};
      continue;
    }
    if (here.count == 0) here.first = i;
    ++here.count;
    if (here.count > longest.count) longest = here;
  }
  return longest;
}

// ::1.2.3.4 and ::ffff:1.2.3.4
bool ends_as_inet4(const Words& words, const Gap& gap) {
  return gap.first == 0 && (gap.count == 6 || (gap.count == 5 && words[5] == 0xFFFF));
}

}  // namespace

std::string address_text(const Inet4& address) {
  return fmt::format("{}.{}.{}.{}", address[0], address[1], address[2], address[3]);
}

std::string address_text(const Inet6& address) {
  Words words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<unsigned>(address[2 * i] << 8 | address[2 * i + 1]);
  }
  const Gap gap = longest_gap(words);
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i == gap.first) {
      text += i == 0 ? "::" : ":";
      i += gap.count - 1;
    } else if (i == 6 && ends_as_inet4(words, gap)) {
      return text + address_text(Inet4{address[12], address[13], address[14], address[15]});
    } else {
      text += fmt::format("{:x}", words[i]);
      if (i + 1 < words.size()) text += ':';
    }
  }
  return text;
}

}  // namespace tidelog::mysql
