#include "core/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

namespace tidelog {
namespace {

constexpr std::size_t page_bytes = 4096;
static_assert(SharedPage::word_count * sizeof(std::uint64_t) <= page_bytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<std::uint64_t>) == sizeof(std::uint64_t));

Code code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return Code::disk_full;
    case ENOENT:
      return Code::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
      return Code::misconfigured;
    default:
      return Code::failed;
  }
}

// What a person can do about it.
std::string way_out(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return fmt::format(
          "; tidelog runs as user {}: give it the rights (chown, chmod) or name another directory",
          ::geteuid());
    case EROFS:
      return "; the file system is mounted read-only: mount it for writing or name another one";
    case ENOTDIR:
      return "; a part of this path is a file where a directory should be";
    case ENOSPC:
      return "; free some space on its file system";
    case EDQUOT:
      return "; raise the user's quota on its file system";
    default:
      return "";
  }
}

tl::unexpected<Error> io_error(std::string_view operation, const std::string& path, int error) {
  return fail(code_of(error), fmt::format("{} {}: {}{}", operation, path,
                                          std::generic_category().message(error), way_out(error)));
}

// Calls again what a signal interrupted. Never for a sync: one that failed is not repeated.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);  // what matters was synced before
  }
  int number() const { return number_; }

 private:
  int number_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  constexpr mode_t mode = 0640;
  const int number = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
  if (number < 0) return io_error("cannot open", path, errno);
  return Descriptor(number);
}

Result<std::uint64_t> size_of(const Descriptor& file, const std::string& path) {
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return io_error("cannot read size of", path, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

Status write_at(const Descriptor& file, const std::string& path, std::uint64_t offset,
                std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = uninterrupted([&] {
      return ::pwrite(file.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    });
    if (written < 0) return io_error("cannot write", path, errno);
    if (written == 0) return io_error("nothing was written to", path, EIO);
    offset += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status read_at(const Descriptor& file, const std::string& path, std::uint64_t offset,
               std::size_t bytes, std::string& out) {
  out.clear();
  if (offset > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) return {};
  out.resize(bytes);
  std::size_t filled = 0;
  while (filled < bytes) {
    const ssize_t count = uninterrupted([&] {
      return ::pread(file.number(), out.data() + filled, bytes - filled,
                     static_cast<off_t>(offset + filled));
    });
    if (count < 0) {
      const int error = errno;
      out.clear();
      return io_error("cannot read", path, error);
    }
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  out.resize(filled);
  return {};
}

// Never Code::disk_full: after a failed sync it is not true that nothing was lost.
tl::unexpected<Error> sync_error(std::string_view operation, const std::string& path, int error) {
  tl::unexpected<Error> failed = io_error(operation, path, error);
  failed.value().code = Code::failed;
  return failed;
}

Status sync_content(const Descriptor& file, const std::string& path) {
  if (::fdatasync(file.number()) != 0) return sync_error("cannot sync", path, errno);
  return {};
}

class RealFile final : public File {
 public:
  RealFile(Descriptor file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}

  Status read(std::uint64_t offset, std::size_t bytes, std::string& out) const override {
    return read_at(file_, path_, offset, bytes, out);
  }
  Status write(std::uint64_t offset, std::string_view bytes) override {
    return write_at(file_, path_, offset, bytes);
  }
  Status sync() override { return sync_content(file_, path_); }
  Result<std::uint64_t> size() const override { return size_of(file_, path_); }
  Status truncate(std::uint64_t bytes) override {
    const int failed =
        uninterrupted([&] { return ::ftruncate(file_.number(), static_cast<off_t>(bytes)); });
    if (failed != 0) return io_error("cannot truncate", path_, errno);
    return {};
  }

 private:
  Descriptor file_;
  std::string path_;
};

class RealPage final : public SharedPage {
 public:
  explicit RealPage(void* memory) : memory_(memory) {}
  RealPage(const RealPage&) = delete;
  RealPage& operator=(const RealPage&) = delete;
  ~RealPage() override { ::munmap(memory_, page_bytes); }

  // The words live in the file, so no constructor may run over them.
  std::atomic<std::uint64_t>& word(std::size_t index) override {
    return static_cast<std::atomic<std::uint64_t>*>(memory_)[index];
  }

 private:
  void* memory_;
};

class RealLock final : public DiskLock {
 public:
  explicit RealLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;
};

Status make_one_directory(const std::string& path) {
  constexpr mode_t mode = 0750;
  if (::mkdir(path.c_str(), mode) == 0) return {};
  const int error = errno;
  struct stat status {};
  const bool found = error == EEXIST && ::stat(path.c_str(), &status) == 0;
  if (found && S_ISDIR(status.st_mode)) return {};
  return io_error("cannot make directory", path, found ? ENOTDIR : error);
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Directories that a store must not take for files: lost+found in the root of a mounted file
// system.
bool is_directory(int directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat status {};
  return ::fstatat(directory, entry.d_name, &status, 0) == 0 && S_ISDIR(status.st_mode);
}

tl::unexpected<Error> held_by(const Descriptor& file, const std::string& path) {
  std::string holder;
  constexpr std::size_t holder_bytes_max = 512;
  TRY_DO(read_at(file, path, 0, holder_bytes_max, holder));
  if (holder.empty()) holder = "a process that has not written its name yet";
  return fail(Code::conflict,
              fmt::format("{} is locked by {}; one process writes a store: stop that one first",
                          path, holder));
}

class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open_read(const std::string& path) override {
    return open_file(path, O_RDONLY);
  }
  Result<std::unique_ptr<File>> open_write(const std::string& path) override {
    return open_file(path, O_RDWR);
  }
  Result<std::unique_ptr<File>> create(const std::string& path) override {
    return open_file(path, O_RDWR | O_CREAT | O_TRUNC);
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return io_error("cannot rename", from + " to " + to, errno);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    return io_error("cannot remove", path, errno);
  }

  // Only the caller of mkdir knows which parents were new: their names are synced here.
  Status make_directory(const std::string& given) override {
    const std::string path = without_trailing_slash(given);
    TRY(const bool there, exists(path));
    if (there) return make_one_directory(path);
    if (const std::string parent = parent_of(path); parent != path) {
      TRY_DO(make_directory(parent));
    }
    TRY_DO(make_one_directory(path));
    return sync_directory(parent_of(path));
  }

  Status sync_directory(const std::string& path) override {
    TRY(const Descriptor directory, open_descriptor(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.number()) != 0) return sync_error("cannot sync directory", path, errno);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (directory == nullptr) return io_error("cannot list", path, errno);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr) break;
      if (!is_directory(::dirfd(directory.get()), *entry)) names.emplace_back(entry->d_name);
    }
    if (errno != 0) return io_error("cannot list", path, errno);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<bool> exists(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT) return false;
    return io_error("cannot look for", path, errno);
  }

  Result<FileIdentity> identity(const std::string& path) override {
    struct statx status {};
    if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &status) != 0) {
      return io_error("cannot look at", path, errno);
    }
    constexpr std::int64_t nanos = 1'000'000'000;
    FileIdentity identity{status.stx_ino, 0};
    if ((status.stx_mask & STATX_BTIME) != 0)
      identity.born_nanos = status.stx_btime.tv_sec * nanos + status.stx_btime.tv_nsec;
    return identity;
  }

  Result<std::uint64_t> free_bytes(const std::string& path) override {
    struct statvfs status {};
    if (uninterrupted([&] { return ::statvfs(path.c_str(), &status); }) != 0) {
      return io_error("cannot read free space of", path, errno);
    }
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }

  Result<std::unique_ptr<SharedPage>> map_page(const std::string& path, bool writable) override {
    TRY(const Descriptor file, open_descriptor(path, writable ? O_RDWR | O_CREAT : O_RDONLY));
    TRY(const std::uint64_t size, size_of(file, path));
    if (size < page_bytes) {
      // Mapping beyond the end kills whoever touches it, and so does a hole on a full disk: zeros
      // are written.
      if (!writable) return fail(Code::not_found, path + " has no page yet");
      TRY_DO(write_at(file, path, size, std::string(page_bytes - size, '\0')));
    }
    const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void* memory = ::mmap(nullptr, page_bytes, protection, MAP_SHARED, file.number(), 0);
    if (memory == MAP_FAILED) return io_error("cannot map", path, errno);
    return std::unique_ptr<SharedPage>(std::make_unique<RealPage>(memory));
  }

  // flock belongs to the open file, so it also keeps two stores in one process apart, and the
  // kernel drops it with the process. The file stays: removing it would let two processes lock two
  // files of one name.
  Result<std::unique_ptr<DiskLock>> lock(const std::string& path,
                                         const std::string& holder) override {
    TRY(Descriptor file, open_descriptor(path, O_RDWR | O_CREAT));
    if (uninterrupted([&] { return ::flock(file.number(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno == EWOULDBLOCK) return held_by(file, path);
      return io_error("cannot lock", path, errno);
    }
    if (uninterrupted([&] { return ::ftruncate(file.number(), 0); }) != 0) {
      return io_error("cannot write", path, errno);
    }
    TRY_DO(write_at(file, path, 0, holder));
    return std::unique_ptr<DiskLock>(std::make_unique<RealLock>(std::move(file)));
  }

 private:
  static Result<std::unique_ptr<File>> open_file(const std::string& path, int flags) {
    TRY(Descriptor file, open_descriptor(path, flags));
    return std::unique_ptr<File>(std::make_unique<RealFile>(std::move(file), path));
  }
};

}  // namespace

std::unique_ptr<Disk> real_disk() { return std::make_unique<RealDisk>(); }

Result<std::string> read_file(Disk& disk, const std::string& path) {
  TRY(const auto file, disk.open_read(path));
  TRY(const std::uint64_t size, file->size());
  std::string content;
  TRY_DO(file->read(0, static_cast<std::size_t>(size), content));
  return content;
}

Status replace_file(Disk& disk, const std::string& directory, const std::string& name,
                    std::string_view content) {
  const std::string temporary = directory + "/" + name + ".tmp";
  TRY(auto file, disk.create(temporary));
  TRY_DO(file->write(0, content));
  TRY_DO(file->sync());
  file.reset();
  TRY_DO(disk.rename(temporary, directory + "/" + name));
  return disk.sync_directory(directory);
}

}  // namespace tidelog
