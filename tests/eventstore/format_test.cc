// FORMAT.md against the code: its worked example, its sizes.
#include "eventstore/format.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "eventstore/block.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/support/paths.h"

namespace tidelog::testing {
namespace {

std::string page() {
  std::ifstream file(source_folder() / "eventstore/FORMAT.md");
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The bytes of "    offset  hex hex hex …" lines in section 11.
std::string worked_example() {
  const std::string text = page();
  std::istringstream lines(text.substr(text.find("## 11. A worked example")));
  std::string bytes;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("    0") || line.size() < 12 || line.substr(8, 2) != "  ") continue;
    const std::string hex = line.substr(10);
    for (std::size_t i = 0; i + 1 < hex.size() && digit(hex[i]) >= 0; i += 3) {
      bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
    }
  }
  return bytes;
}

std::string hex_lines(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % 16 == 0) out += fmt::format("{}    {:04x} ", i == 0 ? "" : "\n", i);
    out += fmt::format(" {:02x}", static_cast<std::uint8_t>(bytes[i]));
  }
  return out;
}

// What the page says it is: the first batch of a new store, one transaction of one row.
std::string first_batch() {
  FaultyDisk disk;
  FakeClock clock({1'764'000'000'000'000});
  const auto store = must(EventStore::open(disk, clock, "store", small_store()));
  Writer writer(*store);
  writer.begin(0x16B3748, 1'763'999'999'000'000);
  writer.row(7, "hi");
  must(writer.commit());
  const auto file = must(disk.open_read("store/segments/00000001-0.log"));
  std::string bytes;
  must(file->read(0, 8192, bytes));
  bytes = bytes.substr(must(format::read_head_lengths(bytes)).total_bytes);
  return bytes.substr(0, must(format::read_batch_header(bytes)).total_bytes());
}

}  // namespace

TEST_CASE("format: the worked example of FORMAT.md is what a store writes") {
  const std::string written = first_batch();
  INFO("this build writes:\n" << hex_lines(written));
  CHECK(hex_lines(worked_example()) == hex_lines(written));
}

TEST_CASE("format: the worked example of FORMAT.md decodes to what it says") {
  const std::string bytes = worked_example();
  const auto header = must(format::read_batch_header(bytes));
  CHECK(header.file_id == 1);
  CHECK(header.sequence == 0);
  CHECK(header.event_count == 2);
  CHECK(header.chain == 0);
  CHECK(header.append_time.value == 1'764'000'000'000'000);
  CHECK(header.total_bytes() == bytes.size());
  const std::string_view rest = std::string_view(bytes).substr(format::batch_fixed_bytes);
  const auto extension =
      must(format::read_batch_extension(header, rest.substr(0, header.extension_bytes)));
  REQUIRE(extension.runs.size() == 1);
  CHECK(extension.runs[0].count == 2);
  REQUIRE(extension.streams.size() == 1);
  CHECK(extension.streams[0].name == "shop.public.orders");
  CHECK(extension.sources[0].name == "shop");
  REQUIRE(extension.blocks.size() == 1);

  std::string buffer;
  const auto raw = must(open_block(extension.blocks[0],
                                   rest.substr(header.extension_bytes, header.body_bytes), buffer));
  ByteReader in(raw);
  const auto transaction = must(read_record(in));
  REQUIRE(transaction.is_transaction);
  CHECK(transaction.transaction.event_count == 2);
  CHECK(transaction.transaction.id == "23803720");
  CHECK(must(read_record(in)).event.type == EventType::schema);
  const auto row = must(read_record(in));
  CHECK(row.event.type == EventType::insert);
  CHECK(row.relative_revision == 1);
  const auto values = must(read_row(*row.event.body, 2));
  CHECK(std::get<std::int64_t>(values[0].variant()) == 7);
  CHECK(std::get<Text>(values[1].variant()).text == "hi");
  CHECK(in.remaining() == 0);
}

TEST_CASE("format: every prefix of the worked example is refused") {
  const std::string bytes = worked_example();
  for (std::size_t size = 0; size < format::batch_fixed_bytes; ++size) {
    CAPTURE(size);
    CHECK(!format::read_batch_header(std::string_view(bytes).substr(0, size)));
  }
  const auto header = must(format::read_batch_header(bytes));
  for (std::size_t size = 0; size < header.extension_bytes; ++size) {
    CAPTURE(size);
    CHECK(!format::read_batch_extension(
        header, std::string_view(bytes).substr(format::batch_fixed_bytes, size)));
  }
}

TEST_CASE(
    "format: manifest, superblock and segment head refuse every prefix and every flipped bit") {
  format::Manifest manifest{std::string(16, 'u'), {{1, 0, {}}, {2, 0, {77}}}};
  format::SegmentHead head;
  head.segment_id = 3;
  head.streams.push_back({{1}, "shop.public.orders", {5}});
  head.sources.push_back({{1}, "shop", "position", {9}, {10}});
  const std::string encoded_manifest = format::encode(manifest);
  const std::string superblock = format::encode(format::Superblock{1, 2, {3}, 4, 5});
  const std::string encoded_head = format::encode(head);
  const auto body_bytes = must(format::read_head_lengths(encoded_head)).body_bytes;
  const std::size_t covered = format::head_fixed_bytes + body_bytes;
  const auto reads_head = [](std::string_view bytes) {
    return bytes.size() >= format::head_fixed_bytes &&
           format::read_segment_head(bytes.substr(0, format::head_fixed_bytes),
                                     bytes.substr(format::head_fixed_bytes))
               .has_value();
  };
  CHECK(must(format::read_manifest(encoded_manifest)) == manifest);
  CHECK(must(format::read_superblock(superblock)).durable_batches == 2);
  CHECK(reads_head(encoded_head));

  for (std::size_t size = 0; size < encoded_manifest.size(); ++size) {
    CHECK(!format::read_manifest(std::string_view(encoded_manifest).substr(0, size)));
  }
  for (std::size_t size = 0; size < superblock.size(); ++size) {
    CHECK(!format::read_superblock(std::string_view(superblock).substr(0, size)));
  }
  for (std::size_t size = 0; size < covered; ++size) {
    CHECK(!reads_head(std::string_view(encoded_head).substr(0, size)));
  }
  const auto flipped = [](std::string bytes, std::size_t bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    return bytes;
  };
  for (std::size_t bit = 0; bit < encoded_manifest.size() * 8; ++bit) {
    CHECK(!format::read_manifest(flipped(encoded_manifest, bit)));
  }
  for (std::size_t bit = 0; bit < superblock.size() * 8; ++bit) {
    CHECK(!format::read_superblock(flipped(superblock, bit)));
  }
  for (std::size_t bit = 0; bit < covered * 8; ++bit)
    CHECK(!reads_head(flipped(encoded_head, bit)));
}

}  // namespace tidelog::testing
