// What libFuzzer calls: the one target that is linked with it.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const auto& target : tidelog::fuzz::targets()) target.run(input);
  return 0;
}
