#include "connectors/postgres/socket_copy.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/bytes.h"

namespace tidelog::postgres {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t usual_bytes = 256 << 10;
constexpr std::size_t header_bytes = 5;  // u8 type | u32 length, which counts itself
constexpr std::size_t length_bytes = 4;
constexpr std::size_t message_bytes_max = std::size_t{1} << 31;
constexpr milliseconds look_again{1'000};

Error lost(std::string_view what) {
  return {Code::unavailable, fmt::format("{}: {}", what, std::generic_category().message(errno))};
}

// (u8 field | cstr)* | 0
Error read_error(std::string_view content) {
  ServerError error;
  ByteReader in(content);
  for (char field = in.be<char>(); field != '\0'; field = in.be<char>()) {
    const std::string_view text = in.cstr();
    if (field == 'C') error.sqlstate = text;
    if (field == 'M') error.primary = text;
    if (field == 'D') error.detail = text;
    if (field == 'H') error.hint = text;
    if (field == 'W') error.context = text;
  }
  return error_of(error);
}

// Notices, changed settings and notifications may come at any time.
bool is_aside(char type) { return type == 'N' || type == 'S' || type == 'A'; }

}  // namespace

SocketCopy::SocketCopy(int socket) : socket_(socket) { take_buffer(usual_bytes); }

Status SocketCopy::wait_for_begin(const StopSignal& stop) {
  for (;;) {
    TRY(const std::optional<Message> message, next_message());
    if (!message) {
      if (wait_for_socket(socket_, Direction::read, look_again, stop) == Wake::stopped)
        return fail(Code::cancelled, "asked to stop");
      continue;
    }
    if (message->type == 'W') return {};
    if (message->type == 'E') {
      return tl::unexpected<Error>(read_error(message->content));
    }
    if (!is_aside(message->type)) {
      return fail(Code::corrupt, fmt::format("the server answered with a message of type '{}' "
                                             "instead of a copy",
                                             message->type));
    }
  }
}

// -- in --

Result<std::optional<std::string_view>> SocketCopy::next() {
  for (;;) {
    TRY(const std::optional<Message> message, next_message());
    if (!message) return std::optional<std::string_view>();
    if (message->type == 'd') return std::optional(message->content);
    if (message->type == 'E') return tl::unexpected<Error>(read_error(message->content));
    if (!is_aside(message->type)) return fail(Code::unavailable, "the server ended the stream");
  }
}

Result<std::optional<SocketCopy::Message>> SocketCopy::next_message() {
  for (;;) {
    TRY(const std::size_t bytes, next_message_bytes());
    if (bytes != 0 && bytes <= end_ - begin_) {
      const std::string_view whole(buffer_.get() + begin_, bytes);
      begin_ += bytes;
      return std::optional(Message{whole.front(), whole.substr(header_bytes)});
    }
    make_room(std::max(bytes, header_bytes));
    TRY(const bool received, receive());
    if (!received) return std::optional<Message>();
  }
}

// 0: its length is not here yet.
Result<std::size_t> SocketCopy::next_message_bytes() const {
  if (end_ - begin_ < header_bytes) return std::size_t{0};
  ByteReader in({buffer_.get() + begin_ + 1, length_bytes});
  const std::size_t bytes = std::size_t{in.be<std::uint32_t>()} + 1;
  if (bytes < header_bytes || bytes > message_bytes_max)
    return fail(Code::corrupt, fmt::format("the server sent a message of {} bytes", bytes));
  return bytes;
}

// For the rest of a message, of which what is here moves to the front.
void SocketCopy::make_room(std::size_t message_bytes) {
  const std::size_t wanted = std::max(message_bytes, usual_bytes);
  if (wanted > capacity_ || (wanted < capacity_ && end_ - begin_ <= wanted)) {
    take_buffer(wanted);
  } else if (begin_ != 0) {
    std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer_.get());
    end_ -= std::exchange(begin_, 0);
  }
}

void SocketCopy::take_buffer(std::size_t bytes) {
  auto buffer = std::make_unique_for_overwrite<char[]>(bytes);
  std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer.get());
  buffer_ = std::move(buffer);
  capacity_ = bytes;
  end_ -= std::exchange(begin_, 0);
}

// False: nothing is there.
Result<bool> SocketCopy::receive() {
  for (;;) {
    const ssize_t n = ::recv(socket_, buffer_.get() + end_, capacity_ - end_, MSG_DONTWAIT);
    if (n > 0) {
      end_ += static_cast<std::size_t>(n);
      return true;
    }
    if (n == 0) return fail(Code::unavailable, "the server closed the connection");
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return tl::unexpected<Error>(lost("the connection was lost"));
  }
}

// -- out --

Result<CopyBoth::Sent> SocketCopy::send(std::string_view frame) { return send_message('d', frame); }

Status SocketCopy::send_end() {
  TRY_DO(send_message('c', {}));
  return {};
}

Result<CopyBoth::Sent> SocketCopy::send_message(char type, std::string_view content) {
  const std::scoped_lock lock(mutex_);
  TRY(const Sent earlier, send_pending());
  if (earlier == Sent::none) return earlier;
  pending_ = type;
  put_be(pending_, static_cast<std::uint32_t>(content.size() + length_bytes));
  pending_ += content;
  const std::size_t whole = pending_.size();
  TRY(const Sent sent, send_pending());
  if (sent == Sent::all || pending_.size() < whole) return Sent::all;  // the rest follows
  pending_.clear();
  return Sent::none;
}

Result<CopyBoth::Sent> SocketCopy::send_pending() {
  while (!pending_.empty()) {
    const ssize_t n =
        ::send(socket_, pending_.data(), pending_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      pending_.erase(0, static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return Sent::none;
    } else if (errno != EINTR) {
      return tl::unexpected<Error>(lost("the connection was lost"));
    }
  }
  return Sent::all;
}

CopyBoth::Goodbye SocketCopy::take_goodbye() {
  for (;;) {
    const auto message = next_message();
    if (!message || (*message && (*message)->type == 'Z')) return Goodbye::done;
    if (!*message) return Goodbye::awaited;
  }
}

}  // namespace tidelog::postgres
