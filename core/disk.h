// Disk: every file operation of tidelog goes through here, so that tests can crash, tear, flip and
// fill (tests/support/faulty_disk.h). RealDisk is the operating system's. Paths are as given;
// errors name them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace tidelog {

// An open file. Reads may come from any thread; writes and syncs from one at a time.
class File {
 public:
  virtual ~File() = default;
  // Up to `bytes` bytes at `offset`, replacing `out`'s content; fewer only at the end of the file.
  virtual Status read(std::uint64_t offset, std::size_t bytes, std::string& out) const = 0;
  virtual Status write(std::uint64_t offset, std::string_view bytes) = 0;
  // fdatasync: content and what is needed to read it. After a failure the file's unsynced content
  // is in doubt, for ever: never call it again. So it is never Code::disk_full, which promises that
  // nothing was lost.
  virtual Status sync() = 0;
  virtual Result<std::uint64_t> size() const = 0;
  virtual Status truncate(std::uint64_t bytes) = 0;
};

// A page that several processes map: the writer stores, readers load. It is never synced.
class SharedPage {
 public:
  static constexpr std::size_t word_count = 16;
  virtual ~SharedPage() = default;
  virtual std::atomic<std::uint64_t>& word(std::size_t index) = 0;
};

// An exclusive lock, held until destroyed or the process ends.
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

// What a file or directory keeps when it is renamed, and a copy of it does not have.
struct FileIdentity {
  std::uint64_t inode = 0;
  std::int64_t born_nanos = 0;  // when it was made; 0 where the file system does not say
  bool operator==(const FileIdentity&) const = default;
};

class Disk {
 public:
  virtual ~Disk() = default;
  // Code::not_found when it does not exist.
  virtual Result<std::unique_ptr<File>> open_read(const std::string& path) = 0;
  virtual Result<std::unique_ptr<File>> open_write(const std::string& path) = 0;
  // Makes an empty file, replacing one that exists. The name is durable only after sync_directory.
  virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status make_directory(
      const std::string& path) = 0;  // with parents, synced; fine when it exists
  virtual Status sync_directory(
      const std::string& path) = 0;  // a failure is as grave as that of File::sync
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // file names, sorted
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<FileIdentity> identity(const std::string& path) = 0;
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
  // `writable` makes the page when it is missing (all words zero).
  virtual Result<std::unique_ptr<SharedPage>> map_page(const std::string& path, bool writable) = 0;
  // Takes the lock and writes `holder` into the file. Code::conflict with the present holder's text
  // when taken.
  virtual Result<std::unique_ptr<DiskLock>> lock(const std::string& path,
                                                 const std::string& holder) = 0;
};

std::unique_ptr<Disk> real_disk();

// The whole file.
Result<std::string> read_file(Disk& disk, const std::string& path);

// Replaces a file so that a crash leaves either the old or the new content: temporary file, sync,
// rename, directory sync.
Status replace_file(Disk& disk, const std::string& directory, const std::string& name,
                    std::string_view content);

}  // namespace tidelog
