#include "connectors/postgres/protection.h"

#include <doctest/doctest.h>

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;
using Cipher = Protection::Cipher;
using Severity = Finding::Severity;
using Verified = Protection::Verified;
using Way = Protection::Way;

Protection protection(Way way, Cipher cipher, Verified verified) {
  return {way, cipher, verified, "TLSv1.3", "prefer", "db.example.com"};
}

TEST_CASE("protection: only a network needs it, and there an unverified server is a warning") {
  for (const Way way : {Way::socket, Way::this_machine, Way::network}) {
    for (const Cipher cipher : {Cipher::none, Cipher::gss, Cipher::tls}) {
      for (const Verified verified :
           {Verified::nothing, Verified::password, Verified::certificate, Verified::host_name}) {
        const Finding found = judge(protection(way, cipher, verified), "host=h", true);
        const bool is_safe = way != Way::network || cipher == Cipher::gss ||
                             (cipher == Cipher::tls && verified != Verified::nothing);
        CHECK(found.severity == (is_safe ? Severity::fine : Severity::warning));
        CHECK(found.mend.empty() == is_safe);
      }
    }
  }
}

TEST_CASE("protection: the mend is written as the connection is") {
  const Protection open = protection(Way::network, Cipher::none, Verified::nothing);
  const auto mend = [&](std::string_view connection, bool server_has_tls) {
    return judge(open, connection, server_has_tls).mend;
  };
  CHECK(mend("host=h", true).starts_with("add sslmode=verify-full sslrootcert=FILE to the"));
  CHECK(mend("postgresql://h/d", true)
            .starts_with("add ?sslmode=verify-full&sslrootcert=FILE to the"));
  CHECK(mend("postgres://h/d?user=u", true)
            .starts_with("add &sslmode=verify-full&sslrootcert=FILE to the"));
  CHECK(mend("host=h", false)
            .find("ALTER SYSTEM SET ssl = 'on'; SELECT pg_reload_conf(); then "
                  "add sslmode=verify-full") != std::string::npos);
  CHECK(judge(open, "host=h", true).what ==
        "the connection to db.example.com is not encrypted (sslmode=prefer): whoever is between "
        "can read and change what is captured");
}

}  // namespace
}  // namespace tidelog::testing
