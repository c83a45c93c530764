#include "app/writing.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "projections/snapshots.h"

namespace tidelog {

std::string lock_holder(Clock& clock, std::string_view command) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return fmt::format("process {} (tidelog {}) on host {}, since {}", getpid(), command, host.data(),
                     print_time(clock.now()));
}

StoreOptions store_options(const StoreConfig& config, Clock& clock, std::string_view command) {
  StoreOptions options;
  options.segment_bytes = config.segment_bytes;
  options.disk_floor_bytes = config.disk_floor_bytes;
  options.sealed_codec = config.sealed_codec;
  options.holder = lock_holder(clock, command);
  return options;
}

Result<std::unique_ptr<EventStore>> open_for_writing(const CommandContext& context,
                                                     const CommonOptions& options,
                                                     std::string_view command) {
  TRY(const StoreConfig config, store_config(context, options));
  TRY_DO(StoreReader::open(context.disk, config.path));  // a misspelt one must not be made
  return EventStore::open(context.disk, context.clock, config.path,
                          store_options(config, context.clock, command));
}

Status tell_pending_erasures(const CommandContext& context, const EventStore& store) {
  const auto pending = pending_erasures(context.disk, store.paths());
  if (!pending) {
    return context.err.line(
        fmt::format("tidelog: warning: whether an erasure is to be finished cannot be read: {}",
                    pending.error().what));
  }
  if (pending->empty()) return {};
  return context.err.line(
      "tidelog: warning: an erasure that was cut off is not done yet: `tidelog run`, `store erase` "
      "or `store compact` goes on with it");
}

Result<ErasureReport> finish_erasures(const CommandContext& context, EventStore& store,
                                      std::string_view command) {
  ErasureOptions options;
  options.forget = [&](const Erasure& found) -> Status {
    TRY(const auto reader, store.reader());
    return forget_in_snapshots(*reader, found, lock_holder(context.clock, command));
  };
  return resume_erasures(store, options);
}

}  // namespace tidelog
