#include "app/folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace tidelog {

Status check_elsewhere(const std::string& to, const std::string& from) {
  std::error_code error;
  const auto real_from = std::filesystem::weakly_canonical(from, error);
  if (error) return fail(Code::misconfigured, fmt::format("{}: {}", from, error.message()));
  const auto real_to = std::filesystem::weakly_canonical(to, error);
  if (error) return fail(Code::misconfigured, fmt::format("{}: {}", to, error.message()));
  const auto [left, unused] =
      std::mismatch(real_from.begin(), real_from.end(), real_to.begin(), real_to.end());
  // A trailing slash is an empty last part.
  if (left != real_from.end() && !left->empty()) return {};
  return fail(Code::misconfigured,
              fmt::format("{} is {} itself, or within it ({}): give a folder elsewhere, best on "
                          "another disk",
                          to, from, real_to.string()));
}

}  // namespace tidelog
