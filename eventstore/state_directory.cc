#include "eventstore/state_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tidelog {
namespace {

constexpr std::string_view snapshot_end = ".state";
constexpr std::string_view base_end = ".base";
constexpr std::string_view temporary_end = ".tmp";

template <class Number>
bool read_number(std::string_view digits, Number& number) {
  const char* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc() && rest == end;
}

}  // namespace

// "00000003-00000000000000012345.state"
std::optional<SnapshotName> StateDirectory::name_of(std::string_view file) {
  SnapshotName name;
  name.base = file.ends_with(base_end);
  if (!name.base && !file.ends_with(snapshot_end)) return {};
  file.remove_suffix(name.base ? base_end.size() : snapshot_end.size());
  const std::size_t dash = file.find('-');
  if (dash == std::string_view::npos || !read_number(file.substr(0, dash), name.stream.value) ||
      !read_number(file.substr(dash + 1), name.position.value)) {
    return {};
  }
  return name;
}

StateDirectory::StateDirectory(Disk& disk, const std::string& store_directory)
    : disk_(disk), path_(store_directory + "/state") {}

Result<std::vector<SnapshotName>> StateDirectory::list() const {
  std::vector<SnapshotName> names;
  const auto files = disk_.list(path_);
  if (!files && files.error().code == Code::not_found) return names;
  if (!files) return error_of(files);
  for (const std::string& file : *files) {
    if (const auto name = name_of(file)) names.push_back(*name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<SnapshotName>> StateDirectory::list(StreamId stream) const {
  TRY(std::vector<SnapshotName> names, list());
  std::erase_if(names, [&](const SnapshotName& name) { return name.stream != stream; });
  return names;
}

std::string StateDirectory::path(const SnapshotName& name) const {
  return fmt::format("{}/{:08}-{:020}{}", path_, name.stream.value, name.position.value,
                     name.base ? base_end : snapshot_end);
}

Result<std::unique_ptr<DiskLock>> StateDirectory::lock(const std::string& holder) const {
  TRY_DO(disk_.make_directory(path_));
  TRY(auto lock, disk_.lock(path_ + "/lock", holder));
  TRY(const auto files, disk_.list(path_));
  for (const std::string& file : files) {
    // Also "3.tmp.1", what the making of "3.tmp" went through.
    if (file.find(temporary_end) != std::string::npos) TRY_DO(disk_.remove(path_ + "/" + file));
  }
  // A process that was killed may have named or removed files that a power loss would bring back.
  TRY_DO(disk_.sync_directory(path_));
  return lock;
}

std::string StateDirectory::temporary_path(std::string_view name) const {
  return fmt::format("{}/{}{}", path_, name, temporary_end);
}

Status StateDirectory::publish(const std::string& temporary, const SnapshotName& name) const {
  TRY_DO(disk_.rename(temporary, path(name)));
  return disk_.sync_directory(path_);
}

Status StateDirectory::remove(const SnapshotName& name) const {
  TRY_DO(disk_.remove(path(name)));
  return disk_.sync_directory(path_);
}

}  // namespace tidelog
