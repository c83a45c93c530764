// HeldFile: what a source holds of a transaction that has not ended (core/held_transaction.h), in a
// file of its own in `staging`. One that was kept outlives the process, and recovery leaves it
// alone; any other goes with its object, or with the next opening of the store. FORMAT.md
// section 6.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/held_transaction.h"
#include "core/result.h"
#include "eventstore/disk_floor.h"
#include "eventstore/format.h"

namespace tidelog {

struct HeldPaths {
  std::string folder;  // `staging`
  std::string held;    // the name until it is kept
  std::string kept;    // and from then on
};

// One thread.
class HeldFile final : public HeldTransaction {
 public:
  // Empty; nothing is on disk before there is much to hold.
  HeldFile(Disk& disk, HeldPaths paths, std::uint64_t id, DiskFloor& floor)
      : disk_(disk), paths_(std::move(paths)), id_(id), floor_(floor) {}
  // One that was kept. Code::corrupt when it is missing or damaged; its records are verified when
  // they are read.
  static Result<std::unique_ptr<HeldFile>> open(Disk& disk, HeldPaths paths, std::uint64_t id,
                                                DiskFloor& floor);
  ~HeldFile() override;
  HeldFile(const HeldFile&) = delete;
  HeldFile& operator=(const HeldFile&) = delete;

  using HeldTransaction::add;
  Status add(std::uint64_t part, std::string_view head, std::string_view rest) override;
  void drop(std::uint64_t part) override;
  Status rest() override;
  Status for_each(const std::function<Status(const Record&)>& visit) override;
  std::uint64_t id() const override { return id_; }
  const std::string& about() const override { return about_; }

  // On disk when this returns. Nothing is added or dropped from then on.
  Status keep(std::string_view about);
  // Whether keep() failed in a way that must not be tried again.
  bool sync_failed() const { return sync_failed_; }
  // A kept one has ended. Best effort: whoever asks for the kept ones next removes the others.
  void remove();

 private:
  enum class Name : std::uint8_t { none, held, kept };
  const std::string& path() const { return name_ == Name::kept ? paths_.kept : paths_.held; }
  Status flush();
  Status open_to_write();
  Status synced(Status status);
  Status visit_block(std::string_view raw, std::uint64_t first_record,
                     const std::function<Status(const Record&)>& visit) const;
  std::string foot() const;
  Status read_foot(std::string_view bytes);

  Disk& disk_;
  const HeldPaths paths_;
  const std::uint64_t id_;
  DiskFloor& floor_;
  Name name_ = Name::none;
  bool sync_failed_ = false;
  std::unique_ptr<File> file_;
  std::string about_;

  std::string raw_;  // the block that is being filled
  std::uint64_t raw_records_ = 0;
  std::string stored_;                      // its bytes as they are written
  std::vector<format::BlockEntry> blocks_;  // their event counts count records
  std::uint64_t file_offset_ = 0;
  std::uint64_t records_ = 0;  // in all blocks
  // Of each part that was dropped: its records among so many first ones do not count.
  absl::flat_hash_map<std::uint64_t, std::uint64_t> dropped_;
};

}  // namespace tidelog
