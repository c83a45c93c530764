#include "connectors/mysql/packet_stream.h"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

#include "tests/mysql/fake_channel.h"
#include "tests/mysql/wire.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

std::string content_of(std::size_t size, char first) {
  std::string content(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    content[i] = static_cast<char>(first + static_cast<char>(i % 251));
  return content;
}

// The contents of all packets; large ones are read `room` bytes at a time.
std::vector<std::string> packets_of(const std::string& bytes, std::size_t chunk, std::size_t room) {
  FakeChannel channel(bytes, chunk);
  PacketStream stream(channel);
  std::vector<std::string> packets;
  for (int tries = 0; tries < 2; ++tries) {
    const auto packet = stream.next();
    REQUIRE(packet);
    if (!channel.is_empty() || *packet) tries = -1;
    if (!*packet) continue;
    packets.emplace_back((*packet)->is_whole ? (*packet)->content : std::string_view());
    std::string piece(room, '\0');
    while (!(*packet)->is_whole && !stream.is_over()) {
      const auto read = stream.read(piece.data(), room);
      REQUIRE(read);
      packets.back().append(piece, 0, *read);
    }
  }
  CHECK(channel.is_empty());
  return packets;
}

TEST_CASE("packets: what fits the buffer is whole, however it comes") {
  std::vector<std::string> contents;
  std::string bytes;
  std::uint8_t number = 3;
  for (const std::size_t size : {1U, 2U, 0U, 1'000U, 250'000U, 70'000U, 1'048'572U, 5U}) {
    contents.push_back(content_of(size, static_cast<char>(size)));
    put_packet(bytes, contents.back(), number);
  }
  for (const std::size_t chunk : {1'000'000'000U, 100'000U, 7U}) {
    CAPTURE(chunk);
    CHECK(packets_of(bytes, chunk, 1) == contents);
  }
}

TEST_CASE("packets: the parts of a large one have no seams, also when the last part is empty") {
  std::vector<std::string> contents;
  std::string bytes;
  std::uint8_t number = 250;
  for (const std::size_t size : {full_part_bytes + 10, full_part_bytes, std::size_t{2},
                                 2 * full_part_bytes, PacketStream::buffer_bytes, std::size_t{1}}) {
    contents.push_back(content_of(size, 'a'));
    put_packet(bytes, contents.back(), number);
  }
  for (const std::size_t chunk : {1'000'000'000U, 300'000U}) {
    CAPTURE(chunk);
    CHECK(packets_of(bytes, chunk, 1'000'003) == contents);
  }
}

TEST_CASE("packets: a number that does not follow the one before is corrupt") {
  std::string bytes;
  std::uint8_t number = 1;
  put_packet(bytes, "one", number);
  number = 5;
  put_packet(bytes, "two", number);
  FakeChannel channel(bytes, 1'000);
  PacketStream stream(channel);
  CHECK_FALSE(stream.next()->has_value());
  CHECK((*stream.next())->content == "one");
  CHECK(stream.next().error().code == Code::corrupt);
}

TEST_CASE("packets: a lost part of a large one is corrupt") {
  std::string bytes;
  std::uint8_t number = 1;
  put_packet(bytes, content_of(full_part_bytes + 5, 'x'), number);
  bytes[full_part_bytes + 4 + 3] = '\x09';
  FakeChannel channel(bytes, bytes.size());
  PacketStream stream(channel);
  CHECK_FALSE(stream.next()->has_value());
  CHECK_FALSE((*stream.next())->is_whole);
  std::string read(full_part_bytes + 5, '\0');
  std::size_t done = 0;
  Result<std::size_t> more = std::size_t{0};
  for (int i = 0; i < 1'000 && more; ++i) {
    more = stream.read(read.data() + done, read.size() - done);
    if (more) done += *more;
  }
  REQUIRE_FALSE(more);
  CHECK(more.error().code == Code::corrupt);
}

}  // namespace
}  // namespace tidelog::testing
