// Appends of applications beside each other and beside failures: groups whose sync fails, full
// disks, many writers at one stream, large transactions on their way.
#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

#include "tests/eventstore/application_fixture.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

using Expect = ExpectedRevision;

// A disk that lets a test hold the syncs of files whose path has a word in it.
class HoldingDisk final : public Disk {
 public:
  explicit HoldingDisk(Disk& disk) : disk_(disk) {}

  void hold(std::string word) {
    const std::lock_guard lock(mutex_);
    word_ = std::move(word);
  }
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(30), [this] { return held_ > 0; }));
  }
  void release() {
    const std::lock_guard lock(mutex_);
    word_.clear();
    changed_.notify_all();
  }

  Result<std::unique_ptr<File>> open_read(const std::string& path) override {
    return disk_.open_read(path);
  }
  Result<std::unique_ptr<File>> open_write(const std::string& path) override {
    return wrap(path, disk_.open_write(path));
  }
  Result<std::unique_ptr<File>> create(const std::string& path) override {
    return wrap(path, disk_.create(path));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Status make_directory(const std::string& path) override { return disk_.make_directory(path); }
  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return disk_.list(path);
  }
  Result<bool> exists(const std::string& path) override { return disk_.exists(path); }
  Result<FileIdentity> identity(const std::string& path) override { return disk_.identity(path); }
  Result<std::uint64_t> free_bytes(const std::string& path) override {
    return disk_.free_bytes(path);
  }
  Result<std::unique_ptr<SharedPage>> map_page(const std::string& path, bool writable) override {
    return disk_.map_page(path, writable);
  }
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path,
                                         const std::string& holder) override {
    return disk_.lock(path, holder);
  }

 private:
  class HeldFile final : public File {
   public:
    HeldFile(HoldingDisk& disk, std::string path, std::unique_ptr<File> file)
        : disk_(disk), path_(std::move(path)), file_(std::move(file)) {}
    Status read(std::uint64_t offset, std::size_t bytes, std::string& out) const override {
      return file_->read(offset, bytes, out);
    }
    Status write(std::uint64_t offset, std::string_view bytes) override {
      return file_->write(offset, bytes);
    }
    Status sync() override {
      disk_.pass(path_);
      return file_->sync();
    }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Status truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }

   private:
    HoldingDisk& disk_;
    const std::string path_;
    std::unique_ptr<File> file_;
  };

  Result<std::unique_ptr<File>> wrap(const std::string& path, Result<std::unique_ptr<File>> file) {
    if (!file) return file;
    return std::unique_ptr<File>(std::make_unique<HeldFile>(*this, path, *std::move(file)));
  }
  void pass(const std::string& path) {
    std::unique_lock lock(mutex_);
    const auto is_held = [&] { return !word_.empty() && path.find(word_) != std::string::npos; };
    if (!is_held()) return;
    ++held_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !is_held(); });
    --held_;
  }

  Disk& disk_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string word_;
  int held_ = 0;
};

// The answers of submitted appends, in the order in which they came.
class Answers {
 public:
  EventStore::AppendDone add() {
    return [this](const Result<AppendOutcome>& outcome) {
      const std::lock_guard lock(mutex_);
      texts_.push_back(outcome ? text_of(*outcome) : outcome.error().what);
      arrived_.notify_all();
    };
  }
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    REQUIRE(
        arrived_.wait_for(lock, std::chrono::seconds(30), [&] { return texts_.size() >= count; }));
    return texts_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::string> texts_;
};

struct Fixture {
  FaultyDisk faulty;
  HoldingDisk disk{faulty};
  FakeClock clock;
  StoreOptions options = small_store(64 * 1024);
  std::unique_ptr<EventStore> store;

  Fixture() { open(); }
  ~Fixture() { disk.release(); }
  void open() { store = must(EventStore::open(disk, clock, "store", options)); }
  std::string append(const std::string& stream, Expect expected,
                     const std::vector<std::string>& names) {
    return text_of(must(store->append(request_of(stream, expected, names))));
  }
};

}  // namespace

TEST_CASE("group: what was decided beside a batch whose sync fails is answered with that failure") {
  for (const bool fails : {false, true}) {
    CAPTURE(fails);
    Fixture f;
    f.disk.hold(".log");
    Answers answers;
    f.store->submit(request_of("first", Expect::any(), {"x"}), answers.add());
    f.disk.wait_until_held();
    // The next group: an append, and what only looks at it.
    f.store->submit(request_of("s", Expect::no_stream(), {"a"}), answers.add());
    f.store->submit(request_of("s", Expect::no_stream(), {"b"}), answers.add());
    f.store->submit({{part_of("s", Expect::no_stream(), {}), part_of("t", Expect::any(), {"c"})}},
                    answers.add());
    // The held sync, then the group's write, then its sync.
    if (fails) f.faulty.fail_at(f.faulty.call_count() + 2, FaultyDisk::Repeat::once, Code::failed);
    f.disk.release();
    const auto texts = answers.wait_for(4);
    CHECK(texts[0] == "appended at 0, next 1");
    if (!fails) {
      CHECK(texts[1] == "appended at 1, next 1");
      CHECK(texts[2] == "stream s is at revision 0, expected no-stream");
      CHECK(texts[3] == "stream s is at revision 0, expected no-stream");
    } else {
      for (std::size_t i = 1; i < 4; ++i)
        CHECK(texts[i].find("a sync of the log failed") != std::string::npos);
      const auto later = f.store->append(request_of("u", Expect::any(), {"d"}));
      REQUIRE(!later);
      CHECK(later.error().code == Code::failed);
    }
  }
}

TEST_CASE("group: the same append twice in one group is stored once") {
  for (const auto& expected : {Expect::any(), Expect::no_stream()}) {
    Fixture f;
    f.disk.hold(".log");
    Answers answers;
    f.store->submit(request_of("first", Expect::any(), {"x"}), answers.add());
    f.disk.wait_until_held();
    f.store->submit(request_of("s", expected, {"a"}), answers.add());
    f.store->submit(request_of("s", expected, {"a"}), answers.add());
    f.disk.release();
    const auto texts = answers.wait_for(3);
    CHECK(texts[1] == "appended at 1, next 1");
    CHECK(texts[2] == "repeated at 1, next 1");
    CHECK(f.store->durable() == Position{2});
  }
}

TEST_CASE("group: a large transaction that is being synced delays no other append") {
  Fixture f;
  Writer writer(*f.store);
  const auto staged = must(f.store->stage());
  writer.begin(10);
  must(staged->begin(writer.transaction));
  for (std::int64_t i = 0; i < 100; ++i) must(writer.put_row(*staged, i, "large"));
  f.disk.hold(".staging");
  Result<Appended> adopted = Appended{};
  {
    const std::jthread adopting(
        [&] { adopted = f.store->adopt(*staged, writer.source(), writer.resume()); });
    f.disk.wait_until_held();
    // However long that sync takes.
    for (int i = 0; i < 20; ++i) {
      CHECK(f.append("s", i == 0 ? Expect::no_stream() : Expect::exactly({i - 1ULL}),
                     {std::to_string(i)}) == fmt::format("appended at {}, next {}", i, i + 1));
    }
    Writer other(*f.store, "other.public.orders");
    other.begin(20);
    other.row(1, "another source");
    must(other.commit());
    f.disk.release();
  }
  CHECK(must(std::move(adopted)).first == Position{22});
  CHECK(f.append("s", Expect::exactly({19}), {"last"}) == "appended at 123, next 21");
}

TEST_CASE("floor: with too little space free nothing is appended, and it goes on with space") {
  Fixture f;
  f.store.reset();
  const std::uint64_t used = 1 << 20;
  f.faulty.set_capacity(used + (200 << 10));
  f.options.disk_floor_bytes = 1 << 20;
  f.open();  // the store itself is small: no file grows until the segment is full
  Writer writer(*f.store);
  const std::string note(20'000, 'x');
  Status status;
  std::uint64_t appended = 0;
  std::mt19937 random(7);
  for (std::uint64_t i = 1; i < 200 && status; ++i) {
    NewEvent event = event_of("x", note);
    event.id = new_event_id();
    for (char& c : event.data) c = static_cast<char>(random());
    const auto outcome = f.store->append({{{"s", Expect::any(), {event}}}});
    if (!outcome) status = error_of(outcome);
    if (outcome) ++appended;
  }
  REQUIRE(!status);
  CHECK(status.error().code == Code::disk_full);
  CHECK(status.error().what.find("disk_floor") != std::string::npos);
  CHECK(appended > 0);
  CHECK(f.store->durable().value == appended);
  // A source is told the same, for its batches and its large transactions.
  writer.begin(10);
  writer.row(1, "a row");
  auto refused = writer.commit();
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::disk_full);
  const auto staged = f.store->stage();
  REQUIRE(!staged);
  CHECK(staged.error().code == Code::disk_full);
  f.faulty.set_capacity(64 << 20);
  must(writer.append());
  CHECK(f.append("t", Expect::no_stream(), {"a"}).starts_with("appended"));
}

TEST_CASE("append: sixteen writers with expected revisions fill one stream without a gap" *
          doctest::test_suite("threads")) {
  const auto disk = real_disk();
  const auto clock = real_clock();
  const std::string folder = scratch_folder("append-race").string();
  constexpr int writers = 16;
  constexpr int events_each = 50;
  StoreOptions options = small_store(256 * 1024);
  options.background = true;
  {
    const auto store = must(EventStore::open(*disk, *clock, folder, options));
    std::atomic<int> conflicts = 0;
    std::vector<std::jthread> threads;
    for (int w = 0; w < writers; ++w) {
      threads.emplace_back([&, w] {
        Expect expected = Expect::no_stream();
        for (int i = 0; i < events_each;) {
          AppendRequest request = request_of("s", expected, {fmt::format("{}-{}", w, i)});
          const auto outcome = store->append(std::move(request));
          if (!outcome) return;
          if (const auto* conflict = std::get_if<AppendConflict>(&*outcome)) {
            ++conflicts;
            expected = Expect::exactly(*conflict->actual);
            continue;
          }
          expected = Expect::exactly({std::get<AppendedEvents>(*outcome).next.front().value - 1});
          ++i;
        }
      });
    }
    threads.clear();
    MESSAGE(conflicts.load() << " conflicts");
    const auto events = application_events(*store);
    CHECK(events.size() == writers * events_each);
    for (std::size_t i = 0; i < events.size(); ++i)
      CHECK(events[i].starts_with(fmt::format("s/{} ", i)));
  }
  must(EventStore::open(*disk, *clock, folder, options));
}

TEST_CASE("append: blocking appends, submitted ones and sources share the log at once" *
          doctest::test_suite("threads")) {
  const auto disk = real_disk();
  const auto clock = real_clock();
  const std::string folder = scratch_folder("append-mixed").string();
  StoreOptions options = small_store(128 * 1024);
  options.background = true;
  const auto store = must(EventStore::open(*disk, *clock, folder, options));
  constexpr std::uint64_t count = 300;
  std::atomic<std::uint64_t> answered = 0;
  std::atomic<std::uint64_t> failed = 0;
  const auto request = [](const std::string& stream, std::uint64_t i) {
    AppendRequest made =
        request_of(stream, i == 0 ? Expect::no_stream() : Expect::exactly({i - 1}), {"x"});
    made.streams[0].events[0].id = new_event_id();
    return made;
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < count; ++i) {
          const auto outcome = store->append(request(fmt::format("blocking-{}", t), i));
          failed += outcome && std::holds_alternative<AppendedEvents>(*outcome) ? 0 : 1;
        }
      });
      threads.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < count; ++i) {
          store->submit(request(fmt::format("submitted-{}", t), i),
                        [&](const Result<AppendOutcome>& outcome) {
                          failed +=
                              outcome && std::holds_alternative<AppendedEvents>(*outcome) ? 0 : 1;
                          ++answered;
                          answered.notify_all();
                        });
        }
      });
    }
    threads.emplace_back([&] {
      Writer writer(*store);
      for (std::uint64_t i = 1; i <= count; ++i) {
        writer.begin(i);
        if (!writer.put_row(writer.batch, static_cast<std::int64_t>(i), "row")) ++failed;
        if (!writer.commit()) ++failed;
      }
    });
  }
  for (std::uint64_t now = answered; now < 3 * count; now = answered) answered.wait(now);
  CHECK(failed == 0);
  CHECK(application_events(*store).size() == 6 * count);
  CHECK(store->durable().value == 7 * count + 1);
}

}  // namespace tidelog::testing
