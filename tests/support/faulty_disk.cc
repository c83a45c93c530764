#include "tests/support/faulty_disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

namespace tidelog::testing {
namespace {

constexpr std::size_t sector_bytes = 512;
constexpr std::size_t page_bytes = 4096;
constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

// SplitMix64: the same numbers everywhere for one seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
    return mixed ^ (mixed >> 31);
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }

 private:
  std::uint64_t state_;
};

// What a sector held after a write. `lost`: a failed sync was to write it.
struct SectorVersion {
  std::uint64_t sequence = 0;
  std::string bytes;
  bool lost = false;
};

struct SizeVersion {
  std::uint64_t sequence = 0;
  std::uint64_t bytes = 0;
  bool truncates = false;
  bool lost = false;
};

using Words = std::array<std::uint64_t, SharedPage::word_count>;

// A value that copies share until one of them changes it.
template <class T>
class Shared {
 public:
  Shared() : value_(std::make_shared<T>()) {}
  explicit Shared(T value) : value_(std::make_shared<T>(std::move(value))) {}
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  T& to_change() {
    if (value_.use_count() != 1) value_ = std::make_shared<T>(*value_);
    return *value_;
  }

 private:
  std::shared_ptr<T> value_;
};

struct Page {
  std::array<std::atomic<std::uint64_t>, SharedPage::word_count> words{};
  Shared<std::vector<Words>> history{std::vector<Words>(1)};  // sampled at every disk call

  Words load() const {
    Words values{};
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = words[i].load();
    return values;
  }
  void store(const Words& values) {
    for (std::size_t i = 0; i < values.size(); ++i) words[i].store(values[i]);
  }
};

struct Inode {
  using Sectors = std::map<std::uint64_t, std::vector<SectorVersion>>;
  Shared<std::string> cache;       // what every process sees
  Shared<std::string> disk;        // what was synced
  Shared<Sectors> sectors;         // unsynced, oldest first
  std::vector<SizeVersion> sizes;  // unsynced, oldest first
  bool some_lost = false;          // of what is unsynced
  std::shared_ptr<Page> page;      // of a mapped file

  bool is_synced() const { return sectors->empty() && sizes.empty(); }
};
using InodePtr = std::shared_ptr<Inode>;
using Names = std::map<std::string, InodePtr>;

// create and remove set one name, rename two.
struct NameChange {
  std::string directory;                                // whose sync makes it durable
  std::vector<std::pair<std::string, InodePtr>> names;  // null: no such file
  bool lost = false;

  bool shares_a_name_with(const NameChange& other) const {
    for (const auto& [name, inode] : names) {
      for (const auto& [other_name, other_inode] : other.names) {
        if (name == other_name) return true;
      }
    }
    return false;
  }
};

struct Fault {
  std::uint64_t call = never;
  FaultyDisk::Repeat repeat = FaultyDisk::Repeat::once;
  Code code = Code::failed;
  std::size_t written_bytes = 0;
};

struct LastWrite {
  std::weak_ptr<Inode> inode;
  std::uint64_t sequence = 0;
  std::uint64_t first_sector = 0;
  std::uint64_t sector_count = 0;
};

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string normal(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool needs_space(DiskCall call) {
  switch (call) {
    case DiskCall::create:
    case DiskCall::write:
    case DiskCall::truncate:
    case DiskCall::rename:
    case DiskCall::make_directory:
    case DiskCall::map_page:
    case DiskCall::lock:
      return true;
    case DiskCall::open_read:
    case DiskCall::open_write:
    case DiskCall::read:
    case DiskCall::size:
    case DiskCall::remove:
    case DiskCall::sync:
    case DiskCall::sync_directory:
    case DiskCall::list:
    case DiskCall::exists:
    case DiskCall::free_bytes:
      return false;
  }
  return false;
}

// How many of a sector's or a size's unsynced versions reached the disk.
template <class Version>
std::size_t count_that_is_not_lost(const std::vector<Version>& versions) {
  std::size_t count = versions.size();
  while (count > 0 && versions[count - 1].lost) --count;
  return count;
}

struct Survivors {
  std::function<std::size_t(std::uint64_t sector, const std::vector<SectorVersion>&)> sector;
  std::function<std::size_t(const std::vector<SizeVersion>&)> size;
};

Survivors all_but_lost() {
  return {
      [](std::uint64_t, const std::vector<SectorVersion>& versions) {
        return count_that_is_not_lost(versions);
      },
      [](const std::vector<SizeVersion>& versions) { return count_that_is_not_lost(versions); }};
}

void put_at(std::string& content, std::uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  content.replace(offset, bytes.size(), bytes);
}

// Zeroes what an old truncate cut off and a later extension shows again.
void cut(std::string& content, std::uint64_t bytes, std::uint64_t sequence,
         const std::map<std::uint64_t, std::uint64_t>& sequence_of_sector) {
  for (std::uint64_t at = bytes; at < content.size();) {
    const std::uint64_t sector = at / sector_bytes;
    const std::uint64_t end = std::min<std::uint64_t>((sector + 1) * sector_bytes, content.size());
    const auto written = sequence_of_sector.find(sector);
    if (written == sequence_of_sector.end() || written->second < sequence) {
      std::fill(content.begin() + static_cast<std::ptrdiff_t>(at),
                content.begin() + static_cast<std::ptrdiff_t>(end), '\0');
    }
    at = end;
  }
}

std::string content_on_disk(const Inode& inode, const Survivors& survivors) {
  std::string content = *inode.disk;
  std::map<std::uint64_t, std::uint64_t> sequence_of_sector;
  for (const auto& [sector, versions] : *inode.sectors) {
    const std::size_t count = survivors.sector(sector, versions);
    if (count == 0) continue;
    put_at(content, sector * sector_bytes, versions[count - 1].bytes);
    sequence_of_sector[sector] = versions[count - 1].sequence;
  }
  std::uint64_t size = inode.disk->size();
  const std::size_t size_count = survivors.size(inode.sizes);
  for (std::size_t i = 0; i < size_count; ++i) {
    const SizeVersion& version = inode.sizes[i];
    if (version.truncates) cut(content, version.bytes, version.sequence, sequence_of_sector);
    size = version.bytes;
  }
  content.resize(size);
  return content;
}

template <class Version>
void forget(std::vector<Version>& versions, std::size_t count) {
  versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(count));
}

void sync_inode(Inode& inode) {
  if (!inode.some_lost) {
    inode.disk = inode.cache;
    inode.sectors = {};
    inode.sizes.clear();
    return;
  }
  inode.disk = Shared(content_on_disk(inode, all_but_lost()));
  Inode::Sectors& sectors = inode.sectors.to_change();
  for (auto& [sector, versions] : sectors) forget(versions, count_that_is_not_lost(versions));
  std::erase_if(sectors, [](const auto& entry) { return entry.second.empty(); });
  forget(inode.sizes, count_that_is_not_lost(inode.sizes));
  inode.some_lost = !inode.is_synced();
}

void lose_inode(Inode& inode) {
  for (auto& [sector, versions] : inode.sectors.to_change()) {
    for (SectorVersion& version : versions) version.lost = true;
  }
  for (SizeVersion& version : inode.sizes) version.lost = true;
  inode.some_lost = !inode.is_synced();
}

void apply_change(Names& names, const NameChange& change) {
  for (const auto& [name, inode] : change.names) {
    if (inode == nullptr) {
      names.erase(name);
    } else {
      names[name] = inode;
    }
  }
}

std::string page_content(const Page& page) {
  std::string content(page_bytes, '\0');
  const Words words = page.load();
  std::copy_n(reinterpret_cast<const char*>(words.data()), sizeof(words), content.begin());
  return content;
}

std::shared_ptr<Page> page_of(std::string content) {
  Words words{};
  content.resize(sizeof(words), '\0');
  std::copy_n(content.begin(), sizeof(words), reinterpret_cast<char*>(words.data()));
  const auto page = std::make_shared<Page>();
  page->store(words);
  page->history = Shared(std::vector<Words>{words});
  return page;
}

}  // namespace

std::string_view name_of(DiskCall call) {
  switch (call) {
    case DiskCall::open_read:
      return "open_read";
    case DiskCall::open_write:
      return "open_write";
    case DiskCall::create:
      return "create";
    case DiskCall::read:
      return "read";
    case DiskCall::write:
      return "write";
    case DiskCall::sync:
      return "sync";
    case DiskCall::size:
      return "size";
    case DiskCall::truncate:
      return "truncate";
    case DiskCall::rename:
      return "rename";
    case DiskCall::remove:
      return "remove";
    case DiskCall::make_directory:
      return "make_directory";
    case DiskCall::sync_directory:
      return "sync_directory";
    case DiskCall::list:
      return "list";
    case DiskCall::exists:
      return "exists";
    case DiskCall::free_bytes:
      return "free_bytes";
    case DiskCall::map_page:
      return "map_page";
    case DiskCall::lock:
      return "lock";
  }
  return "";
}

bool changes_disk(DiskCall call) {
  switch (call) {
    case DiskCall::create:
    case DiskCall::write:
    case DiskCall::sync:
    case DiskCall::truncate:
    case DiskCall::rename:
    case DiskCall::remove:
    case DiskCall::make_directory:
    case DiskCall::sync_directory:
    case DiskCall::map_page:
    case DiskCall::lock:
      return true;
    case DiskCall::open_read:
    case DiskCall::open_write:
    case DiskCall::read:
    case DiskCall::size:
    case DiskCall::list:
    case DiskCall::exists:
    case DiskCall::free_bytes:
      return false;
  }
  return false;
}

std::string_view name_of(Survives survives) {
  switch (survives) {
    case Survives::nothing:
      return "nothing";
    case Survives::all:
      return "all";
    case Survives::all_but_one:
      return "all_but_one";
    case Survives::torn_last:
      return "torn_last";
    case Survives::some:
      return "some";
  }
  return "";
}

// All behind one mutex. The functions expect it held, unless they are called from FaultyDisk's
// copies.
struct FaultyDisk::State {
  mutable std::mutex mutex;
  Names names;                           // what every process sees
  Names durable;                         // what was synced
  std::vector<NameChange> name_changes;  // unsynced, oldest first
  std::set<std::string> directories = {"/", "."};
  std::set<std::string> locked;
  std::uint64_t sequence = 0;
  LastWrite last_write;
  std::uint64_t capacity = never;

  std::vector<DiskCall> calls;
  std::uint64_t crash_call = never;
  std::size_t crash_written_bytes = 0;
  bool crashed = false;
  Fault fault;
  std::vector<InodePtr> mapped;
  std::function<void(const FaultyDisk&)> watcher;

  // Opens every call. `written_bytes` is set when the call is a write that fails but writes so
  // much.
  Status enter(DiskCall call, const std::string& path,
               std::optional<std::size_t>* written_bytes = nullptr) {
    if (crashed) return fail(Code::failed, "crashed");
    sample_pages();
    if (watcher && changes_disk(call)) show(clone());
    const std::uint64_t number = calls.size();
    calls.push_back(call);
    if (number == crash_call) {
      crashed = true;
      if (written_bytes != nullptr) *written_bytes = crash_written_bytes;
      return fail(Code::failed, "crashed");
    }
    if (!is_hit(call, number)) return {};
    if (written_bytes != nullptr) *written_bytes = fault.written_bytes;
    if (fault.repeat == Repeat::once) fault.call = never;
    return fail(fault.code, fmt::format("{} {}: injected fault", name_of(call), path));
  }

  bool is_hit(DiskCall call, std::uint64_t number) const {
    return number >= fault.call && (fault.code != Code::disk_full || needs_space(call));
  }

  // `left` is a clone: what the caller does with it needs no mutex of ours.
  void show(std::shared_ptr<State> left) const { watcher(FaultyDisk(std::move(left))); }

  // A write of which a part is done. How much of it differs from call to call.
  void show_torn_write(const InodePtr& inode, std::uint64_t offset, std::string_view bytes) const {
    if (!watcher || bytes.size() < 2) return;
    std::map<const Inode*, InodePtr> copies;
    const auto torn = clone(copies);
    const auto copy = copies.find(inode.get());
    if (copy == copies.end()) return;  // it has no name any more: nobody will find it
    const std::size_t part = 1 + calls.size() * 7919 % (bytes.size() - 1);
    torn->write(copy->second, offset, bytes.substr(0, part));
    show(torn);
  }

  void sample_pages() {
    for (const InodePtr& inode : mapped) {
      const Words words = inode->page->load();
      auto& history = inode->page->history;
      if (history->back() != words) history.to_change().push_back(words);
    }
  }

  Result<InodePtr> find(const std::string& path) const {
    const auto found = names.find(path);
    if (found == names.end()) return fail(Code::not_found, path + ": no such file");
    return found->second;
  }

  Status need_directory(const std::string& path) const {
    if (directories.contains(path)) return {};
    return fail(Code::not_found, path + ": no such directory");
  }

  void change_names(const std::string& directory,
                    std::vector<std::pair<std::string, InodePtr>> changed) {
    NameChange change{directory, std::move(changed)};
    apply_change(names, change);
    name_changes.push_back(std::move(change));
  }

  void sync_names(const std::string& directory) {
    std::vector<NameChange> left;
    for (NameChange& change : name_changes) {
      if (change.directory != directory || change.lost) {
        left.push_back(std::move(change));
        continue;
      }
      apply_change(durable, change);
      std::erase_if(left,
                    [&](const NameChange& older) { return older.shares_a_name_with(change); });
    }
    name_changes = std::move(left);
  }

  std::uint64_t used_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, inode] : names) bytes += inode->cache->size();
    return bytes;
  }

  // As many of the bytes as fit.
  std::string_view that_fit(const Inode& inode, std::uint64_t offset,
                            std::string_view bytes) const {
    if (capacity == never) return bytes;
    const std::uint64_t used = used_bytes();
    const std::uint64_t room = inode.cache->size() + (capacity > used ? capacity - used : 0);
    if (offset + bytes.size() <= room) return bytes;
    return bytes.substr(0, room > offset ? room - offset : 0);
  }

  void write(const InodePtr& inode, std::uint64_t offset, std::string_view bytes) {
    if (bytes.empty()) return;
    ++sequence;
    std::string& cache = inode->cache.to_change();
    put_at(cache, offset, bytes);
    Inode::Sectors& sectors = inode->sectors.to_change();
    const std::uint64_t end = offset + bytes.size();
    const std::uint64_t first = offset / sector_bytes;
    const std::uint64_t last = (end - 1) / sector_bytes;
    for (std::uint64_t sector = first; sector <= last; ++sector) {
      sectors[sector].push_back({sequence, cache.substr(sector * sector_bytes, sector_bytes)});
    }
    const std::size_t known = count_that_is_not_lost(inode->sizes);
    const std::uint64_t size = known == 0 ? inode->disk->size() : inode->sizes[known - 1].bytes;
    if (end > size) inode->sizes.push_back({sequence, end});
    last_write = {inode, sequence, first, last - first + 1};
  }

  void truncate(Inode& inode, std::uint64_t bytes) {
    inode.cache.to_change().resize(bytes);
    inode.sizes.push_back({++sequence, bytes, true});
  }

  std::shared_ptr<State> clone() const {
    std::map<const Inode*, InodePtr> copies;
    return clone(copies);
  }

  // With the sharing between names kept. Contents are shared until one of the two changes them.
  std::shared_ptr<State> clone(std::map<const Inode*, InodePtr>& copies) const {
    auto copy = std::make_shared<State>();
    const auto copied = [&](const InodePtr& inode) -> InodePtr {
      if (inode == nullptr) return nullptr;
      InodePtr& known = copies[inode.get()];
      if (known == nullptr) known = copy_of(*inode);
      return known;
    };
    for (const auto& [name, inode] : names)
      copy->names.emplace_hint(copy->names.end(), name, copied(inode));
    for (const auto& [name, inode] : durable)
      copy->durable.emplace_hint(copy->durable.end(), name, copied(inode));
    for (const NameChange& change : name_changes) {
      copy->name_changes.push_back({change.directory, {}, change.lost});
      for (const auto& [name, inode] : change.names) {
        copy->name_changes.back().names.emplace_back(name, copied(inode));
      }
    }
    copy->directories = directories;
    copy->sequence = sequence;
    copy->last_write = last_write;
    copy->last_write.inode = copied(last_write.inode.lock());
    copy->capacity = capacity;
    for (const auto& [original, inode] : copies) {
      if (inode->page != nullptr) copy->mapped.push_back(inode);
    }
    return copy;
  }

  InodePtr copy_of(const Inode& inode) const {
    auto copy = std::make_shared<Inode>(inode);
    if (inode.page == nullptr) return copy;
    copy->page = std::make_shared<Page>();
    copy->page->history = inode.page->history;
    // After a crash the dying process's stores no longer count.
    copy->page->store(crashed ? inode.page->history->back() : inode.page->load());
    return copy;
  }

  // Every inode that a power loss may leave, in the order of their names.
  std::vector<InodePtr> inodes() const {
    std::vector<InodePtr> all;
    std::set<const Inode*> known;
    const auto add = [&](const InodePtr& inode) {
      if (inode != nullptr && known.insert(inode.get()).second) all.push_back(inode);
    };
    for (const auto& [name, inode] : durable) add(inode);
    for (const NameChange& change : name_changes) {
      for (const auto& [name, inode] : change.names) add(inode);
    }
    return all;
  }

  std::size_t unsynced_count() const {
    std::size_t count = 0;
    for (const InodePtr& inode : inodes()) {
      count += inode->sectors->size() + (inode->sizes.empty() ? 0 : 1);
    }
    return count + name_changes.size();
  }

  void lose_power(Survives survives, std::uint64_t number);
};

namespace {

// Decides for each unsynced thing of a disk, asked in a fixed order.
class PowerLoss {
 public:
  PowerLoss(Survives survives, std::uint64_t number, const LastWrite& last_write)
      : survives_(survives), number_(number), random_(number), last_write_(last_write) {}

  Survivors of(const Inode& inode) {
    return {[this, &inode](std::uint64_t sector, const std::vector<SectorVersion>& versions) {
              return sector_count(inode, sector, versions);
            },
            [this, &inode](const std::vector<SizeVersion>& versions) {
              return versions.empty() ? 0 : size_count(inode, versions);
            }};
  }

  bool survives(const NameChange& change) {
    switch (survives_) {
      case Survives::nothing:
        return false;
      case Survives::all:
      case Survives::torn_last:
        return !change.lost;
      case Survives::all_but_one:
        return !change.lost && !is_the_one();
      case Survives::some:
        return random_.below(2) == 0;
    }
    return false;
  }

  Words page(const std::vector<Words>& history) {
    switch (survives_) {
      case Survives::nothing:
        return history.front();
      case Survives::all:
      case Survives::torn_last:
      case Survives::all_but_one:
        return history.back();
      case Survives::some:
        return history[random_.below(history.size())];
    }
    return history.back();
  }

 private:
  bool is_the_one() { return asked_++ == number_; }

  std::size_t sector_count(const Inode& inode, std::uint64_t sector,
                           const std::vector<SectorVersion>& versions) {
    const std::size_t sound = count_that_is_not_lost(versions);
    switch (survives_) {
      case Survives::nothing:
        return 0;
      case Survives::all:
        return sound;
      case Survives::all_but_one:
        return is_the_one() ? 0 : sound;
      case Survives::torn_last:
        return is_torn(inode, sector) ? before_last_write(versions) : sound;
      case Survives::some:
        return random_.below(versions.size() + 1);
    }
    return sound;
  }

  std::size_t size_count(const Inode& inode, const std::vector<SizeVersion>& versions) {
    const std::size_t sound = count_that_is_not_lost(versions);
    switch (survives_) {
      case Survives::nothing:
        return 0;
      case Survives::all:
        return sound;
      case Survives::all_but_one:
        return is_the_one() ? 0 : sound;
      // Of the file's length, both are possible.
      case Survives::torn_last:
        return is_last(inode) && number_ % 2 == 0 ? before_last_write(versions) : sound;
      case Survives::some:
        return random_.below(versions.size() + 1);
    }
    return sound;
  }

  bool is_last(const Inode& inode) const { return last_write_.inode.lock().get() == &inode; }

  bool is_torn(const Inode& inode, std::uint64_t sector) const {
    return is_last(inode) && last_write_.sector_count > 0 &&
           sector >= last_write_.first_sector + number_ % last_write_.sector_count;
  }

  template <class Version>
  std::size_t before_last_write(const std::vector<Version>& versions) const {
    std::size_t count = count_that_is_not_lost(versions);
    while (count > 0 && versions[count - 1].sequence >= last_write_.sequence) --count;
    return count;
  }

  Survives survives_;
  std::uint64_t number_;
  Random random_;
  const LastWrite& last_write_;
  std::uint64_t asked_ = 0;
};

}  // namespace

void FaultyDisk::State::lose_power(Survives survives, std::uint64_t number) {
  PowerLoss loss(survives, number, last_write);
  for (const InodePtr& inode : inodes()) {
    if (!inode->is_synced()) inode->disk = Shared(content_on_disk(*inode, loss.of(*inode)));
    inode->cache = inode->disk;
    inode->sectors = {};
    inode->sizes.clear();
    inode->some_lost = false;
    if (inode->page == nullptr) continue;
    inode->page->store(loss.page(*inode->page->history));
    inode->page->history = Shared(std::vector<Words>(1, inode->page->load()));
  }
  for (const NameChange& change : name_changes) {
    if (loss.survives(change)) apply_change(durable, change);
  }
  name_changes.clear();
  names = durable;
  last_write = {};
}

namespace {

class FaultyFile final : public File {
 public:
  FaultyFile(std::shared_ptr<FaultyDisk::State> state, InodePtr inode, std::string path)
      : state_(std::move(state)), inode_(std::move(inode)), path_(std::move(path)) {}

  Status read(std::uint64_t offset, std::size_t bytes, std::string& out) const override {
    const std::lock_guard hold(state_->mutex);
    out.clear();
    TRY_DO(state_->enter(DiskCall::read, path_));
    const std::string& content = *inode_->cache;
    if (inode_->page != nullptr) {
      out = page_content(*inode_->page).substr(std::min<std::uint64_t>(offset, page_bytes), bytes);
    } else if (offset < content.size()) {
      out.assign(content, offset, bytes);
    }
    return {};
  }

  Status write(std::uint64_t offset, std::string_view bytes) override {
    const std::lock_guard hold(state_->mutex);
    std::optional<std::size_t> written_bytes;
    if (const Status entered = state_->enter(DiskCall::write, path_, &written_bytes); !entered) {
      state_->write(inode_, offset, bytes.substr(0, written_bytes.value_or(0)));
      return entered;
    }
    if (inode_->page != nullptr) return fail(Code::failed, path_ + " is mapped: not to be written");
    state_->show_torn_write(inode_, offset, bytes);
    const std::string_view fitting = state_->that_fit(*inode_, offset, bytes);
    state_->write(inode_, offset, fitting);
    if (fitting.size() < bytes.size()) return fail(Code::disk_full, path_ + ": no space left");
    return {};
  }

  Status sync() override {
    const std::lock_guard hold(state_->mutex);
    if (const Status entered = state_->enter(DiskCall::sync, path_); !entered) {
      if (!state_->crashed) lose_inode(*inode_);
      return entered;
    }
    sync_inode(*inode_);
    return {};
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard hold(state_->mutex);
    TRY_DO(state_->enter(DiskCall::size, path_));
    return inode_->page == nullptr ? inode_->cache->size() : page_bytes;
  }

  Status truncate(std::uint64_t bytes) override {
    const std::lock_guard hold(state_->mutex);
    TRY_DO(state_->enter(DiskCall::truncate, path_));
    state_->truncate(*inode_, bytes);
    return {};
  }

 private:
  std::shared_ptr<FaultyDisk::State> state_;
  InodePtr inode_;
  std::string path_;
};

class FaultyPage final : public SharedPage {
 public:
  explicit FaultyPage(std::shared_ptr<Page> page) : page_(std::move(page)) {}
  std::atomic<std::uint64_t>& word(std::size_t index) override { return page_->words.at(index); }

 private:
  std::shared_ptr<Page> page_;
};

class FaultyLock final : public DiskLock {
 public:
  FaultyLock(std::shared_ptr<FaultyDisk::State> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)) {}
  FaultyLock(const FaultyLock&) = delete;
  FaultyLock& operator=(const FaultyLock&) = delete;
  ~FaultyLock() override {
    const std::lock_guard hold(state_->mutex);
    state_->locked.erase(path_);
  }

 private:
  std::shared_ptr<FaultyDisk::State> state_;
  std::string path_;
};

}  // namespace

FaultyDisk::FaultyDisk() : state_(std::make_shared<State>()) {}
FaultyDisk::FaultyDisk(std::shared_ptr<State> state) : state_(std::move(state)) {}
FaultyDisk::FaultyDisk(const FaultyDisk& other) : FaultyDisk(other.after_kill()) {}
FaultyDisk::FaultyDisk(FaultyDisk&&) noexcept = default;
FaultyDisk& FaultyDisk::operator=(const FaultyDisk& other) {
  if (this != &other) *this = other.after_kill();
  return *this;
}
FaultyDisk& FaultyDisk::operator=(FaultyDisk&&) noexcept = default;
FaultyDisk::~FaultyDisk() = default;

void FaultyDisk::crash_at(std::uint64_t call, std::size_t written_bytes) {
  const std::lock_guard hold(state_->mutex);
  state_->crash_call = call;
  state_->crash_written_bytes = written_bytes;
}

bool FaultyDisk::crashed() const {
  const std::lock_guard hold(state_->mutex);
  return state_->crashed;
}

void FaultyDisk::fail_at(std::uint64_t call, Repeat repeat, Code code, std::size_t written_bytes) {
  const std::lock_guard hold(state_->mutex);
  state_->fault = {call, repeat, code, written_bytes};
}

void FaultyDisk::mend() {
  const std::lock_guard hold(state_->mutex);
  state_->fault = {};
}

void FaultyDisk::watch(std::function<void(const FaultyDisk& left)> see) {
  const std::lock_guard hold(state_->mutex);
  state_->watcher = std::move(see);
}

void FaultyDisk::set_capacity(std::uint64_t bytes) {
  const std::lock_guard hold(state_->mutex);
  state_->capacity = bytes;
}

std::uint64_t FaultyDisk::call_count() const {
  const std::lock_guard hold(state_->mutex);
  return state_->calls.size();
}

std::vector<DiskCall> FaultyDisk::calls() const {
  const std::lock_guard hold(state_->mutex);
  return state_->calls;
}

FaultyDisk FaultyDisk::after_kill() const {
  const std::lock_guard hold(state_->mutex);
  return FaultyDisk(state_->clone());
}

FaultyDisk FaultyDisk::after_power_loss(Survives survives, std::uint64_t number) const {
  FaultyDisk left = after_kill();
  left.state_->lose_power(survives, number);
  return left;
}

std::size_t FaultyDisk::unsynced_count() const {
  const std::lock_guard hold(state_->mutex);
  return state_->unsynced_count();
}

std::map<std::string, std::string> FaultyDisk::files() const {
  const std::lock_guard hold(state_->mutex);
  std::map<std::string, std::string> contents;
  for (const auto& [name, inode] : state_->names) {
    contents[name] = inode->page == nullptr ? *inode->cache : page_content(*inode->page);
  }
  return contents;
}

void FaultyDisk::put_file(const std::string& path, std::string content) {
  const std::lock_guard hold(state_->mutex);
  const auto inode = std::make_shared<Inode>();
  inode->cache = Shared(std::move(content));
  inode->disk = inode->cache;
  state_->names[path] = inode;
  state_->durable[path] = inode;
}

void FaultyDisk::flip_bit(const std::string& path, std::uint64_t bit) {
  const std::lock_guard hold(state_->mutex);
  Inode& inode = *state_->names.at(path);
  if (inode.page != nullptr) {
    if (bit / 64 < SharedPage::word_count) inode.page->words[bit / 64] ^= 1ULL << (bit % 64);
    return;
  }
  const auto flip = [bit](std::string& content) {
    char& byte = content.at(bit / 8);
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << (bit % 8)));
  };
  flip(inode.cache.to_change());
  if (bit / 8 < inode.disk->size()) flip(inode.disk.to_change());
}

std::uint64_t FaultyDisk::fingerprint() const {
  const std::lock_guard hold(state_->mutex);
  std::uint64_t all = 0;
  const auto add = [&all](std::string_view bytes) {
    all = Random(all ^ std::hash<std::string_view>{}(bytes)).next();
  };
  for (const auto& [name, inode] : state_->names) {
    add(name);
    add(inode->page == nullptr ? *inode->cache : page_content(*inode->page));
  }
  return all;
}

Result<std::unique_ptr<File>> FaultyDisk::open_read(const std::string& path) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::open_read, path));
  TRY(InodePtr inode, state_->find(path));
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(state_, std::move(inode), path));
}

Result<std::unique_ptr<File>> FaultyDisk::open_write(const std::string& path) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::open_write, path));
  TRY(InodePtr inode, state_->find(path));
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(state_, std::move(inode), path));
}

// One that exists keeps its name and is truncated, as by open(2).
Result<std::unique_ptr<File>> FaultyDisk::create(const std::string& path) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::create, path));
  TRY_DO(state_->need_directory(directory_of(path)));
  InodePtr inode;
  if (const auto found = state_->names.find(path); found != state_->names.end()) {
    inode = found->second;
    state_->truncate(*inode, 0);
  } else {
    inode = std::make_shared<Inode>();
    state_->change_names(directory_of(path), {{path, inode}});
  }
  return std::unique_ptr<File>(std::make_unique<FaultyFile>(state_, std::move(inode), path));
}

Status FaultyDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::rename, from));
  TRY(InodePtr inode, state_->find(from));
  TRY_DO(state_->need_directory(directory_of(to)));
  state_->change_names(directory_of(to), {{from, nullptr}, {to, inode}});
  return {};
}

Status FaultyDisk::remove(const std::string& path) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::remove, path));
  TRY_DO(state_->find(path));
  state_->change_names(directory_of(path), {{path, nullptr}});
  return {};
}

Status FaultyDisk::make_directory(const std::string& given) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::make_directory, given));
  std::string path = normal(given);
  while (state_->directories.insert(path).second) path = directory_of(path);
  return {};
}

Status FaultyDisk::sync_directory(const std::string& given) {
  const std::lock_guard hold(state_->mutex);
  const std::string path = normal(given);
  if (const Status entered = state_->enter(DiskCall::sync_directory, path); !entered) {
    if (state_->crashed) return entered;
    for (NameChange& change : state_->name_changes) {
      if (change.directory == path) change.lost = true;
    }
    return entered;
  }
  TRY_DO(state_->need_directory(path));
  state_->sync_names(path);
  return {};
}

Result<std::vector<std::string>> FaultyDisk::list(const std::string& given) {
  const std::lock_guard hold(state_->mutex);
  const std::string path = normal(given);
  TRY_DO(state_->enter(DiskCall::list, path));
  TRY_DO(state_->need_directory(path));
  std::vector<std::string> listed;
  const std::string prefix = path == "." ? "" : path == "/" ? path : path + "/";
  for (auto at = state_->names.lower_bound(prefix); at != state_->names.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    if (at->first.find('/', prefix.size()) == std::string::npos)
      listed.push_back(at->first.substr(prefix.size()));
  }
  std::sort(listed.begin(), listed.end());
  return listed;
}

Result<bool> FaultyDisk::exists(const std::string& given) {
  const std::lock_guard hold(state_->mutex);
  const std::string path = normal(given);
  TRY_DO(state_->enter(DiskCall::exists, path));
  return state_->names.contains(path) || state_->directories.contains(path);
}

Result<FileIdentity> FaultyDisk::identity(const std::string& given) {
  const std::lock_guard hold(state_->mutex);
  const std::string path = normal(given);
  TRY_DO(state_->enter(DiskCall::exists, path));
  return FileIdentity{std::hash<std::string>()(path), 1};
}

Result<std::uint64_t> FaultyDisk::free_bytes(const std::string& path) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::free_bytes, path));
  constexpr std::uint64_t large = 1ULL << 40;
  if (state_->capacity == never) return large;
  const std::uint64_t used = state_->used_bytes();
  return state_->capacity > used ? state_->capacity - used : 0;
}

Result<std::unique_ptr<SharedPage>> FaultyDisk::map_page(const std::string& path, bool writable) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::map_page, path));
  TRY_DO(state_->need_directory(directory_of(path)));
  if (writable && !state_->names.contains(path)) {
    state_->change_names(directory_of(path), {{path, std::make_shared<Inode>()}});
  }
  TRY(const InodePtr inode, state_->find(path));
  if (inode->page == nullptr) {
    if (!writable && inode->cache->empty()) return fail(Code::not_found, path + " has no page yet");
    inode->page = page_of(*inode->cache);
    state_->mapped.push_back(inode);
  }
  return std::unique_ptr<SharedPage>(std::make_unique<FaultyPage>(inode->page));
}

Result<std::unique_ptr<DiskLock>> FaultyDisk::lock(const std::string& path,
                                                   const std::string& holder) {
  const std::lock_guard hold(state_->mutex);
  TRY_DO(state_->enter(DiskCall::lock, path));
  TRY_DO(state_->need_directory(directory_of(path)));
  if (state_->locked.contains(path)) {
    return fail(Code::conflict, path + " is locked by " + *state_->names.at(path)->cache);
  }
  if (!state_->names.contains(path)) {
    state_->change_names(directory_of(path), {{path, std::make_shared<Inode>()}});
  }
  const InodePtr inode = state_->names.at(path);
  state_->truncate(*inode, 0);
  state_->write(inode, 0, holder);
  state_->locked.insert(path);
  return std::unique_ptr<DiskLock>(std::make_unique<FaultyLock>(state_, path));
}

}  // namespace tidelog::testing
