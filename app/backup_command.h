// `tidelog store backup` and `tidelog store restore`.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct BackupOptions {
  CommonOptions common;
  std::string to;
  bool trust_copies = false;  // what was copied before is not read again
};

// A copy of the store as it is now, beside a running service; what was copied before is verified,
// and only what is new or has rotted is copied.
Status back_up(const CommandContext& context, const BackupOptions& options);

struct RestoreOptions {
  std::string from;
  std::string to;
  std::string until;  // a position or a time; empty: all
  bool json = false;
};

// A new store from a backup.
Status restore(const CommandContext& context, const RestoreOptions& options);

}  // namespace tidelog
