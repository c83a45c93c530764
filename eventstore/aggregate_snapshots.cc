#include "eventstore/aggregate_snapshots.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "eventstore/format.h"

namespace tidelog {
namespace {

// u32 magic | u32 version | 16 bytes uuid | varint stream id | sized stream name |
// list<varint revision, sized bytes> | u32 crc
constexpr std::uint32_t magic = 0x41474C54;  // "TLGA"
constexpr std::size_t snapshot_bytes_min = 2;

constexpr std::size_t uuid_bytes = 16;
constexpr std::string_view file_end = ".aggregate";

// The snapshots of a file that must be of this stream of this store.
Result<std::vector<AggregateSnapshot>> snapshots_in(std::string_view bytes, std::string_view store,
                                                    StreamId stream, std::string_view name) {
  TRY(AggregateFile file, read_aggregate_file(bytes));
  if (file.store == store && file.stream == stream && file.stream_name == name)
    return std::move(file.snapshots);
  return fail(Code::corrupt, "it is of another store or stream");
}

}  // namespace

std::string aggregate_folder(const std::string& store_directory) {
  return store_directory + "/state/aggregates";
}

std::string encode(const AggregateFile& file) {
  std::string out;
  put_le(out, magic);
  put_le(out, format::version);
  out += file.store;
  put_varint(out, file.stream.value);
  put_sized(out, file.stream_name);
  put_varint(out, file.snapshots.size());
  for (const AggregateSnapshot& snapshot : file.snapshots) {
    put_varint(out, snapshot.revision.value);
    put_sized(out, snapshot.bytes);
  }
  put_le(out, crc32c(out));
  return out;
}

Result<AggregateFile> read_aggregate_file(std::string_view bytes) {
  constexpr std::size_t crc_bytes = 4;
  if (bytes.size() < crc_bytes) return fail(Code::corrupt, "too short");
  ByteReader end(bytes.substr(bytes.size() - crc_bytes));
  bytes.remove_suffix(crc_bytes);
  if (crc32c(bytes) != end.le<std::uint32_t>()) {
    return fail(Code::corrupt, "its checksum does not fit");
  }
  ByteReader in(bytes);
  if (in.le<std::uint32_t>() != magic) return fail(Code::corrupt, "not an aggregate snapshot");
  const auto version = in.le<std::uint32_t>();
  if (version != format::version) {
    return fail(Code::unsupported, fmt::format("format version {}: use a newer tidelog", version));
  }
  AggregateFile file;
  file.store = in.bytes(uuid_bytes);
  const std::uint64_t stream = in.varint();
  if (stream > UINT32_MAX) in.fail();
  file.stream = {static_cast<std::uint32_t>(stream)};
  file.stream_name = in.sized();
  file.snapshots.resize(in.varint_count(snapshot_bytes_min));
  for (std::size_t i = 0; i < file.snapshots.size(); ++i) {
    AggregateSnapshot& snapshot = file.snapshots[i];
    snapshot.revision = {in.varint()};
    snapshot.bytes = in.sized();
    if (i > 0 && snapshot.revision <= file.snapshots[i - 1].revision) in.fail();
  }
  return in.finish(std::move(file), "aggregate snapshot");
}

Result<std::vector<AggregateFileName>> aggregate_files(Disk& disk,
                                                       const std::string& store_directory) {
  std::vector<AggregateFileName> found;
  const std::string directory = aggregate_folder(store_directory);
  const auto names = disk.list(directory);
  if (!names && names.error().code == Code::not_found) return found;
  if (!names) return error_of(names);
  for (const std::string& name : *names) {
    if (!name.ends_with(file_end)) continue;
    AggregateFileName file{directory + "/" + name, {}};
    const char* const end = name.data() + name.size() - file_end.size();
    const auto [rest, error] = std::from_chars(name.data(), end, file.stream.value);
    if (error == std::errc() && rest == end) found.push_back(std::move(file));
  }
  return found;
}

AggregateSnapshots::AggregateSnapshots(Disk& disk, const std::string& store_directory,
                                       std::string store_uuid)
    : disk_(disk),
      directory_(aggregate_folder(store_directory)),
      store_uuid_(std::move(store_uuid)) {}

std::string AggregateSnapshots::file_name(StreamId stream) const {
  return fmt::format("{:08}{}", stream.value, file_end);
}

Status AggregateSnapshots::save(StreamId stream, std::string_view stream_name,
                                const AggregateSnapshot& snapshot) {
  const std::lock_guard hold(mutex_);
  TRY_DO(disk_.make_directory(directory_));
  std::vector<AggregateSnapshot> snapshots;
  const std::string path = directory_ + "/" + file_name(stream);
  const auto file = read_file(disk_, path);
  if (!file && file.error().code != Code::not_found) return error_of(file);
  if (file) {
    // A damaged one is replaced.
    if (auto earlier = snapshots_in(*file, store_uuid_, stream, stream_name)) {
      snapshots = *std::move(earlier);
    } else if (earlier.error().code != Code::corrupt) {
      return fail_in(path, earlier.error());
    }
  }
  std::erase_if(snapshots, [&](const AggregateSnapshot& earlier) {
    return earlier.revision == snapshot.revision;
  });
  snapshots.push_back(snapshot);
  std::sort(snapshots.begin(), snapshots.end(),
            [](const auto& a, const auto& b) { return a.revision < b.revision; });
  if (snapshots.size() > kept_max) snapshots.erase(snapshots.begin());
  return replace_file(
      disk_, directory_, file_name(stream),
      encode(AggregateFile{store_uuid_, stream, std::string(stream_name), snapshots}));
}

Result<std::optional<AggregateSnapshot>> AggregateSnapshots::load(StreamId stream,
                                                                  std::string_view stream_name,
                                                                  Revision revision,
                                                                  const StreamLife& life) const {
  std::optional<AggregateSnapshot> found;
  const std::string path = directory_ + "/" + file_name(stream);
  const auto file = read_file(disk_, path);
  if (!file && file.error().code == Code::not_found) return found;
  if (!file) return error_of(file);
  auto snapshots = snapshots_in(*file, store_uuid_, stream, stream_name);
  if (!snapshots) return fail_in(path, snapshots.error());
  for (AggregateSnapshot& snapshot : *snapshots) {
    const bool whole = snapshot.revision + std::uint64_t{1} >= life.first;
    if (whole && life.status == StreamStatus::open && snapshot.revision <= revision)
      found = std::move(snapshot);
  }
  return found;
}

Status AggregateSnapshots::remove(StreamId stream) {
  const std::lock_guard hold(mutex_);
  const std::string path = directory_ + "/" + file_name(stream);
  TRY(const bool any, disk_.exists(directory_));
  if (!any) return {};
  TRY(const bool exists, disk_.exists(path));
  if (exists) TRY_DO(disk_.remove(path));
  // Also when it was gone: a process that was killed may not have come to this.
  return disk_.sync_directory(directory_);
}

}  // namespace tidelog
