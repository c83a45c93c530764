// Appends of applications: what is expected, what is repeated, what conflicts.
#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <random>

#include "tests/eventstore/application_fixture.h"

namespace tidelog::testing {
namespace {

using Expect = ExpectedRevision;

struct Fixture {
  FaultyDisk disk;
  FakeClock clock;
  StoreOptions options = small_store();
  std::unique_ptr<EventStore> store;

  explicit Fixture(std::uint64_t segment_bytes = 8192) : options(small_store(segment_bytes)) {
    store = must(EventStore::open(disk, clock, "store", options));
  }
  void reopen(FaultyDisk left) {
    store.reset();
    disk = std::move(left);
    store = must(EventStore::open(disk, clock, "store", options));
  }
  void restart() { reopen(disk.after_power_loss(Survives::nothing, 0)); }
  // The segment of all that was appended is sealed, and so is the one after it.
  void roll_twice() {
    const std::string large(60'000, 'x');
    for (int i = 0; i < 3; ++i) {
      NewEvent event = event_of("filler", large);
      event.id.clear();
      for (char& c : event.data) c = static_cast<char>(random_());  // does not compress
      must(store->append({{{"filler", Expect::any(), {event}}}}));
    }
  }
  std::string append(AppendRequest request) {
    return text_of(must(store->append(std::move(request))));
  }
  std::string append(const std::string& stream, Expect expected,
                     const std::vector<std::string>& names) {
    return append(request_of(stream, expected, names));
  }
  std::string append_data(const std::string& stream, Expect expected, const std::string& name,
                          const std::string& data) {
    return append({{{stream, expected, {event_of(name, data)}}}});
  }
  std::size_t events_of(const std::string& stream) {
    std::size_t count = 0;
    for (const std::string& line : application_events(*store))
      count += line.starts_with(stream + "/") ? 1 : 0;
    return count;
  }

 private:
  std::mt19937 random_{7};
};

}  // namespace

TEST_CASE("append: an application's event is read back as it was given") {
  Fixture f;
  NewEvent event = event_of("a", R"({"amount": 7})");
  event.key = "order-7";
  event.metadata = R"({"user":"ann"})";
  event.correlation_id = "c-1";
  event.causation_id = "c-0";
  CHECK(f.append({{{"orders", Expect::no_stream(), {event}}}}) == "appended at 0, next 1");
  const auto reader = must(f.store->reader());
  const Event* stored = must(reader->next());
  REQUIRE(stored != nullptr);
  CHECK(stored->type == EventType::application);
  CHECK(stored->stream_name == "orders");
  CHECK(stored->source_name.empty());
  CHECK(stored->transaction.event_count == 1);
  CHECK(stored->key == "order-7");
  CHECK(stored->body == event.data);
  const auto attributes = read_application_attributes(stored->attributes);
  CHECK(attributes.type == "Happened");
  CHECK(attributes.id == event.id);
  CHECK(attributes.content_type == "application/json");
  CHECK(attributes.metadata == event.metadata);
  CHECK(attributes.correlation_id == "c-1");
  CHECK(attributes.causation_id == "c-0");
}

TEST_CASE("append: each expectation holds for exactly the streams that it names") {
  struct Row {
    Expect expected;
    const char* on_none;   // the stream has no events
    const char* on_three;  // it has three
  };
  const Row rows[] = {
      {Expect::any(), "appended at 0, next 1", "appended at 3, next 4"},
      {Expect::no_stream(), "appended at 0, next 1",
       "stream s is at revision 2, expected no-stream"},
      {Expect::exists(), "stream s has no events, expected exists", "appended at 3, next 4"},
      {Expect::exactly({0}), "stream s has no events, expected 0",
       "stream s is at revision 2, expected 0"},
      {Expect::exactly({2}), "stream s has no events, expected 2", "appended at 3, next 4"},
      {Expect::exactly({3}), "stream s has no events, expected 3",
       "stream s is at revision 2, expected 3"},
      {Expect::exactly({UINT64_MAX}), "stream s has no events, expected 18446744073709551615",
       "stream s is at revision 2, expected 18446744073709551615"},
  };
  for (const Row& row : rows) {
    CAPTURE(print(row.expected));
    Fixture none;
    CHECK(none.append("s", row.expected, {"new"}) == row.on_none);
    Fixture three;
    three.append("s", Expect::any(), {"a", "b", "c"});
    CHECK(three.append("s", row.expected, {"new"}) == row.on_three);
    // The same conditions on a stream that is only read.
    Fixture read;
    const std::string condition_on_none =
        read.append({{part_of("s", row.expected, {}), part_of("other", Expect::any(), {"new"})}});
    CHECK((condition_on_none == "appended at 0, next 1") ==
          (std::string(row.on_none) == "appended at 0, next 1"));
    read.append("s", Expect::any(), {"a", "b", "c"});
    const std::string condition =
        read.append({{part_of("s", row.expected, {}), part_of("other", Expect::any(), {"next"})}});
    CHECK(condition.starts_with("appended") == std::string(row.on_three).starts_with("appended"));
  }
}

TEST_CASE("append: a repeated append gets its first answer and adds nothing") {
  struct Row {
    const char* what;
    Expect expected;
    std::vector<std::string> names;
    std::string answer;
  };
  const Row rows[] = {
      {"no stream", Expect::no_stream(), {"a", "b"}, "at 0, next 2"},
      {"exactly", Expect::exactly({1}), {"c", "d"}, "at 2, next 4"},
      {"any", Expect::any(), {"e"}, "at 4, next 5"},
      {"exists", Expect::exists(), {"f", "g"}, "at 5, next 7"},
  };
  Fixture f(64 * 1024);
  for (const Row& row : rows)
    REQUIRE(f.append("s", row.expected, row.names) == "appended " + row.answer);
  const auto repeat_all = [&](const std::string& when) {
    CAPTURE(when);
    const Position before = f.store->durable();
    for (const Row& row : rows) {
      CAPTURE(row.what);
      CHECK(f.append("s", row.expected, row.names) == "repeated " + row.answer);
    }
    CHECK(f.store->durable() == before);
  };
  repeat_all("at once");
  f.restart();
  repeat_all("after a power loss");
  f.roll_twice();
  repeat_all("when its segment is sealed");
  f.restart();
  repeat_all("when its segment is sealed, after a restart");
  CHECK(f.events_of("s") == 7);
}

TEST_CASE("append: the same id with another type, key or data is a conflict that names its place") {
  Fixture f;
  f.append_data("s", Expect::any(), "x", "0");
  f.append_data("s", Expect::any(), "a", "1");
  const std::string conflict = "stream s has an event " + print_event_id(id_of("a")) +
                               " with another type, key or data, at position 1";
  for (int restarts = 0; restarts < 2; ++restarts) {
    CHECK(f.append_data("s", Expect::any(), "a", "2") == conflict);
    CHECK(f.append_data("s", Expect::exists(), "a", "2") == conflict);
    CHECK(f.append_data("s", Expect::exactly({0}), "a", "2") == conflict);
    NewEvent other_type = event_of("a", "1");
    other_type.type = "Undone";
    CHECK(f.append({{{"s", Expect::any(), {other_type}}}}) == conflict);
    NewEvent with_key = event_of("a", "1");
    with_key.key = "";
    CHECK(f.append({{{"s", Expect::any(), {with_key}}}}) == conflict);
    NewEvent other_trace = event_of("a", "1");
    other_trace.metadata = "{}";
    other_trace.correlation_id = "again";
    CHECK(f.append({{{"s", Expect::any(), {other_trace}}}}) == "repeated at 1, next 2");
    f.restart();
  }
}

TEST_CASE("append: an append that repeats another in part is a conflict") {
  Fixture f;
  f.append("s", Expect::any(), {"a", "b"});
  const auto partly = [](const std::string& name, int position) {
    return fmt::format(
        "stream s has event {} at position {} already, but not all events of this append, or not "
        "in this order: it is no repetition of an earlier one",
        print_event_id(id_of(name)), position);
  };
  CHECK(f.append("s", Expect::any(), {"b", "c"}) == partly("b", 1));
  CHECK(f.append("s", Expect::any(), {"c", "a"}) == partly("a", 0));
  CHECK(f.append("s", Expect::any(), {"b", "a"}) == partly("b", 1));
  CHECK(f.append("s", Expect::any(), {"a", "b", "c"}) == partly("a", 0));
  CHECK(f.append("s", Expect::no_stream(), {"a", "b", "c"}) ==
        "stream s is at revision 1, expected no-stream");
  CHECK(f.append("s", Expect::no_stream(), {"b", "a"}) ==
        "stream s is at revision 1, expected no-stream");
  // A part of it from its begin on stands where it was expected.
  CHECK(f.append("s", Expect::no_stream(), {"a"}) == "repeated at 0, next 1");
  CHECK(f.append("s", Expect::any(), {"b"}) == "repeated at 1, next 2");
  CHECK(f.events_of("s") == 2);
}

TEST_CASE("append: an id in another stream is no repetition") {
  Fixture f;
  CHECK(f.append("s", Expect::any(), {"a"}) == "appended at 0, next 1");
  CHECK(f.append("t", Expect::any(), {"a"}) == "appended at 1, next 1");
  CHECK(f.append({{part_of("u", Expect::any(), {"a"}), part_of("v", Expect::any(), {"a"})}}) ==
        "appended at 2, next 1, next 1");
  CHECK(f.append("t", Expect::no_stream(), {"a"}) == "repeated at 1, next 1");
}

TEST_CASE("append: over several streams all or nothing is appended, as one transaction") {
  Fixture f;
  f.append("read", Expect::any(), {"r"});
  const AppendRequest transfer{{part_of("from", Expect::no_stream(), {"a", "b"}),
                                part_of("read", Expect::exactly({0}), {}),
                                part_of("to", Expect::any(), {"c"})}};
  CHECK(f.append(transfer) == "appended at 1, next 2, next 1");
  {
    const auto reader = must(f.store->reader());
    must(reader->seek({1}));
    for (std::uint64_t i = 0; i < 3; ++i) {
      const Event* event = must(reader->next());
      REQUIRE(event != nullptr);
      CHECK(event->transaction.event_index == i);
      CHECK(event->transaction.event_count == 3);
    }
  }
  // The condition does not hold any more, but the append was done when it did.
  f.append("read", Expect::any(), {"s"});
  CHECK(f.append(transfer) == "repeated at 1, next 2, next 1");
  CHECK(f.append(
            {{part_of("from", Expect::exactly({1}), {"d"}),
              part_of("read", Expect::exactly({0}), {}), part_of("to", Expect::any(), {"e"})}}) ==
        "stream read is at revision 1, expected 0");
  CHECK(f.append({{part_of("from", Expect::exactly({1}), {"d"}),
                   part_of("to", Expect::exactly({4}), {"e"})}}) ==
        "stream to is at revision 0, expected 4");
  // One stream has its events, the other has not: not what was appended before.
  CHECK(f.append({{part_of("to", Expect::any(), {"c"}), part_of("from", Expect::any(), {"z"})}})
            .find("already, but not all events") != std::string::npos);
  CHECK(f.events_of("from") == 2);
  CHECK(f.events_of("to") == 1);
}

TEST_CASE("append: what no store can take is refused by name, and nothing is appended") {
  Fixture f;
  const auto refusal = [&](AppendRequest request) {
    const auto appended = f.store->append(std::move(request));
    REQUIRE(!appended);
    CHECK(appended.error().code == Code::misconfigured);
    return appended.error().what;
  };
  CHECK(refusal({}) == "an append without events");
  CHECK(refusal(request_of("", Expect::any(), {"a"})) == "an append names no stream");
  CHECK(refusal(request_of("shop.$source", Expect::any(), {"a"})) ==
        "the stream name shop.$source is reserved, as every name with a $ in it");
  CHECK(refusal(request_of("s", Expect::any(), {"a", "a"})).find("is given twice") !=
        std::string::npos);
  CHECK(refusal({{part_of("s", Expect::any(), {"a"}), part_of("s", Expect::any(), {"b"})}}) ==
        "stream s is given twice in one append");
  AppendRequest untyped = request_of("s", Expect::any(), {"a"});
  untyped.streams[0].events[0].type.clear();
  CHECK(refusal(untyped).find("has no type") != std::string::npos);
  AppendRequest short_id = request_of("s", Expect::any(), {"a"});
  short_id.streams[0].events[0].id = "short";
  CHECK(refusal(short_id).find("a UUID has 16") != std::string::npos);

  Writer writer(*f.store);
  writer.begin(10);
  writer.row(1, "a row");
  must(writer.commit());
  CHECK(refusal(request_of("shop.public.orders", Expect::any(), {"a"})).find("rows of a table") !=
        std::string::npos);
  CHECK(f.store->durable() == Position{2});
}

TEST_CASE("append: large requests and small ones share the log, in order") {
  Fixture f(64 * 1024);
  std::vector<std::string> expected;
  std::uint64_t revision = 0;
  for (int i = 0; i < 40; ++i) {
    StreamAppend part{"s", i == 0 ? Expect::no_stream() : Expect::exactly({revision - 1}), {}};
    const std::size_t events = i % 5 == 3 ? 300 : 1;
    for (std::size_t e = 0; e < events; ++e) {
      NewEvent event = event_of("x", fmt::format("{}-{}", i, e));
      event.id = new_event_id();
      part.events.push_back(event);
      expected.push_back(event.data);
    }
    revision += events;
    CHECK(f.append({{part}}) ==
          fmt::format("appended at {}, next {}", revision - events, revision));
  }
  f.restart();
  const auto reader = must(f.store->reader());
  for (const std::string& data : expected) {
    const Event* event = must(reader->next());
    REQUIRE(event != nullptr);
    CHECK(event->body == data);
  }
}

TEST_CASE("append: submitted appends are decided in their order and answered once each") {
  Fixture f(64 * 1024);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> answers;
  constexpr std::size_t count = 200;
  for (std::size_t i = 0; i < count; ++i) {
    const Expect expected = i == 0 ? Expect::no_stream() : Expect::exactly({i - 1});
    AppendRequest request = request_of("s", expected, {"x"});
    request.streams[0].events[0].id = new_event_id();
    f.store->submit(std::move(request), [&](const Result<AppendOutcome>& outcome) {
      const std::lock_guard lock(mutex);
      answers.push_back(outcome ? text_of(*outcome) : outcome.error().what);
      changed.notify_all();
    });
  }
  std::unique_lock lock(mutex);
  REQUIRE(
      changed.wait_for(lock, std::chrono::seconds(60), [&] { return answers.size() == count; }));
  for (std::size_t i = 0; i < count; ++i)
    CHECK(answers[i] == fmt::format("appended at {}, next {}", i, i + 1));
}

}  // namespace tidelog::testing
