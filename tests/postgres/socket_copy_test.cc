#include "connectors/postgres/socket_copy.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "core/bytes.h"
#include "tests/support/child_process.h"

namespace tidelog::postgres {
namespace {

// A copy, and the server's end of its socket.
struct Pair {
  static std::array<int, 2> connected() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    return ends;
  }
  ~Pair() {
    close_server();
    ::close(ends[0]);
  }
  void close_server() {
    if (ends[1] >= 0) ::close(ends[1]);
    ends[1] = -1;
  }
  void say(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(ends[1], bytes.data(), bytes.size(), MSG_NOSIGNAL);
      REQUIRE(n > 0);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  std::string heard() const {
    std::string bytes(1 << 16, '\0');
    const ssize_t n = ::recv(ends[1], bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return bytes;
  }
  std::array<int, 2> ends = connected();
  SocketCopy copy{ends[0]};
};

std::string message(char type, std::string_view content) {
  std::string out(1, type);
  put_be(out, static_cast<std::uint32_t>(content.size() + 4));
  return out.append(content);
}

std::string error_message(std::string_view sqlstate, std::string_view text) {
  std::string content = "SERROR";
  content += '\0';
  content.append("C").append(sqlstate) += '\0';
  content.append("M").append(text) += '\0';
  content += '\0';
  return message('E', content);
}

std::string next_of(SocketCopy& copy) {
  const auto frame = copy.next();
  REQUIRE_MESSAGE(frame, frame.error().what);
  return *frame ? std::string(**frame) : "(nothing)";
}

}  // namespace

TEST_CASE("socket copy: frames come out as they were sent, however they were cut") {
  const std::string sent = message('d', "one") + message('N', "notice") + message('d', "") +
                           message('S', "setting") + message('d', std::string(1000, 'x'));
  for (std::size_t step = 1; step < sent.size(); step += step < 30 ? 1 : 97) {
    Pair pair;
    std::vector<std::string> frames;
    for (std::size_t at = 0; at < sent.size(); at += step) {
      pair.say(std::string_view(sent).substr(at, step));
      for (std::string frame; (frame = next_of(pair.copy)) != "(nothing)";) frames.push_back(frame);
    }
    CHECK(frames == std::vector<std::string>{"one", "", std::string(1000, 'x')});
  }
}

TEST_CASE("socket copy: frames larger than its buffer, between small ones") {
  Pair pair;
  const auto frame_of = [](std::size_t size) {
    std::string frame(size, 'a');
    for (std::size_t i = 0; i < size; i += 100) frame[i] = static_cast<char>('a' + i % 26);
    return frame;
  };
  const std::vector<std::size_t> sizes = {10,        1 << 20, 3, (256 << 10) - 5,
                                          256 << 10, 2 << 20, 1, 1};
  std::jthread server([&] {
    for (const std::size_t size : sizes) pair.say(message('d', frame_of(size)));
  });
  for (const std::size_t size : sizes) {
    std::string frame;
    REQUIRE(testing::eventually(testing::Duration(10'000),
                                [&] { return (frame = next_of(pair.copy)) != "(nothing)"; }));
    CHECK(frame == frame_of(size));
  }
}

TEST_CASE(
    "socket copy: the server's error has its code, its end is an end, and no length is trusted") {
  {
    Pair pair;
    pair.say(message('d', "one") + error_message("55006", "the slot is active"));
    CHECK(next_of(pair.copy) == "one");
    const auto ended = pair.copy.next();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == code_of_sqlstate("55006"));
    CHECK(ended.error().what == "the slot is active");
  }
  for (const char type : {'c', 'C', 'Z'}) {
    Pair pair;
    pair.say(message(type, ""));
    CHECK(pair.copy.next().error().code == Code::unavailable);
  }
  Pair cut;
  cut.say("d\0\0");
  cut.close_server();
  CHECK(cut.copy.next().error().code == Code::unavailable);
  for (const std::string_view length :
       {std::string_view("\0\0\0\3", 4), std::string_view("\xFF\xFF\xFF\xFF")}) {
    Pair pair;
    pair.say("d" + std::string(length));
    CHECK(pair.copy.next().error().code == Code::corrupt);
  }
}

TEST_CASE(
    "socket copy: it begins with the server's word for it, or ends with the server's reason") {
  const StopSignal never{std::stop_token{}};
  {
    Pair pair;
    pair.say(message('N', "notice") + message('W', std::string(3, '\0')) + message('d', "first"));
    CHECK(pair.copy.wait_for_begin(never));
    CHECK(next_of(pair.copy) == "first");
  }
  {
    Pair pair;
    pair.say(error_message("42704", "there is no such slot"));
    CHECK(pair.copy.wait_for_begin(never).error().what == "there is no such slot");
  }
  Pair pair;
  std::stop_source stop;
  stop.request_stop();
  CHECK(pair.copy.wait_for_begin(StopSignal(stop.get_token())).error().code == Code::cancelled);
}

TEST_CASE("socket copy: what is sent arrives whole, and a full socket takes nothing") {
  Pair pair;
  CHECK(*pair.copy.send("hello") == CopyBoth::Sent::all);
  CHECK(pair.heard() == message('d', "hello"));
  std::size_t sent = 0;
  while (*pair.copy.send("hello") == CopyBoth::Sent::all) ++sent;
  std::string heard;
  for (std::string more; !(more = pair.heard()).empty();) heard += more;
  while (*pair.copy.send("more") != CopyBoth::Sent::all) continue;
  for (std::string more; !(more = pair.heard()).empty();) heard += more;
  std::string expected;
  for (std::size_t i = 0; i < sent; ++i) expected += message('d', "hello");
  CHECK(heard == expected + message('d', "more"));

  CHECK(pair.copy.send_end());
  CHECK(pair.heard() == message('c', ""));
  CHECK(pair.copy.take_goodbye() == CopyBoth::Goodbye::awaited);
  pair.say(message('d', "late") + message('c', "") + message('C', "COPY") + message('Z', "I"));
  CHECK(pair.copy.take_goodbye() == CopyBoth::Goodbye::done);
}

}  // namespace tidelog::postgres
