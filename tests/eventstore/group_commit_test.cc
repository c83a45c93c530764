// Several appends in one group: what becomes of the others when one of them, or all, fail.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include "eventstore/verify.h"
#include "tests/eventstore/store_fixture.h"
#include "tests/support/child_process.h"

namespace tidelog::testing {
namespace {

// Stands still, and holds whoever reads it while it is closed: the store's leader, between its
// write and its sync.
class GateClock final : public Clock {
 public:
  UnixMicros now() override { return clock_.now(); }
  std::chrono::steady_clock::time_point steady() override {
    std::unique_lock lock(mutex_);
    if (calls_until_closed_ > 0 && --calls_until_closed_ == 0) {
      closed_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !closed_; });
    }
    return clock_.steady();
  }

  void close_at_call(int number) {
    const std::lock_guard lock(mutex_);
    calls_until_closed_ = number;
  }
  void wait_until_held() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(30), [this] { return closed_; }));
  }
  void open() {
    const std::lock_guard lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }

 private:
  FakeClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_until_closed_ = 0;
  bool closed_ = false;
};

// One append on a thread of its own.
class Appending {
 public:
  explicit Appending(Writer& writer)
      : thread_([this, &writer] {
          thread_id_ = ::syscall(SYS_gettid);
          result_ = writer.append();
        }) {}

  // It has nothing left to do but to wait for the leader.
  void wait_until_queued() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!is_asleep()) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::yield();
    }
  }
  const Result<Appended>& result() {
    if (thread_.joinable()) thread_.join();
    return result_;
  }

 private:
  bool is_asleep() const {
    if (thread_id_ == 0) return false;
    std::ifstream file("/proc/self/task/" + std::to_string(thread_id_) + "/stat");
    std::string stat;
    std::getline(file, stat);
    const std::size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && stat.substr(name_end, 3) == ") S";
  }

  std::atomic<long> thread_id_ = 0;
  Result<Appended> result_ = Appended{};
  std::jthread thread_;
};

struct Fixture {
  FaultyDisk disk;
  GateClock clock;
  std::unique_ptr<EventStore> store;

  Fixture() { store = must(EventStore::open(disk, clock, "store", small_store())); }
  ~Fixture() { clock.open(); }

  void reopen(const FaultyDisk& left) {
    store.reset();
    disk = left;
    store = must(EventStore::open(disk, clock, "store", small_store()));
  }
  std::vector<std::string> notes() {
    std::vector<std::string> notes;
    for (const Seen& event : read_all(*must(store->reader()))) {
      if (event.type != EventType::schema) notes.push_back(event.note);
    }
    return notes;
  }
};

void fill(Writer& writer, std::uint64_t lsn, std::string_view note, std::int64_t rows = 1) {
  writer.begin(lsn);
  for (std::int64_t i = 0; i < rows; ++i) writer.row(i, note);
  writer.batch.commit();
}

using Notes = std::vector<std::string>;

}  // namespace

TEST_CASE("group: what a full disk refused does not follow a batch of it that is given again") {
  Fixture f;
  Writer first(*f.store, "a");
  Writer second(*f.store, "b");
  Writer third(*f.store, "c");
  fill(first, 10, "first");
  fill(second, 20, "second");
  fill(third, 30, "third");
  f.clock.close_at_call(2);  // when the group's time begins, and before its sync
  Appending leader(first);
  f.clock.wait_until_held();
  Appending one(second);
  one.wait_until_queued();
  Appending other(third);
  other.wait_until_queued();
  // The leader's sync, then the write of the other two.
  f.disk.fail_at(f.disk.call_count() + 1, FaultyDisk::Repeat::once, Code::disk_full, 1 << 20);
  f.clock.open();
  must(leader.result());
  REQUIRE(!one.result());
  REQUIRE(!other.result());
  CHECK(one.result().error().code == Code::disk_full);
  CHECK(other.result().error().code == Code::disk_full);

  must(second.append());
  CHECK(f.notes() == Notes{"first", "second"});
  f.reopen(f.disk.after_kill());
  CHECK(f.notes() == Notes{"first", "second"});
}

TEST_CASE("group: after an append whose new segment has begun with an error, the others go there") {
  Fixture f;
  Writer first(*f.store, "a");
  Writer large(*f.store, "b");
  Writer third(*f.store, "c");
  fill(first, 10, "first");
  large.begin(20);
  for (std::int64_t i = 0; i < 2000; ++i) large.row(i, std::to_string(i * 7919));
  large.batch.commit();
  fill(third, 30, "third");
  f.clock.close_at_call(2);
  Appending leader(first);
  f.clock.wait_until_held();
  Appending one(large);
  one.wait_until_queued();
  Appending other(third);
  other.wait_until_queued();
  const std::uint64_t superblock_call = f.disk.call_count() + 11;
  f.disk.fail_at(superblock_call, FaultyDisk::Repeat::once, Code::failed);
  f.clock.open();
  must(leader.result());
  REQUIRE(!one.result());
  REQUIRE(f.disk.calls()[superblock_call] == DiskCall::open_write);
  must(other.result());
  CHECK(f.notes() == Notes{"first", "third"});
  must(large.append());
  f.reopen(f.disk.after_kill());
  CHECK(f.notes().size() == 2002);
}

TEST_CASE("store: segments that roll while spares are made beside them keep every event" *
          doctest::test_suite("threads")) {
  const auto disk = real_disk();
  const auto clock = real_clock();
  const std::string folder = scratch_folder("spares").string();
  StoreOptions options = small_store(64 * 1024);
  options.background = true;
  constexpr std::uint64_t rows = 3000;
  {
    const auto store = must(EventStore::open(*disk, *clock, folder, options));
    Writer writer(*store);
    for (std::uint64_t i = 1; i <= rows; ++i) {
      writer.begin(i);
      writer.row(static_cast<std::int64_t>(i), std::to_string(i * 7919) + std::string(200, 'x'));
      must(writer.commit());
      // Left by somebody's clean-up: the next segment is made without it.
      if (i % 1000 == 0) static_cast<void>(disk->remove(folder + "/segments/spare"));
    }
  }
  const auto reader = must(StoreReader::open(*disk, folder));
  CHECK(read_all(*reader).size() == rows + 1);
  CHECK(must(verify_store(*disk, folder, [](const VerifyProgress&) {})).damage.empty());
  must(EventStore::open(*disk, *clock, folder, options));
}

}  // namespace tidelog::testing
