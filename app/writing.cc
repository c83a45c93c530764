#include "app/writing.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

namespace tidelog {

std::string lock_holder(Clock& clock, std::string_view command) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return fmt::format("process {} (tidelog {}) on host {}, since {}", getpid(), command, host.data(),
                     print_time(clock.now()));
}

Result<std::unique_ptr<EventStore>> open_for_writing(const CommandContext& context,
                                                     const CommonOptions& options,
                                                     std::string_view command) {
  TRY(const std::string path, store_path(context, options));
  TRY_DO(StoreReader::open(context.disk, path));  // a misspelt folder must not become a store
  StoreOptions store;
  store.holder = lock_holder(context.clock, command);
  return EventStore::open(context.disk, context.clock, path, store);
}

}  // namespace tidelog
