// INVARIANT: a condition that only a bug in tidelog can break. It is on in release and aborts. It
// never depends on bytes from disk or network: those give Code::corrupt.
#pragma once

namespace tidelog {

[[noreturn]] void invariant_broken(const char* condition, const char* why, const char* file,
                                   int line);

}  // namespace tidelog

#define INVARIANT(condition, why)                                       \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::tidelog::invariant_broken(#condition, why, __FILE__, __LINE__); \
  } while (false)
