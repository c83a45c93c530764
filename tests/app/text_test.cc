#include <doctest/doctest.h>

#include <array>
#include <string>

#include "app/nearest.h"
#include "app/output.h"
#include "app/pattern.h"
#include "app/progress.h"
#include "app/table.h"
#include "tests/support/fake_clock.h"

namespace tidelog {

TEST_CASE("nearest: distance counts insertions, deletions, replacements and swaps") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("tables", "tables") == 0);
  CHECK(edit_distance("tabels", "tables") == 1);
  CHECK(edit_distance("table", "tables") == 1);
  CHECK(edit_distance("cables", "tables") == 1);
}

TEST_CASE("nearest: a word that is near to none has no nearest") {
  constexpr std::array<std::string_view, 2> known = {"store", "sources"};
  CHECK(nearest("sotre", known) == "store");
  CHECK(nearest("source", known) == "sources");
  CHECK_FALSE(nearest("kitchen", known));
}

TEST_CASE("pattern: * is any text, ? is one character") {
  CHECK(matches("shop.public.*", "shop.public.orders"));
  CHECK(matches("*.orders", "shop.public.orders"));
  CHECK(matches("shop.*.or?ers", "shop.public.orders"));
  CHECK(matches("*", ""));
  CHECK_FALSE(matches("shop", "shop.public.orders"));
  CHECK_FALSE(matches("shop.?", "shop."));
  CHECK_FALSE(matches("", "a"));
}

TEST_CASE("pattern: many stars end in bounded time") {
  CHECK_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}

TEST_CASE("table: columns are as wide as their widest cell, numbers end together") {
  Table table({{"name"}, {"count", Align::right}});
  table.add({"é", "1"});
  table.add({"orders", "1,000"});
  CHECK(table.take(false) == "name    count\né           1\norders  1,000\n");
}

TEST_CASE("table: later rows keep the columns and have no second title") {
  Table table({{"a"}, {"b"}});
  table.add({"wide cell", "1"});
  CHECK(table.take(false) == "a          b\nwide cell  1\n");
  table.add({"x", "2"});
  CHECK(table.take(false) == "x          2\n");
}

TEST_CASE("table: control characters of data never reach the terminal") {
  CHECK(one_line("a\x1b[31mb\nc\x7f", 80) == "a\\x1b[31mb\\nc\\x7f");
  CHECK(one_line("abcdef", 3) == "abc…");
}

TEST_CASE("table: numbers and sizes are readable") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1'234'567) == "1,234,567");
  CHECK(print_bytes(1023) == "1023 B");
  CHECK(print_bytes(1536) == "1.5 KiB");
}

TEST_CASE("progress: elsewhere than on a terminal only the last line is printed") {
  testing::FakeClock clock;
  Output out(nullptr, "test", Output::For::answers);
  Progress progress(out, clock, false, "events", 1000);
  clock.advance(std::chrono::seconds(2));
  REQUIRE(progress.at(500));
  CHECK(out.text().empty());
  REQUIRE(progress.finish("verified", 1000));
  CHECK(out.text() == "verified 1,000 events in 2.0 s (500 events/s)\n");
}

TEST_CASE("progress: on a terminal it tells rate, share and the time left") {
  testing::FakeClock clock;
  Output out(nullptr, "test", Output::For::answers);
  Progress progress(out, clock, true, "events", 1000);
  clock.advance(std::chrono::seconds(2));
  REQUIRE(progress.at(500));
  CHECK(out.text() == "\r\x1b[K500 events, 250 events/s, 50%, 2.0 s left");
}

}  // namespace tidelog
