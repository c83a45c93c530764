// Where a MySQL or MariaDB server is, as a URL of the configuration:
// mysql://user:password@host:port?ssl-mode=VERIFY_IDENTITY&ssl-ca=FILE
#pragma once

#include <string_view>

#include "connectors/mysql/connection_options.h"
#include "core/result.h"

namespace tidelog::mysql {

// User and password as in every URL: %40 is an @. Parameters, by the names of the servers' own
// clients: ssl-mode, ssl-ca, ssl-cert, ssl-key, socket (a Unix socket, in place of the host).
// Misconfigured: it is none; the message has nothing of the password.
Result<ConnectionOptions> parse_connection_url(std::string_view url);

}  // namespace tidelog::mysql
