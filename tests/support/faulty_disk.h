// FaultyDisk: a disk in memory that tells what is on it from what is only in the page cache, for
// crash tests. It fails, fills and crashes at a chosen call, and shows what a killed process or a
// power loss leaves behind.
//
// Model. Content is durable after File::sync, sector by sector (512 bytes, each old or new, never
// mixed); a name (create, rename, remove) after sync_directory of its directory; directories
// themselves at once. Between syncs any sector, file size and name may have reached the disk or
// not, in any order. What a failed sync did not write looks written until the power goes (as on
// ext4: the pages count as clean), unless it is written again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/disk.h"

namespace tidelog::testing {

enum class DiskCall : std::uint8_t {
  open_read,
  open_write,
  create,
  read,
  write,
  sync,
  size,
  truncate,
  rename,
  remove,
  make_directory,
  sync_directory,
  list,
  exists,
  free_bytes,
  map_page,
  lock,
};
std::string_view name_of(DiskCall call);
bool changes_disk(
    DiskCall call);  // a crash just before any other call leaves what the one before left

// What a power loss spares of everything that is not synced.
enum class Survives : std::uint8_t {
  nothing,
  all,
  all_but_one,  // the number says which: 0 … unsynced_count() - 1
  torn_last,    // of the last write only the first sectors, as many as the number says (modulo)
  some,         // the number is the seed
};
std::string_view name_of(Survives survives);

// Any thread.
class FaultyDisk final : public Disk {
 public:
  FaultyDisk();
  // A copy changes without its original, and has neither its faults, nor its locks, nor its count
  // of calls. It is cheap: files share their content until one of them is changed.
  FaultyDisk(const FaultyDisk& other);
  FaultyDisk(FaultyDisk&&) noexcept;
  FaultyDisk& operator=(const FaultyDisk& other);
  FaultyDisk& operator=(FaultyDisk&&) noexcept;
  ~FaultyDisk() override;

  // The process dies in call number `call` (from 0) and all later calls fail. Of a write,
  // `written_bytes` reach the page cache.
  void crash_at(std::uint64_t call, std::size_t written_bytes = 0);
  bool crashed() const;

  enum class Repeat : std::uint8_t { once, for_ever };
  // Call number `call` (and all later ones) fails with `code`. Of a write, `written_bytes` are
  // written nevertheless. Code::disk_full spares calls that need no space, and the next one that
  // does is hit instead.
  void fail_at(std::uint64_t call, Repeat repeat, Code code, std::size_t written_bytes = 0);
  void mend();  // no more faults

  // Calls `see` in each call that changes the disk, with what a process that dies in it may leave:
  // all that came before, and of a write also a part of it. `see` must not touch this disk.
  void watch(std::function<void(const FaultyDisk& left)> see);

  // No more than this for the content of all files.
  void set_capacity(std::uint64_t bytes);

  std::uint64_t call_count() const;
  std::vector<DiskCall> calls() const;

  // The process is gone, the operating system lives: everything written is there.
  FaultyDisk after_kill() const;
  // The machine is gone.
  FaultyDisk after_power_loss(Survives survives, std::uint64_t number) const;
  std::size_t unsynced_count() const;

  std::map<std::string, std::string> files() const;
  void put_file(const std::string& path, std::string content);  // synced, name and all
  void flip_bit(const std::string& path, std::uint64_t bit);
  // Equal for disks with equal names and contents: to tell crash states apart.
  std::uint64_t fingerprint() const;

  Result<std::unique_ptr<File>> open_read(const std::string& path) override;
  Result<std::unique_ptr<File>> open_write(const std::string& path) override;
  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  // Of directories alone, which no test renames: known by their path.
  Result<FileIdentity> identity(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
  Result<std::unique_ptr<SharedPage>> map_page(const std::string& path, bool writable) override;
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path,
                                         const std::string& holder) override;

  struct State;

 private:
  explicit FaultyDisk(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace tidelog::testing
