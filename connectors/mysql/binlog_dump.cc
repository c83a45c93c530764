#include "connectors/mysql/binlog_dump.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

// In this order: each needs the types of the one before. Debian's library has TLS.
// clang-format off
#define HAVE_TLS 1
#include <mysql.h>
using uchar = unsigned char;
#include <ma_pvio.h>
// clang-format on

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

#include "connectors/mysql/packet_stream.h"
#include "connectors/mysql/server_error.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

constexpr std::chrono::milliseconds answer_limit{60'000};
constexpr std::size_t name_bytes_max = 60;  // HOSTNAME_LENGTH of older servers

Error lost(std::string_view why) {
  return {Code::unavailable, fmt::format("the connection was lost: {}", why)};
}

Error closed() { return {Code::unavailable, "the server closed the connection"}; }

Error last_error(MYSQL* connection) {
  return error_of({mysql_errno(connection), mysql_error(connection)});
}

// The inside that we use is that of one minor version's headers.
Status check_library() {
  const unsigned long loaded = mysql_get_client_version();  // 30320 for 3.3.20
  if (loaded / 100 == MARIADB_PACKAGE_VERSION_ID / 100) return {};
  return fail(
      Code::misconfigured,
      fmt::format("the client library libmariadb is another one ({}) than tidelog was built "
                  "with ({}): build tidelog again",
                  loaded, MARIADB_PACKAGE_VERSION_ID));
}

void put_short(std::string& out, std::string_view text) {
  out.push_back(static_cast<char>(text.size()));
  out += text;
}

// u8 0 | … ; an error: u8 0xFF | …
Status read_answer(std::string_view packet) {
  if (packet.starts_with('\0')) return {};
  if (packet.starts_with('\xFF')) return tl::unexpected<Error>(read_error_packet(packet.substr(1)));
  return fail(Code::corrupt, "the server's answer to COM_REGISTER_SLAVE is none");
}

}  // namespace

// u32 server id | u8 size, host | u8 size, user | u8 size, password | u16 port | u32 rank | u32 0
Status BinlogDump::register_as_replica(std::uint32_t server_id, std::string_view name,
                                       const StopSignal& stop) {
  std::string argument;
  put_le(argument, server_id);
  put_short(argument, name.substr(0, name_bytes_max));
  put_short(argument, {});
  put_short(argument, {});
  put_le<std::uint16_t>(argument, 0);
  put_le<std::uint32_t>(argument, 0);
  put_le<std::uint32_t>(argument, 0);
  TRY_DO(send(COM_REGISTER_SLAVE, argument));
  PacketStream answers(*this);
  for (;;) {
    TRY(const std::optional<PacketStream::Packet> answer, answers.next());
    if (answer) return read_answer(answer->content);
    const Wake wake = wait_for_socket(socket_, Direction::read, answer_limit, stop);
    if (wake == Wake::stopped) return fail(Code::cancelled, "asked to stop");
    if (wake == Wake::timed_out)
      return tl::unexpected<Error>(lost("no answer to what a replica says of itself"));
  }
}

Status BinlogDump::begin(DumpCommand command, std::string_view argument) {
  return send(static_cast<unsigned>(command), argument);
}

Result<BinlogDump> BinlogDump::open(Connection connection) {
  TRY_DO(check_library());
  const MARIADB_PVIO* const wire = connection.raw()->net.pvio;
  // The server says nothing that it was not asked, and the answers so far were read whole.
  if (wire->cache != nullptr && wire->cache_pos < wire->cache + wire->cache_size)
    return fail(Code::corrupt, "the server sent more than the answers to what it was asked");
  const int socket = static_cast<int>(mysql_get_socket(connection.raw()));
  void* const tls = wire->ctls == nullptr ? nullptr : wire->ctls->ssl;
  return BinlogDump(std::move(connection), tls, socket);
}

// The library lets the socket block for its own calls; the commands are shorter than what a socket
// takes at once.
Status BinlogDump::send(unsigned command, std::string_view argument) {
  MYSQL* const raw = connection_.raw();
  constexpr my_bool skip_answer = 1;
  if (raw->methods->db_command(raw, static_cast<enum_server_command>(command), argument.data(),
                               argument.size(), skip_answer, nullptr) != 0)
    return tl::unexpected<Error>(last_error(raw));
  const int flags = ::fcntl(socket_, F_GETFL);
  if (flags < 0 || ::fcntl(socket_, F_SETFL, flags | O_NONBLOCK) < 0)
    return fail(Code::failed, fmt::format("fcntl: {}", std::generic_category().message(errno)));
  return {};
}

BinlogDump::BinlogDump(Connection connection, void* tls, int socket)
    : connection_(std::move(connection)), tls_(tls), socket_(socket) {}

Result<std::size_t> BinlogDump::receive(char* to, std::size_t room) {
  return tls_ == nullptr ? receive_plain(to, room) : receive_encrypted(to, room);
}

Result<std::size_t> BinlogDump::receive_plain(char* to, std::size_t room) const {
  for (;;) {
    const ssize_t received = ::recv(socket_, to, room, MSG_DONTWAIT);
    if (received > 0) return static_cast<std::size_t>(received);
    if (received == 0) return tl::unexpected<Error>(closed());
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
    if (errno != EINTR) return tl::unexpected<Error>(lost(std::generic_category().message(errno)));
  }
}

// A record of TLS has 16 KB at most. Reads until nothing is left of what has come, so that the
// socket tells of all that is not read.
Result<std::size_t> BinlogDump::receive_encrypted(char* to, std::size_t room) {
  auto* const session = static_cast<SSL*>(tls_);
  std::size_t received = 0;
  while (received < room) {
    ERR_clear_error();
    std::size_t more = 0;
    if (SSL_read_ex(session, to + received, room - received, &more) == 1) {
      received += more;
      continue;
    }
    const int error = SSL_get_error(session, 0);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE || received > 0) break;
    if (error == SSL_ERROR_ZERO_RETURN) return tl::unexpected<Error>(closed());
    if (error == SSL_ERROR_SYSCALL) return tl::unexpected<Error>(lost("in the midst of TLS"));
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    return tl::unexpected<Error>(lost(text.data()));
  }
  return received;
}

}  // namespace tidelog::mysql
