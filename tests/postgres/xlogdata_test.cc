#include "connectors/postgres/xlogdata.h"

#include <doctest/doctest.h>

#include <random>

#include "core/bytes.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::postgres;

std::string data_frame(std::string_view payload) {
  std::string out = "w";
  put_be<std::uint64_t>(out, 0x10);
  put_be<std::uint64_t>(out, 0x20);
  put_be<std::int64_t>(out, 1'000);
  return out.append(payload);
}

std::string keepalive_frame(bool reply) {
  std::string out = "k";
  put_be<std::uint64_t>(out, 0x30);
  put_be<std::int64_t>(out, 2'000);
  out.push_back(reply ? '\1' : '\0');
  return out;
}

TEST_CASE("replication frames: a data frame has its place in the log and its payload") {
  const std::string bytes = data_frame("Ixyz");
  const auto frame = read_frame(bytes);
  REQUIRE(frame);
  CHECK(frame->kind == Frame::Kind::data);
  CHECK(frame->start.value == 0x10);
  CHECK(frame->end.value == 0x20);
  CHECK(frame->server_time.value == 946'684'800'001'000);
  CHECK(frame->payload == "Ixyz");
}

TEST_CASE("replication frames: a keepalive says whether an answer is wanted") {
  const auto frame = read_frame(keepalive_frame(true));
  REQUIRE(frame);
  CHECK(frame->kind == Frame::Kind::keepalive);
  CHECK(frame->end.value == 0x30);
  CHECK(frame->reply_wanted);
  CHECK_FALSE(read_frame(keepalive_frame(false))->reply_wanted);
}

TEST_CASE("replication frames: every prefix is corrupt, and so is an empty one") {
  const std::string keepalive = keepalive_frame(false);
  for (std::size_t size = 0; size < keepalive.size(); ++size) {
    CAPTURE(size);
    CHECK(read_frame(std::string_view(keepalive).substr(0, size)).error().code == Code::corrupt);
  }
  const std::string data = data_frame("");
  for (std::size_t size = 1; size <= data.size(); ++size) {
    CAPTURE(size);
    CHECK(read_frame(std::string_view(data).substr(0, size)).error().code == Code::corrupt);
  }
}

TEST_CASE("replication frames: another letter is refused by name") {
  const auto frame = read_frame("zabc");
  REQUIRE_FALSE(frame);
  CHECK(frame.error().code == Code::unsupported);
  CHECK(frame.error().what.find("'z'") != std::string::npos);
}

TEST_CASE("replication frames: no random bytes crash the reader") {
  std::mt19937 random(11);
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    static_cast<void>(read_frame(bytes));
  }
}

TEST_CASE("status update: written, flushed and applied are all what is on disk") {
  std::string out;
  put_status_update(out, Lsn{0x0102'0304'0506'0708}, UnixMicros{946'684'800'000'001});
  const std::string lsn("\1\2\3\4\5\6\7\x08", 8);
  CHECK(out == "r" + lsn + lsn + lsn + std::string("\0\0\0\0\0\0\0\1\0", 9));
}

}  // namespace
}  // namespace tidelog::testing
