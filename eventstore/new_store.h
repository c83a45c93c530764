// NewStore: the folder in which restore and salvage make a store from another one's files. From its
// begin to its end a mark (`unfinished`, FORMAT.md section 13) stands in it: what a try that was
// cut off has left is known by it, is never taken for a damaged store, and goes with the next try.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/disk.h"
#include "core/result.h"
#include "eventstore/store_files.h"

namespace tidelog {

// One thread.
class NewStore {
 public:
  // `maker`, for people: "a restore of /backup". Code::misconfigured: `paths` is the folder `from`,
  // or within it. Code::conflict: somebody is at work there, or it holds something else. `disk` and
  // `paths` must outlive it.
  static Result<std::unique_ptr<NewStore>> begin(Disk& disk, const StorePaths& paths,
                                                 const std::string& from, const std::string& maker);
  // Without finish(), removes what was made, as far as it can.
  ~NewStore();
  NewStore(const NewStore&) = delete;
  NewStore& operator=(const NewStore&) = delete;

  // The manifest is on disk: there is a store.
  void finish();

 private:
  NewStore(Disk& disk, const StorePaths& paths, std::unique_ptr<DiskLock> lock)
      : disk_(disk), paths_(paths), lock_(std::move(lock)) {}
  Status mark(const std::string& maker);
  Status clear();
  Status clear_folder(const std::string& folder);
  Status remove_mark();

  Disk& disk_;
  const StorePaths& paths_;
  std::unique_ptr<DiskLock> lock_;
  bool is_finished_ = false;
};

// By their names alone: `folder` is `other`, or lies in it.
bool is_within(std::string_view folder, std::string_view other);

}  // namespace tidelog
