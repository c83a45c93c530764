// Everything that a running store does, at once, in one process on a real disk: sources and
// applications append, large transactions are staged, readers read and follow, indexes and
// snapshots are made, streams are compacted, a row is erased, backups are made and all is verified.
// Under the thread sanitizer it finds races; in every build, what was acknowledged must be there.
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/application_event.h"
#include "eventstore/backup.h"
#include "eventstore/verify.h"
#include "projections/snapshot_check.h"
#include "projections/state.h"
#include "tests/projections/crash_check.h"
#include "tests/projections/script.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

constexpr int commits_per_writer = 60;
constexpr int application_writers = 4;
constexpr std::int64_t staged_rows = 400;
constexpr int submitted_requests = 200;

const std::string shared_stream = "cart.shared";
const std::string compacted_stream = "log.prices";
const std::string people_stream = "people";

struct Acknowledged {
  std::string stream;
  std::string body;
};

tl::unexpected<Error> wrong(std::string what) { return fail(Code::failed, std::move(what)); }

NewEvent event_of(std::string data, std::string key = {}) {
  NewEvent event;
  event.type = "Happened";
  event.data = std::move(data);
  if (!key.empty()) event.key = std::move(key);
  return event;
}

class Everything {
 public:
  explicit Everything(const std::string& folder)
      : folder_(folder + "/store"), backup_(folder + "/backup") {
    StoreOptions options;
    options.segment_bytes = 32 << 10;
    options.holder = "a test";
    store_ = must(EventStore::open(*disk_, *clock_, folder_, options));
  }

  void run() {
    put_people();
    {
      std::vector<std::jthread> helpers;
      for (const auto work :
           {&Everything::follow, &Everything::read_backwards, &Everything::read_filtered,
            &Everything::make_indexes, &Everything::make_snapshots, &Everything::rewrite,
            &Everything::back_up, &Everything::verify})
        helpers.push_back(start(work));
      {
        std::vector<std::jthread> writers;
        for (int i = 0; i < 2; ++i) writers.push_back(start([this, i] { return commit_rows(i); }));
        for (int i = 0; i < application_writers; ++i)
          writers.push_back(start([this, i] { return append_expecting(i); }));
        writers.push_back(start([this] { return append_keyed(); }));
        writers.push_back(start([this] { return submit_without_waiting(); }));
      }
      written_ = true;
    }
    for (const std::string& problem : problems_) FAIL_CHECK(problem);
  }

  void check() {
    must(back_up_once());
    for (const std::string& folder : {folder_, backup_}) {
      CAPTURE(folder);
      check_events(folder);
      const auto report = must(verify_store(*disk_, folder, [](const VerifyProgress&) {}));
      for (const std::string& damage : report.damage) FAIL_CHECK(damage);
    }
    const auto reader = must(store_->reader());
    const auto lock = must(StateDirectory(*disk_, folder_).lock("a test"));
    const auto checked = must(check_snapshots(*reader, [](const SnapshotCheck&) {}, {}));
    for (const std::string& damage : checked.damage) FAIL_CHECK(damage);
    CHECK(checked.snapshot_count > 0);
    for (const auto& [table, rows] : rows_) {
      const auto another = must(store_->reader());
      const auto fold = must(state_at(*another, table, store_->durable(), nullptr));
      CHECK(fold->row_count() == rows);
      CHECK(fold->contradictions().count == 0);
    }
  }

 private:
  std::jthread start(const std::function<Status()>& work) {
    return std::jthread([this, work] {
      const Status done = work();
      if (done) return;
      const std::lock_guard lock(mutex_);
      problems_.push_back(done.error().what);
    });
  }
  std::jthread start(Status (Everything::*work)()) {
    return start([this, work] { return (this->*work)(); });
  }

  // ---- Writers ----

  void acknowledge(std::uint64_t position, std::string stream, std::string body) {
    const std::lock_guard lock(mutex_);
    const bool is_new =
        acknowledged_.emplace(position, Acknowledged{std::move(stream), std::move(body)}).second;
    if (!is_new) problems_.push_back("a position was given twice");
  }

  Result<AppendOutcome> append(const AppendRequest& request) {
    TRY(const AppendOutcome outcome, store_->append(request));
    if (const auto* appended = std::get_if<AppendedEvents>(&outcome))
      note(request, appended->first.value);
    return outcome;
  }
  void note(const AppendRequest& request, std::uint64_t position) {
    for (const StreamAppend& part : request.streams) {
      for (const NewEvent& event : part.events) acknowledge(position++, part.stream, event.data);
    }
  }

  void put_people() {
    for (int i = 0; i < 40; ++i) {
      const std::string name = i % 4 == 0 ? "ann" : "bob";
      must(append({{{people_stream,
                     ExpectedRevision::any(),
                     {event_of(name + " " + std::to_string(i), name)}}}}));
    }
  }

  // A table of its own. Now and then a transaction is staged, in pieces, while the others go on.
  Status commit_rows(int number) {
    const std::string table = number == 0 ? "shop.public.orders" : "books.public.orders";
    const SourceId source = store_->source(number == 0 ? "shop" : "books");
    std::int64_t next_id = 0;
    for (int commit = 0; commit < commits_per_writer; ++commit) {
      const bool stages = number == 0 && commit % 20 == 10;
      std::vector<Change> changes;
      for (std::int64_t left = stages ? staged_rows : 2; left > 0; --left) {
        changes.push_back(
            added(orders(), {next_id++, Text{std::string(60, 'n')}, Decimal{"1.5"}}).of(table));
      }
      if (next_id > 5) {
        changes.push_back(
            updated(orders(), {next_id % 5, Text{std::to_string(commit)}, Unchanged{}}).of(table));
      }
      const std::string position = std::to_string(commit);
      std::vector<std::string> bodies;
      TRY(const Appended done, stages ? adopt(changes, source, position, bodies)
                                      : commit_batch(changes, source, position, bodies));
      for (std::size_t i = 0; i < bodies.size(); ++i)
        acknowledge(done.first.value + i, table, bodies[i]);
    }
    const std::lock_guard lock(mutex_);
    rows_[table] = static_cast<std::uint64_t>(next_id);
    return {};
  }

  // With the schema event before the first row of a new version.
  Status give(const std::vector<Change>& changes, std::vector<std::string>& bodies,
              const std::function<Status(const EventBody&)>& take) {
    bool announced = false;
    for (const Change& change : changes) {
      EventBody body = body_of(change);
      body.stream = store_->stream(change.stream);
      const auto version = store_->schema(body.stream, change.schema);
      body.schema = version.id;
      if (version.is_new && !announced) {
        announced = true;
        const Change announcement = schema_change(change.schema);
        EventBody schema = body_of(announcement);
        schema.stream = body.stream;
        schema.schema = version.id;
        bodies.emplace_back(*schema.body);
        TRY_DO(take(schema));
      }
      bodies.emplace_back(*body.body);
      TRY_DO(take(body));
    }
    return {};
  }

  Result<Appended> commit_batch(const std::vector<Change>& changes, SourceId source,
                                const std::string& position, std::vector<std::string>& bodies) {
    BatchBuilder batch;
    batch.begin({position, clock_->now(), {}, {}, 0, 0});
    TRY_DO(give(changes, bodies, [&](const EventBody& event) {
      batch.add(event);
      return Status();
    }));
    batch.commit();
    batch.set_source(source, position);
    return store_->append(batch);
  }

  Result<Appended> adopt(const std::vector<Change>& changes, SourceId source,
                         const std::string& position, std::vector<std::string>& bodies) {
    TRY(const auto given_up, store_->stage());
    TRY(const auto staged, store_->stage());
    TRY_DO(staged->begin({position, clock_->now(), {}, {}, 0, 0}));
    TRY_DO(give(changes, bodies, [&](const EventBody& event) { return staged->add(event); }));
    return store_->adopt(*staged, source, position);
  }

  // Each on a stream of its own, and all of them on one.
  Status append_expecting(int number) {
    const std::string own = "cart." + std::to_string(number);
    ExpectedRevision shared = ExpectedRevision::no_stream();
    for (int i = 0; i < commits_per_writer;) {
      const std::string data = std::to_string(number) + "/" + std::to_string(i);
      const ExpectedRevision expected =
          i == 0 ? ExpectedRevision::no_stream()
                 : ExpectedRevision::exactly({static_cast<std::uint64_t>(i) - 1});
      TRY(const AppendOutcome outcome,
          append({{{own, expected, {event_of(data)}}, {shared_stream, shared, {event_of(data)}}}}));
      if (const auto* appended = std::get_if<AppendedEvents>(&outcome)) {
        shared = ExpectedRevision::exactly({appended->next[1].value - 1});
        ++i;
        continue;
      }
      // Somebody else was first.
      const auto& conflict = std::get<AppendConflict>(outcome);
      if (conflict.stream != shared_stream || !conflict.actual) return wrong(print(conflict));
      shared = ExpectedRevision::exactly(*conflict.actual);
    }
    return {};
  }

  Status append_keyed() {
    for (int i = 0; i < commits_per_writer * 3; ++i) {
      const std::string key = "key " + std::to_string(i % 7);
      TRY_DO(append({{{compacted_stream,
                       ExpectedRevision::any(),
                       {event_of(key + " " + std::to_string(i) + std::string(200, '.'), key)}}}}));
    }
    return {};
  }

  Status submit_without_waiting() {
    std::atomic<int> left = submitted_requests;
    for (int i = 0; i < submitted_requests; ++i) {
      const AppendRequest request{
          {{"submitted", ExpectedRevision::any(), {event_of("submitted " + std::to_string(i))}}}};
      store_->submit(request, [this, request, &left](Result<AppendOutcome> outcome) {
        const auto* appended = outcome ? std::get_if<AppendedEvents>(&*outcome) : nullptr;
        if (appended != nullptr) note(request, appended->first.value);
        --left;
        left.notify_one();
      });
    }
    for (int now = left; now != 0; now = left) left.wait(now);
    return {};
  }

  // ---- Readers: at least once, and until all is written ----

  Status until_written(const std::function<Status()>& work) {
    for (bool last = false; !last;) {
      last = written_;
      TRY_DO(work());
    }
    return {};
  }

  // To the end, which moves on; what is removed meanwhile is passed over.
  Status follow() {
    TRY(const auto reader, store_->reader());
    std::map<std::string, std::uint64_t> next;  // revision
    return until_written([&]() -> Status {
      for (;;) {
        TRY(const Event* const event, reader->next());
        if (event == nullptr) return {};
        std::uint64_t& expected = next[std::string(event->stream_name)];
        const bool fits =
            event->revision.value == expected ||
            (event->stream_name == compacted_stream && event->revision.value > expected);
        if (!fits) return wrong("a follower missed an event of " + std::string(event->stream_name));
        expected = event->revision.value + 1;
      }
    });
  }

  Status read_backwards() {
    return until_written([&]() -> Status {
      TRY(const auto reader, store_->reader());
      TRY_DO(reader->seek(store_->durable()));
      std::optional<Position> last;
      for (;;) {
        TRY(const Event* const event, reader->previous());
        if (event == nullptr) return {};
        if (last && event->position >= *last) return wrong("backwards, positions do not fall");
        last = event->position;
      }
    });
  }

  Status read_filtered() {
    return until_written([&]() -> Status {
      TRY(const auto reader, store_->reader());
      EventFilter filter;
      filter.streams = {people_stream};
      filter.keys = {"bob"};
      reader->set_filter(filter);
      int count = 0;
      for (;;) {
        TRY(const Event* const event, reader->next());
        if (event == nullptr) break;
        if (event->key != "bob") return wrong("another key was given");
        ++count;
      }
      if (count != 30) return wrong("bob's events are not all there");
      filter = {};
      filter.streams = {"cart.0"};
      reader->set_filter(filter);
      TRY_DO(reader->seek("cart.0", {0}));
      std::uint64_t next = 0;
      for (;;) {
        TRY(const Event* const event, reader->next());
        if (event == nullptr) return {};
        if (event->revision.value != next++) return wrong("a revision of cart.0 is missing");
      }
    });
  }

  // ---- Maintenance ----

  Status make_indexes() {
    return until_written([&] { return store_->make_indexes(); });
  }
  Status make_snapshots() {
    return until_written([&]() -> Status {
      const Status made = make_simulated_snapshots(*store_);
      return made || made.error().code == Code::conflict ? Status() : made;
    });
  }

  // Whoever rewrites segments does it alone: erasure and compaction, one after the other.
  Status rewrite() {
    TRY_DO(erase_ann());
    RetentionMemory memory;
    SimulatedHistory::Rules rules;
    rules[compacted_stream].compact = true;
    return until_written([&]() -> Status {
      TRY_DO(apply_retention(*store_, retention_of(*store_, rules, {UINT64_MAX}), memory));
      return {};
    });
  }

  // Who makes snapshots may hold their lock: an erasure that was refused is taken up again.
  Status erase_ann() {
    for (;;) {
      const auto erased = erase(*store_, people_stream, {"ann"}, erasure_of(*store_));
      if (erased) return {};
      if (erased.error().code != Code::conflict) return error_of(erased);
    }
  }

  Status back_up_once() {
    TRY_DO(back_up_store(*disk_, *clock_, folder_, backup_, [](const CopyProgress&) {}));
    return {};
  }
  Status back_up() {
    return until_written([&] { return back_up_once(); });
  }

  Status verify() {
    return until_written([&]() -> Status {
      TRY(const VerifyReport report, verify_store(*disk_, folder_, [](const VerifyProgress&) {}));
      return report.damage.empty() ? Status() : wrong(report.damage.front());
    });
  }

  // ---- What must be there ----

  void check_events(const std::string& folder) {
    const auto reader = must(StoreReader::open(*disk_, folder));
    CHECK(reader->durable().value == acknowledged_.size());
    auto expected = acknowledged_.begin();
    std::map<std::string, std::string> newest;
    while (const Event* event = must(reader->next())) {
      for (; expected->first < event->position.value; ++expected)
        REQUIRE(expected->second.stream == compacted_stream);
      REQUIRE(expected != acknowledged_.end());
      REQUIRE(expected->first == event->position.value);
      REQUIRE(expected->second.stream == event->stream_name);
      const bool is_erased = event->type == EventType::erased;
      REQUIRE(is_erased == (expected->second.body.starts_with("ann ")));
      if (!is_erased) REQUIRE(expected->second.body == event->body.value_or(""));
      if (event->stream_name == compacted_stream) newest[std::string(*event->key)] = *event->body;
      ++expected;
    }
    CHECK(expected == acknowledged_.end());
    CHECK(newest.size() == 7);
  }

  const std::string folder_, backup_;
  const std::unique_ptr<Disk> disk_ = real_disk();
  const std::unique_ptr<Clock> clock_ = real_clock();
  std::unique_ptr<EventStore> store_;
  std::atomic<bool> written_ = false;
  std::mutex mutex_;                                    // guards what follows
  std::map<std::uint64_t, Acknowledged> acknowledged_;  // by position
  std::map<std::string, std::uint64_t> rows_;           // by table
  std::vector<std::string> problems_;
};

}  // namespace

TEST_CASE("everything at once: what was acknowledged is there, beside every kind of maintenance" *
          doctest::test_suite("threads")) {
  Everything everything(scratch_folder("everything at once").string());
  everything.run();
  everything.check();
}

}  // namespace tidelog::testing
