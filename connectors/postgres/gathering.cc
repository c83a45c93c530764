#include "connectors/postgres/gathering.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

namespace tidelog::postgres {
namespace {

using std::chrono::microseconds;

constexpr microseconds shortly{100};
// A Unix socket holds some 280 rows.
constexpr Gathering::Limits unix_socket{microseconds{250}, microseconds{250}};
// Each row that is read at once is a packet; those that wait become large ones.
constexpr Gathering::Limits loopback{microseconds{300}, microseconds{10'000}};
constexpr Gathering::Limits network{microseconds{1'000}, microseconds{1'000}};
constexpr int many_frames = 32;
// More than a server with a few thousand transactions a second sends.
constexpr int backlog_frames_a_millisecond = 50;

bool is_loopback(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& address = reinterpret_cast<const sockaddr_in&>(peer);
    return (ntohl(address.sin_addr.s_addr) >> 24) == 127;
  }
  const auto& address = reinterpret_cast<const sockaddr_in6&>(peer);
  return peer.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
}

}  // namespace

Gathering::Limits Gathering::limits_of(int socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return network;
  if (peer.ss_family == AF_UNIX) return unix_socket;
  return is_loopback(peer) ? loopback : network;
}

bool Gathering::is_many(int frames) { return frames >= many_frames; }

microseconds Gathering::pause(int frames, Time now) {
  const auto took = std::chrono::duration_cast<microseconds>(now - last_);
  last_ = now;
  if (!is_many(frames)) {
    next_ = limits_.usual;
    return shortly;
  }
  const bool is_backlog = frames * 1'000LL >= backlog_frames_a_millisecond * took.count();
  next_ = is_backlog ? std::min(2 * next_, limits_.most) : limits_.usual;
  return next_;
}

}  // namespace tidelog::postgres
