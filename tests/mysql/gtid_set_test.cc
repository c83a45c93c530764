#include "connectors/mysql/gtid_set.h"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "tests/core/damage.h"
#include "tests/support/seed.h"

namespace tidelog::testing {
namespace {

using namespace tidelog::mysql;

constexpr std::string_view uuid_a = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
constexpr std::string_view uuid_b = "fe595f8a-ea09-11f1-a450-02fc00000001";

std::string in_a(std::string_view numbers) {
  return std::string(uuid_a) + ":" + std::string(numbers);
}

GtidSet set_of(std::string_view text) {
  Result<GtidSet> set = GtidSet::parse(text);
  REQUIRE(set);
  return *std::move(set);
}

Gtid gtid_in(std::string_view text) {
  const GtidSet set = set_of(text);
  const auto& [source, intervals] = *set.sources().begin();
  return {source, intervals.at(0).first};
}

TEST_CASE("gtid sets: the server's text is read, however it is written, and printed in one way") {
  CHECK(set_of("").print().empty());
  CHECK(set_of(" \n").is_empty());
  CHECK(set_of(in_a("1-5:7")).print() == in_a("1-5:7"));
  CHECK(set_of(in_a("7:1-3:4:5-6")).print() == in_a("1-7"));
  CHECK(
      set_of("3E11FA47-71CA-11E1-9E33-C80AA9429562:1 , " + std::string(uuid_b) + ":1-2").print() ==
      in_a("1") + "," + std::string(uuid_b) + ":1-2");
  CHECK(set_of(in_a("1-2:Tag_1:1:other:5-6:7")).print() == in_a("1-2:other:5-7:tag_1:1"));
  CHECK(set_of(in_a("1") + ",\n" + in_a("tag:3")).print() == in_a("1:tag:3"));
  CHECK(print_gtid(gtid_in(in_a("9"))) == in_a("9"));
  CHECK(print_gtid(gtid_in(in_a("tag:9"))) == in_a("tag:9"));
}

TEST_CASE("gtid sets: what is none is refused") {
  for (const std::string& text :
       {std::string(uuid_a), in_a(""), in_a("0"), in_a("5-3"), in_a("x"), in_a("1-"), in_a("1:tag"),
        in_a("1tag:1"), in_a("1::2"), in_a("9223372036854775807"), std::string("3e11fa47:1"),
        in_a("1 2"), in_a("t-g:1"), in_a(std::string(33, 'a') + ":1")}) {
    CAPTURE(text);
    const auto set = GtidSet::parse(text);
    REQUIRE_FALSE(set);
    CHECK(set.error().code == Code::misconfigured);
  }
}

TEST_CASE("gtid sets: contains and subset know tags, holes and servers apart") {
  const GtidSet set = set_of(in_a("1-5:8:tag:1-2"));
  CHECK(set.contains(gtid_in(in_a("5"))));
  CHECK_FALSE(set.contains(gtid_in(in_a("6"))));
  CHECK_FALSE(set.contains(gtid_in(in_a("tag:5"))));
  CHECK_FALSE(set.contains(gtid_in(std::string(uuid_b) + ":1")));
  CHECK(set_of("").is_subset_of(set));
  CHECK(set_of(in_a("2-4:8")).is_subset_of(set));
  CHECK_FALSE(set_of(in_a("5-6")).is_subset_of(set));
  CHECK_FALSE(set_of(in_a("tag:3")).is_subset_of(set));
  CHECK_FALSE(set.is_subset_of(set_of(in_a("1-8"))));
}

TEST_CASE("gtid sets: adding numbers in any order is the set of them") {
  std::mt19937_64 random(test_seed(20'261'127));
  for (int round = 0; round < 200; ++round) {
    GtidSet set;
    std::set<std::uint64_t> model;
    const Gtid base = gtid_in(in_a("1"));
    for (int n = 0; n < 60; ++n) {
      const std::uint64_t first = 1 + random() % 80;
      const std::uint64_t last = first + random() % 4;
      set.add(base.source, {first, last});
      for (std::uint64_t i = first; i <= last; ++i) model.insert(i);
      const auto& intervals = set.sources().begin()->second;
      for (std::size_t i = 1; i < intervals.size(); ++i)
        CHECK(intervals[i].first > intervals[i - 1].last + 1);
    }
    for (std::uint64_t i = 1; i < 90; ++i)
      CHECK(set.contains({base.source, i}) == model.contains(i));
    CHECK(set_of(set.print()) == set);
    GtidSet both = set_of(in_a("200"));
    both.add(set);
    CHECK(set.is_subset_of(both));
    CHECK_FALSE(both.is_subset_of(set));
  }
}

TEST_CASE("gtid sets: their bytes are read as they were written, and damage is seen") {
  for (const std::string& text :
       {std::string(), in_a("1-5:7"), in_a("1-2:tag_1:3:x:1-9223372036854775806"),
        in_a("1") + "," + std::string(uuid_b) + ":1-1000:5000"}) {
    CAPTURE(text);
    const GtidSet set = set_of(text);
    std::string bytes;
    put_gtid_set(bytes, set);
    const auto read = read_gtid_set(bytes);
    REQUIRE(read);
    CHECK(*read == set);
    for_each_prefix(bytes, [](std::string_view prefix) { CHECK_FALSE(read_gtid_set(prefix)); });
    for_each_flipped_bit(bytes, [](std::string_view damaged) {
      if (const auto other = read_gtid_set(damaged); other) CHECK(set_of(other->print()) == *other);
    });
  }
}

TEST_CASE("gtid tags: what a server would not call a transaction is none") {
  std::string tag;
  CHECK(read_gtid_tag("Ab_9", tag));
  CHECK(tag == "ab_9");
  for (const std::string& text :
       {std::string(), std::string("9a"), std::string("a-b"), std::string(33, 'a')}) {
    CAPTURE(text);
    CHECK_FALSE(read_gtid_tag(text, tag));
  }
}

TEST_CASE("gtid sets: a form that is not known is refused as such") {
  CHECK(read_gtid_set(std::string("\0\0\0\0\0\0\0\2", 8)).error().code == Code::unsupported);
}

}  // namespace
}  // namespace tidelog::testing
