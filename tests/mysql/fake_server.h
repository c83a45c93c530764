// FakeServer: what a MySQL server says before anybody is let in, and what it gets to hear. Somebody
// who is not the server can say the same.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/bytes.h"

namespace tidelog::testing {

// One thread, and its own.
class FakeServer {
 public:
  // Of each of so many connections, `answers`: the packet that it sends after each one that it
  // gets. Then it hangs up.
  FakeServer(bool has_tls, std::vector<std::string> answers, int connections = 1)
      : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listening_, name, size) != 0 || ::listen(listening_, 1) != 0 ||
        ::getsockname(listening_, name, &size) != 0)
      throw std::runtime_error("a socket that listens");
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, has_tls, connections, answers = std::move(answers)] {
      for (int i = 0; i < connections; ++i) talk(has_tls, answers);
    });
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;
  ~FakeServer() {
    heard();
    ::close(listening_);
  }

  std::uint16_t port() const { return port_; }
  // All that it was sent, once that is over.
  const std::string& heard() {
    if (thread_.joinable()) thread_.join();
    return heard_;
  }

 private:
  static constexpr int patience_ms = 10'000;

  static bool has_come(int socket) {
    pollfd wanted{socket, POLLIN, 0};
    return ::poll(&wanted, 1, patience_ms) == 1;
  }

  static void send(int socket, std::string_view content, std::uint8_t number) {
    std::string packet;
    put_le(packet, static_cast<std::uint32_t>(content.size()) | std::uint32_t{number} << 24);
    packet += content;
    ::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL);
  }

  // Protocol::HandshakeV10
  static std::string greeting(bool has_tls) {
    std::string out("\x0a");
    out += std::string("8.0.31").append(1, '\0');
    put_le<std::uint32_t>(out, 7);
    out += std::string("abcdefgh").append(1, '\0');
    const std::uint32_t abilities = 0x000A'A201U | (has_tls ? 0x0800U : 0U);
    put_le(out, static_cast<std::uint16_t>(abilities));
    out.push_back('\xFF');
    put_le<std::uint16_t>(out, 2);
    put_le(out, static_cast<std::uint16_t>(abilities >> 16));
    out.push_back('\x15');
    out.append(10, '\0');
    out += std::string("ijklmnopqrst").append(1, '\0');
    return out + std::string("caching_sha2_password").append(1, '\0');
  }

  void talk(bool has_tls, const std::vector<std::string>& answers) {
    if (!has_come(listening_)) return;
    const int socket = ::accept(listening_, nullptr, nullptr);
    send(socket, greeting(has_tls), 0);
    std::uint8_t number = 2;
    for (std::size_t i = 0; has_come(socket); ++i) {
      char bytes[4096];
      const ssize_t size = ::recv(socket, bytes, sizeof bytes, 0);
      if (size <= 0) break;
      heard_.append(bytes, static_cast<std::size_t>(size));
      if (i == answers.size()) break;
      if (!answers[i].empty()) send(socket, answers[i], number);
      number = static_cast<std::uint8_t>(number + 2);
    }
    ::close(socket);
  }

  int listening_;
  std::uint16_t port_ = 0;
  std::string heard_;
  std::jthread thread_;
};

}  // namespace tidelog::testing
