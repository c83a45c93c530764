#include "eventstore/copied_store.h"

#include <fmt/format.h>

#include "eventstore/recovery.h"
#include "eventstore/store_marks.h"

namespace tidelog {
namespace {

// By when the folder was made. Numbers tell less: some file systems give them anew at each mount,
// and the roots of two volumes have the same.
bool is_another(const FileIdentity& a, const FileIdentity& b) {
  const bool times_known = a.born_nanos != 0 && b.born_nanos != 0;
  return times_known && a.born_nanos != b.born_nanos;
}

// A damaged one tells nothing, and is written anew.
Result<std::optional<FileIdentity>> known_home(Disk& disk, const StorePaths& paths) {
  auto home = read_home(disk, paths);
  if (!home && home.error().code == Code::corrupt) return std::optional<FileIdentity>();
  return home;
}

Result<bool> is_copy(Disk& disk, const StorePaths& paths) {
  TRY(const auto home, known_home(disk, paths));
  if (!home) return false;
  TRY(const FileIdentity here, disk.identity(paths.directory));
  return is_another(*home, here);
}

}  // namespace

Status check_home(Disk& disk, const StorePaths& paths) {
  TRY(const bool copied, is_copy(disk, paths));
  if (!copied) return {};
  return fail(
      Code::conflict,
      fmt::format("{0} is a copy of a store that was written in another folder. Two that go on "
                  "would give the same positions to different events. If the store was moved here "
                  "and the other one is gone: tidelog store adopt --store {0}. If both are to "
                  "stay, make a store of its own: tidelog store backup --store {0} --to BACKUP, "
                  "then tidelog store restore --from BACKUP --to FOLDER",
                  paths.directory));
}

Status note_home(Disk& disk, const StorePaths& paths) {
  TRY(const auto home, known_home(disk, paths));
  TRY(const FileIdentity here, disk.identity(paths.directory));
  return home == here ? Status() : write_home(disk, paths);
}

Status adopt_copy(Disk& disk, const std::string& directory, const std::string& holder) {
  const StorePaths paths(directory);
  TRY_DO(manifest_of_store(disk, paths));
  TRY(const auto lock, disk.lock(paths.lock, holder));
  TRY(const bool copied, is_copy(disk, paths));
  if (copied) return write_home(disk, paths);
  return fail(Code::misconfigured,
              fmt::format("{} is no copy: it was written in this folder last, and `tidelog run` "
                          "goes on in it",
                          directory));
}

}  // namespace tidelog
