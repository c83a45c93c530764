#include "formats/json_lines_target.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/faulty_disk.h"

namespace tidelog {
namespace {

using testing::FaultyDisk;
using testing::Survives;

Event gap(std::uint64_t position) {
  Event event;
  event.type = EventType::gap;
  event.position = {position};
  event.stream_name = "shop.$source";
  event.body = "why";
  return event;
}

}  // namespace

TEST_CASE("jsonl: a committed file survives a loss of power, one line an event") {
  FaultyDisk disk;
  REQUIRE(disk.make_directory("d"));
  auto target = JsonLinesTarget::open(disk, "d/out.jsonl");
  REQUIRE(target);
  REQUIRE((*target)->begin({}));
  REQUIRE((*target)->apply(gap(1), nullptr));
  REQUIRE((*target)->commit({}));
  REQUIRE((*target)->apply(gap(2), nullptr));
  REQUIRE((*target)->commit({}));
  const std::string lines = disk.after_power_loss(Survives::nothing, 0).files().at("d/out.jsonl");
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 2);
  CHECK(lines.starts_with("{\"position\":1,"));
  CHECK(lines.find("\n{\"position\":2,") != std::string::npos);
}

TEST_CASE("jsonl: a file that exists is never overwritten") {
  FaultyDisk disk;
  disk.put_file("d/out.jsonl", "precious");
  const auto target = JsonLinesTarget::open(disk, "d/out.jsonl");
  REQUIRE(!target);
  CHECK(target.error().code == Code::conflict);
  CHECK(disk.files().at("d/out.jsonl") == "precious");
}

TEST_CASE("jsonl: an error of the stream ends the replay") {
  JsonLinesTarget target(
      [](std::string_view) -> Status { return fail(Code::failed, "stdout is closed"); });
  REQUIRE(target.begin({}));
  REQUIRE(target.apply(gap(1), nullptr));
  CHECK(!target.commit({}));
}

}  // namespace tidelog
