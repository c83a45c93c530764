#include "eventstore/new_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/state_directory.h"
#include "eventstore/store_marks.h"

namespace tidelog {
namespace {

// What is not ours is never written to.
Status check_empty(Disk& disk, const StorePaths& paths) {
  for (const std::string& folder :
       {paths.directory, paths.segments, paths.staging,
        StateDirectory(disk, paths.directory).path(), aggregate_folder(paths.directory)}) {
    const auto names = disk.list(folder);
    if (!names && names.error().code == Code::not_found) continue;
    if (!names) return error_of(names);
    const auto other = std::find_if(names->begin(), names->end(),
                                    [](const std::string& name) { return name != "lock"; });
    if (other == names->end()) continue;
    return fail(Code::conflict,
                fmt::format("{} is not empty ({}): a store is made in a folder of its own",
                            paths.directory, *other));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<NewStore>> NewStore::begin(Disk& disk, const StorePaths& paths,
                                                  const std::string& from,
                                                  const std::string& maker) {
  if (is_within(paths.directory, from) || is_within(from, paths.directory)) {
    return fail(Code::misconfigured,
                fmt::format("{} is {} itself, or one is within the other, which is only read: give "
                            "a folder elsewhere",
                            paths.directory, from));
  }
  TRY_DO(disk.make_directory(paths.directory));
  const std::string mark = MarkPaths(paths).unfinished;
  const auto check = [&]() -> Result<bool> {
    TRY(const bool is_store, disk.exists(paths.manifest));
    TRY(const bool was_begun, disk.exists(mark));
    if (is_store || !was_begun) TRY_DO(check_empty(disk, paths));
    return was_begun;
  };
  TRY_DO(check());
  TRY(auto lock, disk.lock(paths.lock, maker));
  std::unique_ptr<NewStore> store(new NewStore(disk, paths, std::move(lock)));
  store->is_finished_ = true;          // nothing is ours yet
  TRY(const bool was_begun, check());  // somebody may have come first
  store->is_finished_ = false;
  if (was_begun) TRY_DO(store->clear());
  if (!was_begun) TRY_DO(store->mark(maker));
  TRY_DO(disk.make_directory(paths.segments));
  TRY_DO(disk.make_directory(paths.staging));
  return store;
}

NewStore::~NewStore() {
  if (is_finished_) return;
  // Best effort: the next try finds the mark.
  if (clear()) static_cast<void>(remove_mark());
}

Status NewStore::mark(const std::string& maker) {
  TRY(const auto file, disk_.create(MarkPaths(paths_).unfinished));
  TRY_DO(file->write(0, maker));
  TRY_DO(file->sync());
  return disk_.sync_directory(paths_.directory);
}

// A mark that stays says nothing beside a manifest, and the writer removes it.
void NewStore::finish() {
  is_finished_ = true;
  static_cast<void>(remove_mark());
}

Status NewStore::remove_mark() {
  TRY_DO(disk_.remove(MarkPaths(paths_).unfinished));
  return disk_.sync_directory(paths_.directory);
}

// The manifest first: a store is never there in part.
Status NewStore::clear() {
  const MarkPaths marks(paths_);
  for (const std::string& path :
       {paths_.manifest, paths_.superblock, paths_.erasures, marks.origin}) {
    for (const std::string& name : {path, path + ".tmp"}) {
      TRY(const bool exists, disk_.exists(name));
      if (exists) TRY_DO(disk_.remove(name));
    }
    if (path == paths_.manifest) TRY_DO(disk_.sync_directory(paths_.directory));
  }
  for (const std::string& folder :
       {paths_.segments, paths_.staging, StateDirectory(disk_, paths_.directory).path()})
    TRY_DO(clear_folder(folder));
  return disk_.sync_directory(paths_.directory);
}

Status NewStore::clear_folder(const std::string& folder) {
  const auto names = disk_.list(folder);
  if (!names) return names.error().code == Code::not_found ? Status() : error_of(names);
  for (const std::string& name : *names) TRY_DO(disk_.remove(folder + "/" + name));
  return disk_.sync_directory(folder);
}

bool is_within(std::string_view folder, std::string_view other) {
  if (!folder.starts_with(other)) return false;
  return folder.size() == other.size() || folder[other.size()] == '/';
}

}  // namespace tidelog
