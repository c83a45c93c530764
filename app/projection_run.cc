#include "app/projection_run.h"

#include <fmt/format.h>

#include <exception>
#include <memory>

#include "app/pause.h"
#include "eventstore/store_reader.h"
#include "projections/replay.h"
#include "projections/sqlite_target.h"

namespace tidelog {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(200);
constexpr auto retry_interval = std::chrono::milliseconds(1000);

struct Follower {
  EventStore& store;
  ProjectionConfig config;
  Log& log;
  std::shared_ptr<std::atomic<std::uint64_t>> done;
  std::string told{};

  // Brings the file up to what is durable now.
  Status catch_up(const std::stop_token& stop) {
    TRY(const auto reader, store.reader());
    const Position end = store.durable();
    TRY(const auto target, SqliteTarget::open(config.sqlite));
    ReplayOptions options;
    options.streams = config.streams;
    options.end = end;
    TRY_DO(replay(
        *reader, *target, options, [](const ReplayProgress&) {}, stop));
    done->store(end.value);
    return {};
  }

  // What is not worth another try ends the projection.
  bool goes_on_after(const Error& error, const std::stop_token& stop) {
    if (stop.stop_requested()) return false;
    // A stream may have no events yet, or its name be misspelt: that is told, and waited for. A
    // conflict is a reader of the file that is in the way just now.
    const bool may_come = error.code == Code::not_found || error.code == Code::conflict;
    if (action_for(error.code) != Action::retry && !may_come) {
      log.error("projection stopped", {{"projection", config.name}, {"error", error.what}});
      return false;
    }
    if (told != error.what) {
      log.warning("projection waits", {{"projection", config.name}, {"error", error.what}});
    }
    told = error.what;
    return pause(retry_interval, stop);
  }

  void follow(const std::stop_token& stop) {
    do {
      if (store.durable().value == done->load()) continue;
      const Status caught_up = catch_up(stop);
      if (!caught_up && !goes_on_after(caught_up.error(), stop)) return;
    } while (pause(look_interval, stop));
  }

  void operator()(const std::stop_token& stop) {
    try {
      follow(stop);
    } catch (const std::exception& error) {
      log.error("projection stopped", {{"projection", config.name}, {"error", error.what()}});
    }
  }
};

}  // namespace

ProjectionRun::ProjectionRun(EventStore& store, ProjectionConfig config, Log& log)
    : done_(std::make_shared<std::atomic<std::uint64_t>>(0)),
      thread_(Follower{store, std::move(config), log, done_}) {}

}  // namespace tidelog
