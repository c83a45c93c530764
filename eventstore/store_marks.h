// Marks: small files beside a store that say what its folder is. `backup`: a backup, and what it
// holds. `unfinished`: a store that is being made (new_store.h). `origin`: what it was made from.
// `home`: the folder that it was written in last, so that a copy is noticed. FORMAT.md section 13.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

struct MarkPaths {
  explicit MarkPaths(const StorePaths& paths);
  std::string backup, unfinished_backup, unfinished, origin, home;
};

// 16 random bytes: which store this is.
std::string new_uuid();

// -- backup --

struct BackupFile {
  std::string name;         // within the folder: "segments/00000001-0.log"
  std::uint64_t bytes = 0;  // from its begin; what follows does not count
  std::uint32_t crc = 0;    // of them
  bool operator==(const BackupFile&) const = default;
};

// `backup` is written last, when everything that it lists is on disk. `backup.unfinished` has the
// same form and lists the files that a backup in progress has copied.
struct BackupRecord {
  format::Manifest manifest;  // of the store, with the segments that the backup holds
  UnixMicros time;            // when it was made
  Position durable;           // it holds every event before this
  std::uint64_t durable_batches = 0;
  std::vector<BackupFile> files;  // by name
};

std::string encode(const BackupRecord& record);
Result<BackupRecord> read_backup_record(std::string_view bytes);
// Nothing when there is no such file.
Result<std::optional<BackupRecord>> read_backup_record(Disk& disk, const std::string& path);
Status write_backup_record(Disk& disk, const StorePaths& paths, const std::string& name,
                           const BackupRecord& record);

// -- origin --

enum class OriginKind : std::uint8_t { restored = 1, salvaged = 2 };
std::string_view name_of(OriginKind kind);

struct Origin {
  OriginKind kind = OriginKind::restored;
  // Events of the store that it was made from are left out: its sources must not go on from here.
  bool incomplete = false;
  std::string uuid;   // of that store
  Position position;  // where it stood then
  UnixMicros time;    // when this one was made
};

std::string encode(const Origin& origin);
Result<Origin> read_origin(std::string_view bytes);
// Nothing for a store that began empty.
Result<std::optional<Origin>> read_origin(Disk& disk, const StorePaths& paths);
Status write_origin(Disk& disk, const StorePaths& paths, const Origin& origin);

// -- home --

std::string encode(const FileIdentity& home);
Result<FileIdentity> read_home(std::string_view bytes);
// Nothing when there is none: then nothing is known.
Result<std::optional<FileIdentity>> read_home(Disk& disk, const StorePaths& paths);
Status write_home(Disk& disk, const StorePaths& paths);

// "1f0c…", for people.
std::string print_uuid(std::string_view uuid);

}  // namespace tidelog
