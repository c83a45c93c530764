#include "core/invariant.h"

#include <cstdio>
#include <cstdlib>

namespace tidelog {

void invariant_broken(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "tidelog: a bug: %s (%s) does not hold at %s:%d\n", why, condition, file,
               line);
  std::abort();
}

}  // namespace tidelog
