// `tidelog store erase --stream S --key K`: what the store knows of a row, gone for good.
#pragma once

#include <string>

#include "app/command.h"

namespace tidelog {

struct EraseOptions {
  CommonOptions common;
  std::string stream;
  std::string key;
  bool dry_run = false;
};

Status erase_key(const CommandContext& context, const EraseOptions& options);

}  // namespace tidelog
