#include "projections/row_map.h"

#include <algorithm>
#include <new>

#include "core/invariant.h"

namespace tidelog {
namespace {

constexpr std::size_t chunk_bytes = 1 << 20;
constexpr std::size_t compact_bytes_min = 4 * chunk_bytes;  // below it garbage does not matter
constexpr std::size_t unit_bytes = sizeof(std::uint64_t);

}  // namespace

// What stands before the key and the row of each record.
struct RowMap::Head {
  std::uint64_t position = 0;
  std::uint64_t revision = 0;
  std::uint32_t schema = 0;
  std::uint32_t copies = 0;  // 0: dead, nothing refers to it
  std::uint32_t key_bytes = 0;
  std::uint32_t row_bytes = 0;
  std::uint32_t unit_count = 0;  // the whole record, of unit_bytes each

  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  std::string_view key() const { return {bytes(), key_bytes}; }
  std::string_view row() const { return {bytes() + key_bytes, row_bytes}; }
  std::size_t record_bytes() const { return std::size_t{unit_count} * unit_bytes; }

  static std::size_t units_for(const StoredRow& row) {
    return (sizeof(Head) + row.key.size() + row.row.size() + unit_bytes - 1) / unit_bytes;
  }

  void set(const StoredRow& row) {
    position = row.position.value;
    revision = row.revision.value;
    schema = row.schema.value;
    copies = row.copies;
    key_bytes = static_cast<std::uint32_t>(row.key.size());
    row_bytes = static_cast<std::uint32_t>(row.row.size());
    std::copy_n(row.row.data(), row.row.size(),
                std::copy_n(row.key.data(), row.key.size(), bytes()));
  }
};

StoredRow RowMap::stored(const Head& head) {
  return {head.key(),
          head.row(),
          SchemaId{head.schema},
          Position{head.position},
          Revision{head.revision},
          head.copies};
}

// Chunks of records, one after the other. A chunk's number stays while it lives.
class RowMap::Arena {
 public:
  Head& at(Ref ref) {
    return *reinterpret_cast<Head*>(chunks_[ref >> 32].units.get() + (ref & 0xFFFFFFFF));
  }
  const Head& at(Ref ref) const {
    return *reinterpret_cast<const Head*>(chunks_[ref >> 32].units.get() + (ref & 0xFFFFFFFF));
  }

  Ref add(const StoredRow& row) {
    const std::size_t units = Head::units_for(row);
    if (chunks_.empty() || chunks_[filling_].capacity - chunks_[filling_].used < units)
      open_chunk(units);
    Chunk& chunk = chunks_[filling_];
    auto* head = new (chunk.units.get() + chunk.used) Head;
    head->unit_count = static_cast<std::uint32_t>(units);
    head->set(row);
    const Ref ref = std::uint64_t{filling_} << 32 | chunk.used;
    chunk.used += units;
    used_bytes_ += units * unit_bytes;
    return ref;
  }

  void kill(Head& head) {
    head.copies = 0;
    dead_bytes_ += head.record_bytes();
  }

  bool half_dead() const {
    return used_bytes_ > compact_bytes_min && dead_bytes_ > used_bytes_ / 2;
  }
  std::size_t allocated_bytes() const { return allocated_bytes_; }

  // Copies what is alive into new chunks, chunk by chunk, freeing each at once, and reports every
  // move.
  template <class Moved>
  void compact(Moved moved) {
    std::vector<std::uint32_t> old;
    for (std::uint32_t i = 0; i < chunks_.size(); ++i) {
      if (chunks_[i].units) old.push_back(i);
    }
    used_bytes_ = dead_bytes_ = 0;
    open_chunk(0);
    for (const std::uint32_t number : old) {
      move_live(number, moved);
      allocated_bytes_ -= chunks_[number].capacity * unit_bytes;
      chunks_[number] = {};
      free_numbers_.push_back(number);
    }
  }

 private:
  struct Chunk {
    std::unique_ptr<std::uint64_t[]> units;
    std::size_t capacity = 0;
    std::size_t used = 0;
  };

  template <class Moved>
  void move_live(std::uint32_t number, Moved moved) {
    const std::size_t used = chunks_[number].used;
    for (std::size_t unit = 0; unit < used;) {
      const Ref from = std::uint64_t{number} << 32 | unit;
      const Head& head = at(from);
      unit += head.unit_count;
      if (head.copies > 0) moved(head.key(), from, add(stored(head)));
    }
  }

  void open_chunk(std::size_t units_min) {
    const std::size_t capacity = std::max(units_min, chunk_bytes / unit_bytes);
    Chunk chunk{std::make_unique_for_overwrite<std::uint64_t[]>(capacity), capacity, 0};
    allocated_bytes_ += capacity * unit_bytes;
    if (free_numbers_.empty()) {
      filling_ = static_cast<std::uint32_t>(chunks_.size());
      chunks_.push_back(std::move(chunk));
    } else {
      filling_ = free_numbers_.back();
      free_numbers_.pop_back();
      chunks_[filling_] = std::move(chunk);
    }
  }

  std::vector<Chunk> chunks_;
  std::vector<std::uint32_t> free_numbers_;
  std::uint32_t filling_ = 0;
  std::size_t used_bytes_ = 0;
  std::size_t dead_bytes_ = 0;
  std::size_t allocated_bytes_ = 0;
};

RowMap::RowMap()
    : arena_(std::make_unique<Arena>()), slots_(0, Hash{arena_.get()}, Equal{arena_.get()}) {}
RowMap::RowMap(RowMap&&) noexcept = default;
RowMap& RowMap::operator=(RowMap&&) noexcept = default;
RowMap::~RowMap() = default;

std::string_view RowMap::key_of(const Arena& arena, Ref ref) { return arena.at(ref).key(); }

StoredRow RowMap::read(Ref ref) const { return stored(arena_->at(ref)); }

std::optional<StoredRow> RowMap::find(std::string_view key) const {
  const auto slot = slots_.find(key);
  if (slot == slots_.end()) return std::nullopt;
  return read(slot->ref);
}

void RowMap::put(const StoredRow& row) {
  const auto slot = slots_.find(row.key);
  if (slot == slots_.end()) {
    slots_.insert(Slot{arena_->add(row)});
    return;
  }
  Head& head = arena_->at(slot->ref);
  const std::size_t units = Head::units_for(row);
  // In place, unless most of the room would stay empty.
  if (units <= head.unit_count && head.unit_count <= 2 * units) {
    head.set(row);
    return;
  }
  arena_->kill(head);
  slot->ref = arena_->add(row);
  if (arena_->half_dead()) compact();
}

bool RowMap::erase(std::string_view key) {
  const auto slot = slots_.find(key);
  if (slot == slots_.end()) return false;
  Head& dead = arena_->at(slot->ref);
  slots_.erase(slot);  // before the key dies
  arena_->kill(dead);
  if (arena_->half_dead()) compact();
  return true;
}

void RowMap::clear() { *this = RowMap(); }

std::size_t RowMap::arena_bytes() const { return arena_->allocated_bytes(); }

void RowMap::compact() {
  arena_->compact([&](std::string_view key, Ref from, Ref to) {
    const auto slot = slots_.find(key);
    INVARIANT(slot != slots_.end() && slot->ref == from, "a living row is in the hash table");
    slot->ref = to;
  });
}

}  // namespace tidelog
