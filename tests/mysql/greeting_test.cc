#include "connectors/mysql/greeting.h"

#include <doctest/doctest.h>

#include "core/bytes.h"
#include "tests/core/damage.h"

namespace tidelog::testing {
namespace {

std::string greeting(std::uint16_t abilities) {
  std::string out("\x4a\0\0\0\x0a", 5);
  out += std::string("8.0.31").append(1, '\0');
  out += std::string(13, 'x');
  put_le(out, abilities);
  return out;
}

TEST_CASE("greeting: whether the server has TLS is told once that much has come") {
  CHECK(mysql::offers_tls(greeting(0xFFFF) + "more") == true);
  CHECK(mysql::offers_tls(greeting(0xF7FF)) == false);
  for_each_prefix(greeting(0xF7FF), [](std::string_view prefix) {
    CHECK(mysql::offers_tls(prefix) == std::nullopt);
  });
  // Of a protocol that the library would take for its own.
  CHECK(mysql::offers_tls(std::string("\x10\0\0\0\x0b", 5) + greeting(0xF7FF).substr(5)) == false);
  // An error in place of a greeting.
  CHECK(mysql::offers_tls(std::string("\x10\0\0\0\xFF\x10\x04", 7)) == true);
}

}  // namespace
}  // namespace tidelog::testing
