// Why a connection could not be made: what libpq or the server said, what it means for us, and the
// way out. Pure functions. Used by connection.cc.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog::postgres {

// What a server or libpq said while connecting with verbose errors. libpq may have tried several
// times, with TLS and without, or at several addresses: of several states that one counts which
// says most, and what may be over with another try comes first.
struct ConnectFailure {
  std::string sqlstate;  // empty: not an answer of the server
  std::string text;      // without the state
};
ConnectFailure read_connect_failure(std::string_view verbose);

// Code::misconfigured: another try will not help.
struct Refusal {
  Code code = Code::unavailable;
  std::string way_out;  // empty: the text says it all
};
Refusal refusal_of(const ConnectFailure& failure);

}  // namespace tidelog::postgres
