// What every command of the program is given, and what several of them share: which store, which
// streams.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "app/output.h"
#include "app/secrets.h"
#include "core/clock.h"
#include "core/disk.h"
#include "core/result.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// All references outlive the command. One thread.
struct CommandContext {
  Disk& disk;
  Clock& clock;
  const Environment& environment;
  Secrets& secrets;
  Output& out;
  Output& err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
};

// Which store: `-c FILE` or `--store DIR`, and how the answer is printed.
struct CommonOptions {
  std::string config_file;
  std::string store;
  bool json = false;
};

// Where the store is and how it is kept: as configured, or with the usual settings.
// Without either option: Code::misconfigured.
Result<StoreConfig> store_config(const CommandContext& context, const CommonOptions& options);
// Its folder alone.
Result<std::string> store_path(const CommandContext& context, const CommonOptions& options);
Result<std::unique_ptr<StoreReader>> open_reader(const CommandContext& context,
                                                 const CommonOptions& options);

// The names of the streams that a pattern, or a list of patterns, takes: Code::not_found, with the
// nearest name, when one takes none.
Result<std::vector<std::string>> matching_streams(StoreReader& reader,
                                                  const std::vector<std::string>& patterns);
// One stream by its whole name.
Status check_stream(StoreReader& reader, const std::string& stream);

}  // namespace tidelog
