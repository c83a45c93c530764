// Values that come from the environment or from files, and the hiding of passwords in whatever is
// printed. The configuration expands with it; the console and the log mask with it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/result.h"

namespace tidelog {

// The value of an environment variable, if it is set.
using Environment = std::function<std::optional<std::string>(std::string_view name)>;
Environment process_environment();

// `text` with ${NAME} replaced by the variable's value and $$ by a dollar sign. A variable that is
// not set, and a dollar sign that begins neither, are Code::misconfigured.
Result<std::string> expand(std::string_view text, const Environment& environment);

// A secret as the configuration writes it: "file:/path" is the content of that file without its
// last line end; anything else is expanded.
Result<std::string> read_secret(std::string_view text, const Environment& environment, Disk& disk);

// `text` with the password of every URL (scheme://user:password@host) and every connection string
// (password=…) replaced by ***.
std::string mask_passwords(std::string_view text);

// Masks passwords wherever they stand. One thread fills it, before others use it.
class Secrets {
 public:
  // The passwords inside a connection string, and the string itself, are hidden from now on.
  void add_connection(std::string_view connection);
  // A secret that is nothing else.
  void add(std::string_view secret);
  std::string mask(std::string_view text) const;

 private:
  void hide(std::string_view secret, std::string_view connection);
  void remember(std::string_view secret);
  std::vector<std::string> hidden_;
};

}  // namespace tidelog
