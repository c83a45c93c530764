// Every decoder of core/ over random bytes: whatever they are, it gives a value or an error.
#include <doctest/doctest.h>

#include <random>

#include "core/clock.h"
#include "core/event.h"
#include "core/schema.h"
#include "core/source_position.h"
#include "core/value_codec.h"
#include "core/value_text.h"
#include "tests/core/damage.h"
#include "tests/core/sample_values.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

constexpr int rounds = 20'000;

// Mostly small bytes: they are kinds, counts and lengths.
std::string likely_bytes(std::mt19937_64& random) {
  std::string bytes = random_bytes(random, random() % 64);
  const auto limit = 1U << (random() % 9);
  for (char& c : bytes) c = static_cast<char>(static_cast<std::uint8_t>(c) % limit);
  return bytes;
}

std::string likely_text(std::mt19937_64& random) {
  constexpr std::string_view letters = "0123456789-+:. /PTYMDHSBCtfx\\infity";
  std::string text = random_bytes(random, random() % 40);
  for (char& c : text) c = letters[static_cast<std::uint8_t>(c) % letters.size()];
  return text;
}

// Some of the samples' bytes, a few of them changed.
std::string damaged_row(std::mt19937_64& random) {
  std::string row;
  for (int i = 0; i < 3; ++i) {
    const std::string value = stored(sample_values()[random() % sample_values().size()]);
    if (value.size() < 1000) row += value;
  }
  for (auto n = random() % 4; n > 0 && !row.empty(); --n) {
    row[random() % row.size()] = static_cast<char>(random());
  }
  return row;
}

TEST_CASE("decoders: random bytes give a value that can be stored and printed, or an error") {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < rounds; ++i) {
    CAPTURE(i);
    const std::string bytes = i % 2 == 0 ? likely_bytes(random) : damaged_row(random);
    ByteReader in(bytes);
    while (in.remaining() > 0) {
      const Value value = read_value(in);
      if (in.failed()) break;
      const std::string again = stored(value);
      ByteReader reread(again);
      CHECK(stored(read_value(reread)) == again);
      std::string text;
      print_value(text, value);
    }
  }
}

TEST_CASE("decoders: skip_value and read_value agree on where a value ends") {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < rounds; ++i) {
    CAPTURE(i);
    const std::string bytes = i % 2 == 0 ? likely_bytes(random) : damaged_row(random);
    ByteReader reading(bytes);
    ByteReader skipping(bytes);
    read_value(reading);
    skip_value(skipping);
    if (!reading.failed()) CHECK(skipping.remaining() == reading.remaining());
  }
}

TEST_CASE("decoders: random bytes are no crash for rows, schemas, records and positions") {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < rounds; ++i) {
    CAPTURE(i);
    const std::string bytes = likely_bytes(random);
    if (const auto values = read_row(bytes, random() % 5)) CHECK(values->size() < 5);
    if (const auto split = split_row(bytes, random() % 5)) CHECK(split->size() < 5);
    if (const auto schema = read_schema(bytes)) CHECK(schema->columns.size() <= bytes.size());
    ByteReader block(bytes);
    while (block.remaining() > 0 && !block.failed()) {
      if (const auto record = read_record(block); !record) break;
    }
    find_attribute(bytes, Attribute::truncate_restart);
    CHECK_FALSE(print_source_position(bytes).empty());
  }
}

TEST_CASE("decoders: random text is stored whole or refused") {
  std::mt19937_64 random(test_seed());
  for (int i = 0; i < rounds; ++i) {
    const std::string text = i % 4 == 0 ? random_bytes(random, random() % 40) : likely_text(random);
    CAPTURE(text);
    const auto kind = static_cast<ValueKind>(2 + random() % (value_kind_count - 2));
    std::string out;
    if (put_value_from_text(out, kind, text)) {
      ByteReader in(out);
      CHECK(read_value(in).kind() == kind);
      CHECK(in.remaining() == 0);
    } else {
      CHECK(out.empty());
    }
    if (const auto time = parse_time(text, {0})) CHECK(parse_time(print_time(*time), {0}));
    if (const auto lsn = parse_lsn(text)) CHECK(parse_lsn(print_lsn(*lsn)));
  }
}

}  // namespace
}  // namespace tidelog::testing
