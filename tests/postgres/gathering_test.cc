// How long rows may gather: by how many came, and how fast.
#include "connectors/postgres/gathering.h"

#include <doctest/doctest.h>

namespace tidelog::postgres {
namespace {

using std::chrono::microseconds;

struct Reader {
  Gathering gathering{{microseconds{300}, microseconds{10'000}}};
  Gathering::Time now;
  // The pause after so many frames within so long.
  microseconds after(int frames, microseconds took) {
    now += took;
    return gathering.pause(frames, now);
  }
};

}  // namespace

TEST_CASE(
    "gathering: few rows are not waited for long, a few thousand transactions a second either") {
  Reader reader;
  CHECK(reader.after(3, microseconds{200}) == microseconds{100});
  for (int i = 0; i < 100; ++i) CHECK(reader.after(40, microseconds{2'600}) == microseconds{300});
}

TEST_CASE("gathering: behind a backlog rows gather longer and longer, up to the most") {
  Reader reader;
  microseconds pause{0};
  for (int i = 0; i < 10; ++i) {
    const microseconds next = reader.after(200, microseconds{1'000});
    CHECK(next >= pause);
    pause = next;
  }
  CHECK(pause == microseconds{10'000});
  CHECK(reader.after(40, microseconds{10'000}) == microseconds{300});  // it is worked off
}

}  // namespace tidelog::postgres
