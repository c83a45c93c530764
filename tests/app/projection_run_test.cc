#include "app/projection_run.h"

#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <ostream>
#include <streambuf>
#include <string>

#include "core/disk.h"
#include "tests/support/child_process.h"

namespace tidelog {
namespace {

// A log that is read while it is written.
class LogText : public std::streambuf {
 public:
  std::string text() const {
    const std::scoped_lock lock(mutex_);
    return text_;
  }

 protected:
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    const std::scoped_lock lock(mutex_);
    text_.append(bytes, static_cast<std::size_t>(count));
    return count;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace

TEST_CASE("projection run: a stream that is not there is told, and waited for") {
  const auto disk = real_disk();
  const auto clock = real_clock();
  const std::string folder = testing::scratch_folder("projection_run").string();
  const auto store = EventStore::open(*disk, *clock, folder + "/store", {});
  REQUIRE(store);
  BatchBuilder batch;  // any event: a projection looks when there is something new
  batch.begin({});
  EventBody message;
  message.type = EventType::message;
  message.stream = (*store)->stream("shop.$source");
  batch.add(message);
  batch.commit();
  REQUIRE((*store)->append(batch));

  const Secrets secrets;
  LogText text;
  std::ostream out(&text);
  auto log = Log::to_stream(out, LogFormat::text, secrets);
  REQUIRE(log);
  const ProjectionRun run(**store, {0, "now", folder + "/now.db", {"shop.public.order"}}, *log);
  CHECK(testing::eventually(std::chrono::seconds(10), [&] {
    return text.text().find("no stream shop.public.order; there are: shop.$source") !=
           std::string::npos;
  }));
  CHECK(text.text().find("projection waits") != std::string::npos);
  CHECK(text.text().find("projection stopped") == std::string::npos);
}

}  // namespace tidelog
