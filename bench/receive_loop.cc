// The bare receive loop that bench/postgres_bench.py measures tidelog beside: it reads what a
// publication sends, counts rows and commits, and does nothing else. Like the peers it starts,
// reads up to a position, and ends. libpq makes the connection; from START_REPLICATION on the
// socket is read in large blocks, without libpq.
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"

namespace tidelog {
namespace {

struct Options {
  std::string connection;
  std::string slot;
  std::string publication;
  std::uint64_t end = 0;   // stops at the first commit or keepalive at or behind it
  int pause_us = 0;        // when nothing is there, before it waits for more
  int wanted_bytes = 0;    // SO_RCVLOWAT; 0: as it is
  int receive_buffer = 0;  // SO_RCVBUF; 0: as it is
  std::size_t read_bytes = 1 << 18;
};

template <class T>
T number(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::uint64_t read_lsn(const std::string& text) {
  const std::size_t slash = text.find('/');
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::from_chars(text.data(), text.data() + slash, high, 16);
  std::from_chars(text.data() + slash + 1, text.data() + text.size(), low, 16);
  return high << 32 | low;
}

class Loop {
 public:
  explicit Loop(Options options) : options_(std::move(options)) {}

  Status run() {
    TRY_DO(start());
    buffer_.resize(options_.read_bytes);
    while (!done_) {
      TRY_DO(receive());
      TRY_DO(take_messages());
    }
    fmt::print("{} rows, {} commits, {} reads, {} waits\n", rows_, commits_, reads_, waits_);
    return {};
  }

  ~Loop() { PQfinish(connection_); }

 private:
  Status failure() const { return fail(Code::failed, PQerrorMessage(connection_)); }

  Status start() {
    connection_ = PQconnectdb((options_.connection + " replication=database").c_str());
    if (PQstatus(connection_) != CONNECTION_OK) return failure();
    const std::string command = fmt::format(
        "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '1', publication_names '{}')",
        options_.slot, options_.publication);
    if (PQsendQuery(connection_, command.c_str()) == 0) return failure();
    while (PQflush(connection_) > 0) continue;
    socket_ = PQsocket(connection_);
    TRY_DO(set(SO_RCVLOWAT, options_.wanted_bytes));
    return set(SO_RCVBUF, options_.receive_buffer);
  }

  Status set(int option, int value) const {
    if (value == 0 || ::setsockopt(socket_, SOL_SOCKET, option, &value, sizeof value) == 0)
      return {};
    return fail(Code::failed, "setsockopt");
  }

  // The bytes behind the last whole message are at the buffer's begin.
  Status receive() {
    if (used_ == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    for (bool has_paused = options_.pause_us == 0;;) {
      ++reads_;
      const ssize_t n =
          ::recv(socket_, buffer_.data() + used_, buffer_.size() - used_, MSG_DONTWAIT);
      if (n > 0) {
        used_ += static_cast<std::size_t>(n);
        return {};
      }
      if (n == 0) return fail(Code::unavailable, "the server closed the connection");
      if (!has_paused) {
        const timespec pause{0, options_.pause_us * 1000L};
        ::ppoll(nullptr, 0, &pause, nullptr);
        has_paused = true;
        continue;
      }
      ++waits_;
      pollfd polled{socket_, POLLIN, 0};
      // With a low-water mark the tail would never wake us.
      ::poll(&polled, 1, options_.wanted_bytes == 0 ? 1000 : 5);
    }
  }

  // u8 type | u32 length of the rest, itself included
  Status take_messages() {
    std::string_view left(buffer_.data(), used_);
    while (left.size() >= 5 && !done_) {
      ByteReader in(left);
      const char type = in.be<char>();
      const std::size_t length = in.be<std::uint32_t>() + 1ULL;
      if (left.size() < length) break;
      TRY_DO(take(type, left.substr(5, length - 5)));
      left.remove_prefix(length);
    }
    used_ = left.size();
    std::copy(left.begin(), left.end(), buffer_.begin());
    return {};
  }

  Status take(char type, std::string_view message) {
    if (type == 'E') return fail(Code::failed, std::string(message));
    if (type != 'd') return {};
    ByteReader in(message);
    if (in.be<char>() == 'w') return take_data(message.substr(25));
    const auto sent = in.be<std::uint64_t>();
    in.be<std::uint64_t>();
    done_ = sent >= options_.end;
    return in.be<std::uint8_t>() != 0 ? answer() : Status();
  }

  Status take_data(std::string_view change) {
    if (change[0] == 'I' || change[0] == 'U' || change[0] == 'D') ++rows_;
    if (change[0] != 'C') return {};
    ++commits_;
    ByteReader in(change.substr(10));
    done_ = in.be<std::uint64_t>() >= options_.end;
    return {};
  }

  Status answer() const {
    std::string status = "d";
    put_be(status, std::uint32_t{38});
    status += 'r';
    status.append(33, '\0');
    if (::send(socket_, status.data(), status.size(), MSG_NOSIGNAL) > 0) return {};
    return fail(Code::unavailable, "send");
  }

  Options options_;
  PGconn* connection_ = nullptr;
  int socket_ = -1;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t commits_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t waits_ = 0;
  bool done_ = false;
};

std::optional<Options> read_options(const std::vector<std::string>& arguments) {
  if (arguments.size() < 4) return std::nullopt;
  Options options{arguments[0], arguments[1], arguments[2], read_lsn(arguments[3])};
  for (std::size_t i = 4; i + 1 < arguments.size(); i += 2) {
    const std::string& value = arguments[i + 1];
    if (arguments[i] == "--pause-us") options.pause_us = number<int>(value);
    if (arguments[i] == "--wanted-bytes") options.wanted_bytes = number<int>(value);
    if (arguments[i] == "--receive-buffer") options.receive_buffer = number<int>(value);
    if (arguments[i] == "--read-bytes") options.read_bytes = number<std::size_t>(value);
  }
  return options;
}

int main_of(const std::vector<std::string>& arguments) {
  const auto options = read_options(arguments);
  if (!options) {
    fmt::print(stderr,
               "receive_loop CONNECTION SLOT PUBLICATION END-LSN [--pause-us N] [--wanted-bytes N] "
               "[--receive-buffer N] [--read-bytes N]\n");
    return 2;
  }
  const Status done = Loop(*options).run();
  if (done) return 0;
  fmt::print(stderr, "receive_loop: {}\n", done.error().what);
  return 1;
}

}  // namespace
}  // namespace tidelog

int main(int argc, char** argv) {
  return tidelog::main_of(std::vector<std::string>(argv + 1, argv + argc));
}
