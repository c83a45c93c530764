#include "eventstore/aggregate_snapshots.h"

#include <fmt/format.h>

#include <algorithm>
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

using Snapshots = std::vector<AggregateSnapshot>;  // rising revisions

std::string encode(std::string_view uuid, StreamId stream, std::string_view name,
                   const Snapshots& snapshots) {
  std::string out;
  put_le(out, magic);
  put_le(out, format::version);
  out += uuid;
  put_varint(out, stream.value);
  put_sized(out, name);
  put_varint(out, snapshots.size());
  for (const AggregateSnapshot& snapshot : snapshots) {
    put_varint(out, snapshot.revision.value);
    put_sized(out, snapshot.bytes);
  }
  put_le(out, crc32c(out));
  return out;
}

Result<Snapshots> decode(std::string_view file, std::string_view uuid, StreamId stream,
                         std::string_view name) {
  constexpr std::size_t crc_bytes = 4;
  if (file.size() < crc_bytes) return fail(Code::corrupt, "too short");
  ByteReader end(file.substr(file.size() - crc_bytes));
  file.remove_suffix(crc_bytes);
  if (crc32c(file) != end.le<std::uint32_t>()) {
    return fail(Code::corrupt, "its checksum does not fit");
  }
  ByteReader in(file);
  if (in.le<std::uint32_t>() != magic) return fail(Code::corrupt, "not an aggregate snapshot");
  const auto version = in.le<std::uint32_t>();
  if (version != format::version) {
    return fail(Code::unsupported, fmt::format("format version {}: use a newer tidelog", version));
  }
  const bool is_ours =
      in.bytes(uuid.size()) == uuid && in.varint() == stream.value && in.sized() == name;
  if (!is_ours) return fail(Code::corrupt, "it is of another store or stream");
  Snapshots snapshots(in.varint_count(snapshot_bytes_min));
  for (AggregateSnapshot& snapshot : snapshots) {
    snapshot.revision = {in.varint()};
    snapshot.bytes = in.sized();
  }
  return in.finish(std::move(snapshots), "aggregate snapshot");
}

}  // namespace

AggregateSnapshots::AggregateSnapshots(Disk& disk, const std::string& store_directory,
                                       std::string store_uuid)
    : disk_(disk),
      directory_(store_directory + "/state/aggregates"),
      store_uuid_(std::move(store_uuid)) {}

std::string AggregateSnapshots::file_name(StreamId stream) const {
  return fmt::format("{:08}.aggregate", stream.value);
}

Status AggregateSnapshots::save(StreamId stream, std::string_view stream_name,
                                const AggregateSnapshot& snapshot) {
  const std::lock_guard hold(mutex_);
  TRY_DO(disk_.make_directory(directory_));
  Snapshots snapshots;
  const std::string path = directory_ + "/" + file_name(stream);
  const auto file = read_file(disk_, path);
  if (!file && file.error().code != Code::not_found) return error_of(file);
  if (file) {
    // A damaged one is replaced.
    if (auto earlier = decode(*file, store_uuid_, stream, stream_name)) {
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
  return replace_file(disk_, directory_, file_name(stream),
                      encode(store_uuid_, stream, stream_name, snapshots));
}

Result<std::optional<AggregateSnapshot>> AggregateSnapshots::load(StreamId stream,
                                                                  std::string_view stream_name,
                                                                  Revision revision) const {
  std::optional<AggregateSnapshot> found;
  const std::string path = directory_ + "/" + file_name(stream);
  const auto file = read_file(disk_, path);
  if (!file && file.error().code == Code::not_found) return found;
  if (!file) return error_of(file);
  auto snapshots = decode(*file, store_uuid_, stream, stream_name);
  if (!snapshots) return fail_in(path, snapshots.error());
  for (AggregateSnapshot& snapshot : *snapshots) {
    if (snapshot.revision <= revision) found = std::move(snapshot);
  }
  return found;
}

Status AggregateSnapshots::remove(StreamId stream) {
  const std::lock_guard hold(mutex_);
  const std::string path = directory_ + "/" + file_name(stream);
  TRY(const bool exists, disk_.exists(path));
  if (!exists) return {};
  TRY_DO(disk_.remove(path));
  return disk_.sync_directory(directory_);
}

}  // namespace tidelog
