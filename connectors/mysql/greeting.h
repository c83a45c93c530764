// The first packet of a connection, in which the server says what it is able to do (MySQL
// client/server protocol, "Protocol::HandshakeV10"). The client library goes on without TLS when a
// server, or somebody in between, has it not; who requires TLS looks here before it does.
#pragma once

#include <optional>
#include <string_view>

namespace tidelog::mysql {

// Of what has come so far. Nothing: more must come, to tell. Of an error, and of a greeting that is
// too old for the library: true, since it finds its own words for that and sends nothing.
std::optional<bool> offers_tls(std::string_view bytes);

}  // namespace tidelog::mysql
