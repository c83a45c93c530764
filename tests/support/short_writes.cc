// Loaded into a program before its C library (LD_PRELOAD): every SHORT_WRITES-th pwrite of more
// than one byte writes only a part, as the kernel may. At the program's end their number goes into
// the file SHORT_WRITES_FILE.
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <string_view>

namespace {

std::atomic<std::uint64_t> calls = 0;
std::atomic<std::uint64_t> short_calls = 0;

std::uint64_t interval() {
  static const std::uint64_t every = [] {
    std::uint64_t number = 1;
    if (const char* text = std::getenv("SHORT_WRITES"))
      std::from_chars(text, text + std::string_view(text).size(), number);
    return number;
  }();
  return every;
}

ssize_t write_part(int file, const void* bytes, std::size_t count, off_t offset) {
  const std::uint64_t call = ++calls;
  if (count > 1 && call % interval() == 0) {
    ++short_calls;
    count = 1 + call * 7919 % (count - 1);
  }
  return ::syscall(SYS_pwrite64, file, bytes, count, offset);
}

struct Report {
  ~Report() {
    if (const char* path = std::getenv("SHORT_WRITES_FILE"))
      std::ofstream(path) << short_calls << "\n";
  }
} report;

}  // namespace

extern "C" ssize_t pwrite(int file, const void* bytes, std::size_t count, off_t offset) {
  return write_part(file, bytes, count, offset);
}
extern "C" ssize_t pwrite64(int file, const void* bytes, std::size_t count, off64_t offset) {
  return write_part(file, bytes, count, offset);
}
