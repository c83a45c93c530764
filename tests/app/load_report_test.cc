// What a run logs of its loads.
#include "app/load_report.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tests/support/fake_clock.h"

namespace tidelog::testing {
namespace {

using State = LoadProgress::State;

struct Fixture {
  std::ostringstream out;
  Secrets secrets;
  FakeClock clock;
  Log log = Log::to_stream(out, LogFormat::text, secrets).value();
  LoadReport report{log, clock, "shop"};

  // What a look at these loads, a second after the one before, has logged.
  std::string look(const std::vector<LoadProgress>& loads) {
    clock.advance(std::chrono::seconds(1));
    CHECK(report.is_due());
    out.str({});
    report.report(loads);
    CHECK_FALSE(report.is_due());
    return out.str();
  }
};

LoadProgress load_of(const std::string& table, State state, std::uint64_t rows = 0,
                     const std::string& problem = {}) {
  LoadProgress load;
  load.state = state;
  load.number = 1;
  load.table = table;
  load.rows = rows;
  load.problem = problem;
  return load;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("load report: begin, progress with its rate, and end") {
  Fixture f;
  CHECK(has(f.look({load_of("public.orders", State::loading)}), "table load begins"));
  std::string told;
  for (std::uint64_t second = 1; second <= 5; ++second)
    told = f.look({load_of("public.orders", State::loading, 100 * second)});
  CHECK_MESSAGE(has(told, "rows_per_second=100"), told);
  CHECK(has(f.look({load_of("public.orders", State::ended, 700)}), "table loaded"));
  CHECK(f.look({load_of("public.orders", State::ended, 700)}).empty());
}

TEST_CASE("load report: what a load waits for is told once, when it still waits a second later") {
  Fixture f;
  const LoadProgress waiting = load_of("public.orders", State::waiting, 0, "others to end");
  CHECK_FALSE(has(f.look({waiting}), "waits"));
  CHECK(has(f.look({waiting}), "for=\"others to end\""));
  CHECK(f.look({waiting}).empty());
}

TEST_CASE("load report: many tables begin in one line, and what is gone is new when it comes") {
  Fixture f;
  std::vector<LoadProgress> many;
  for (int i = 0; i < 1000; ++i)
    many.push_back(load_of("public.t" + std::to_string(i), State::waiting));
  const std::string told = f.look(many);
  CHECK(has(told, "table loads begin"));
  CHECK(has(told, "tables=1000"));
  CHECK_FALSE(has(told, "table load begins"));
  CHECK(f.look({}).empty());
  CHECK(has(f.look({many.front()}), "table load begins"));
}

}  // namespace tidelog::testing
