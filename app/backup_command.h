// `tidelog store backup` and `tidelog store restore`.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct BackupOptions {
  CommonOptions common;
  std::string to;
};

// A copy of the store as it is now, beside a running service; only what is new is copied.
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
