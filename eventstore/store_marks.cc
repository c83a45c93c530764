#include "eventstore/store_marks.h"

#include <fmt/format.h>

#include <random>

#include "core/bytes.h"
#include "core/crc32c.h"

namespace tidelog {
namespace {

constexpr std::uint32_t backup_magic = 0x4B474C54;  // "TLGK"
constexpr std::uint32_t origin_magic = 0x4F474C54;  // "TLGO"
constexpr std::uint32_t home_magic = 0x44474C54;    // "TLGD"
constexpr std::size_t uuid_bytes = 16;
constexpr std::size_t file_bytes_min = 6;

std::string begin(std::uint32_t magic) {
  std::string out;
  put_le(out, magic);
  put_le(out, format::version);
  return out;
}

std::string sealed(std::string bytes) {
  put_le(bytes, crc32c(bytes));
  return bytes;
}

// What is between the version and the checksum.
Result<std::string_view> open_sealed(std::string_view bytes, std::uint32_t magic,
                                     std::string_view what) {
  constexpr std::size_t around = 12;
  ByteReader in(bytes);
  if (in.le<std::uint32_t>() != magic || bytes.size() < around)
    return fail(Code::corrupt, fmt::format("{}: other bytes than ours", what));
  const std::string_view covered = bytes.substr(0, bytes.size() - sizeof(std::uint32_t));
  const auto crc = ByteReader(bytes.substr(covered.size())).le<std::uint32_t>();
  const auto version = in.le<std::uint32_t>();
  if (crc32c(covered) != crc) return fail(Code::corrupt, fmt::format("{}: checksum", what));
  if (version != format::version) {
    return fail(Code::unsupported, fmt::format("{}: of format version {}, this is {}", what,
                                               version, format::version));
  }
  return covered.substr(2 * sizeof(std::uint32_t));
}

template <class Mark>
Result<std::optional<Mark>> read_mark(Disk& disk, const std::string& path,
                                      Result<Mark> (*read)(std::string_view)) {
  const auto bytes = read_file(disk, path);
  if (!bytes && bytes.error().code == Code::not_found) return std::optional<Mark>();
  if (!bytes) return error_of(bytes);
  auto mark = read(*bytes);
  if (!mark) return fail_in(path, mark.error());
  return std::optional<Mark>(*std::move(mark));
}

}  // namespace

MarkPaths::MarkPaths(const StorePaths& paths)
    : backup(paths.directory + "/backup"),
      unfinished_backup(paths.directory + "/backup.unfinished"),
      unfinished(paths.directory + "/unfinished"),
      origin(paths.directory + "/origin"),
      home(paths.directory + "/home") {}

std::string new_uuid() {
  std::random_device random;
  std::string uuid;
  while (uuid.size() < uuid_bytes) put_le(uuid, static_cast<std::uint32_t>(random()));
  return uuid;
}

// sized manifest | i64 time | u64 position | u64 batches
// | varint n | n * (sized name | varint bytes | u32 crc)
std::string encode(const BackupRecord& record) {
  std::string out = begin(backup_magic);
  put_sized(out, format::encode(record.manifest));
  put_le(out, record.time.value);
  put_le(out, record.durable.value);
  put_le(out, record.durable_batches);
  put_varint(out, record.files.size());
  for (const auto& file : record.files) {
    put_sized(out, file.name);
    put_varint(out, file.bytes);
    put_le(out, file.crc);
  }
  return sealed(std::move(out));
}

Result<BackupRecord> read_backup_record(std::string_view bytes) {
  TRY(const std::string_view content, open_sealed(bytes, backup_magic, "record of a backup"));
  ByteReader in(content);
  BackupRecord record;
  const std::string_view manifest = in.sized();
  record.time.value = in.le<std::int64_t>();
  record.durable.value = in.le<std::uint64_t>();
  record.durable_batches = in.le<std::uint64_t>();
  record.files.resize(in.varint_count(file_bytes_min));
  for (auto& file : record.files) {
    file.name = in.sized();
    file.bytes = in.varint();
    file.crc = in.le<std::uint32_t>();
  }
  if (!in.failed()) {
    TRY(record.manifest, format::read_manifest(manifest));
  }
  return in.finish(std::move(record), "record of a backup");
}

Result<std::optional<BackupRecord>> read_backup_record(Disk& disk, const std::string& path) {
  return read_mark<BackupRecord>(disk, path, read_backup_record);
}

Status write_backup_record(Disk& disk, const StorePaths& paths, const std::string& name,
                           const BackupRecord& record) {
  return replace_file(disk, paths.directory, name, encode(record));
}

std::string_view name_of(OriginKind kind) {
  switch (kind) {
    case OriginKind::restored:
      return "restored";
    case OriginKind::salvaged:
      return "salvaged";
  }
  return "made";
}

// u8 kind | u8 incomplete | 16 uuid | u64 position | i64 time
std::string encode(const Origin& origin) {
  std::string out = begin(origin_magic);
  put_le(out, static_cast<std::uint8_t>(origin.kind));
  put_le(out, static_cast<std::uint8_t>(origin.incomplete ? 1 : 0));
  out += origin.uuid;
  put_le(out, origin.position.value);
  put_le(out, origin.time.value);
  return sealed(std::move(out));
}

Result<Origin> read_origin(std::string_view bytes) {
  TRY(const std::string_view content, open_sealed(bytes, origin_magic, "origin of a store"));
  ByteReader in(content);
  Origin origin;
  const auto kind = in.le<std::uint8_t>();
  origin.incomplete = in.le<std::uint8_t>() == 1;
  origin.uuid = in.bytes(uuid_bytes);
  origin.position.value = in.le<std::uint64_t>();
  origin.time.value = in.le<std::int64_t>();
  if (kind < static_cast<std::uint8_t>(OriginKind::restored) ||
      kind > static_cast<std::uint8_t>(OriginKind::salvaged)) {
    in.fail();
  }
  origin.kind = static_cast<OriginKind>(kind);
  return in.finish(std::move(origin), "origin of a store");
}

Result<std::optional<Origin>> read_origin(Disk& disk, const StorePaths& paths) {
  return read_mark<Origin>(disk, MarkPaths(paths).origin, read_origin);
}

Status write_origin(Disk& disk, const StorePaths& paths, const Origin& origin) {
  return replace_file(disk, paths.directory, "origin", encode(origin));
}

// u64 inode | i64 nanoseconds
std::string encode(const FileIdentity& home) {
  std::string out = begin(home_magic);
  put_le(out, home.inode);
  put_le(out, home.born_nanos);
  return sealed(std::move(out));
}

Result<FileIdentity> read_home(std::string_view bytes) {
  TRY(const std::string_view content, open_sealed(bytes, home_magic, "home of a store"));
  ByteReader in(content);
  FileIdentity home;
  home.inode = in.le<std::uint64_t>();
  home.born_nanos = in.le<std::int64_t>();
  return in.finish(home, "home of a store");
}

Result<std::optional<FileIdentity>> read_home(Disk& disk, const StorePaths& paths) {
  return read_mark<FileIdentity>(disk, MarkPaths(paths).home, read_home);
}

Status write_home(Disk& disk, const StorePaths& paths) {
  TRY(const FileIdentity home, disk.identity(paths.directory));
  return replace_file(disk, paths.directory, "home", encode(home));
}

std::string print_uuid(std::string_view uuid) {
  std::string out;
  for (const char c : uuid) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<std::uint8_t>(c));
  }
  return out;
}

}  // namespace tidelog
