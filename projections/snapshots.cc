#include "projections/snapshots.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/store_marks.h"
#include "projections/state_maker.h"

namespace tidelog {
namespace {

constexpr std::size_t names_shown_max = 20;

std::string listed(const std::vector<StreamState>& streams) {
  if (streams.empty()) return "the store has no streams yet";
  std::vector<std::string_view> names;
  for (const StreamState& stream : streams) names.push_back(stream.name);
  std::sort(names.begin(), names.end());
  std::string list = "there are:";
  for (std::size_t i = 0; i < std::min(names.size(), names_shown_max); ++i) {
    list += " ";
    list += names[i];
  }
  if (names.size() > names_shown_max) list += " … " + std::to_string(names.size()) + " in all";
  return list;
}

StateDirectory directory_of(StoreReader& reader) {
  return StateDirectory(reader.disk(), reader.directory());
}

bool is_damage(Code code) { return code == Code::corrupt || code == Code::not_found; }

std::optional<SnapshotName> newest_base(const std::vector<SnapshotName>& names) {
  const auto base = std::find_if(names.rbegin(), names.rend(),
                                 [](const SnapshotName& name) { return name.base; });
  if (base == names.rend()) return {};
  return *base;
}

// A base snapshot says that the state there is right, not that the log before it is gone already.
tl::unexpected<Error> too_early(const std::string& stream, Position begin, Position end) {
  return fail(Code::not_found, "the history of " + stream + " starts at position " +
                                   std::to_string(begin.value) +
                                   ", earlier events were removed by retention: the state before "
                                   "position " +
                                   std::to_string(end.value) + " cannot be told");
}

StateMaking making_of(const StreamState& stream, const SnapshotRequest& request,
                      const StateDirectory& directory) {
  StateMaking making;
  making.path = directory.temporary_path(std::to_string(stream.id.value));
  making.stream = stream.id;
  making.stream_name = stream.name;
  making.end = request.end;
  making.memory_bytes = request.memory_bytes;
  return making;
}

// A salvaged store lacks events that nothing stands for: what is left is folded.
bool is_salvaged(StoreReader& reader) {
  const auto origin = read_origin(reader.disk(), StorePaths(reader.directory()));
  return origin && *origin && (*origin)->kind == OriginKind::salvaged;
}

// The snapshot to go on from, verified as a whole.
Result<std::unique_ptr<StateFile>> whole_snapshot(StoreReader& reader, const StreamState& stream,
                                                  const SnapshotName& name) {
  TRY(auto file, open_snapshot(reader, stream, name));
  TRY_DO(verify_state_file(reader.disk(), file->path()));
  return file;
}

}  // namespace

Result<Position> base_position(StoreReader& reader, StreamId stream) {
  TRY(const auto names, directory_of(reader).list(stream));
  const auto base = newest_base(names);
  return base ? base->position : Position{};
}

Result<StreamState> stream_state(StoreReader& reader, const std::string& stream) {
  TRY(const auto streams, reader.streams());
  const auto at = std::find_if(streams.begin(), streams.end(),
                               [&](const StreamState& s) { return s.name == stream; });
  if (at != streams.end()) return *at;
  return fail(Code::not_found, "no stream " + stream + "; " + listed(streams));
}

Result<Candidates> snapshots_before(StoreReader& reader, const StreamState& stream, Position end) {
  Candidates candidates;
  TRY(candidates.names, directory_of(reader).list(stream.id));
  auto& names = candidates.names;
  const auto base = newest_base(names);
  if (base) candidates.history_begin = base->position;
  // Without a base snapshot: what was before the log's begin was no table's, or is lost.
  if (!base && stream.is_table && !is_salvaged(reader)) {
    TRY_DO(reader.seek(reader.first()));
    reader.only_streams({stream.name});
    reader.read_until(Position{UINT64_MAX});
    TRY(const Event* first, reader.next());
    const Revision begin = stream.life.first;  // what was before is of another life of the name
    const bool was_cut =
        first == nullptr ? stream.next > begin && end >= reader.durable() : first->revision > begin;
    if (was_cut) {
      return fail(Code::corrupt, "the log begins at position " +
                                     std::to_string(reader.first().value) +
                                     ", and the base snapshot of " + stream.name +
                                     " that holds what was before is missing");
    }
  }
  if (end < candidates.history_begin) return too_early(stream.name, candidates.history_begin, end);
  std::erase_if(names, [&](const SnapshotName& name) {
    return name.position > end || name.position < candidates.history_begin;
  });
  std::reverse(names.begin(), names.end());
  return candidates;
}

Result<std::unique_ptr<StateFile>> open_snapshot(StoreReader& reader, const StreamState& stream,
                                                 const SnapshotName& name) {
  TRY(auto file, StateFile::open(reader.disk(), directory_of(reader).path(name)));
  const StateAbout& about = file->about();
  if (about.store == reader.uuid() && about.stream == stream.id &&
      about.stream_name == stream.name && about.position == name.position &&
      about.base == name.base) {
    return file;
  }
  return fail(Code::corrupt, file->path() + ": it is a snapshot of " + about.stream_name +
                                 " at position " + std::to_string(about.position.value) +
                                 ", or of another store, and not what its name says");
}

Status with_nearest_snapshot(StoreReader& reader, const StreamState& stream, Position end,
                             const OnDamage& on_damage,
                             const std::function<Status(StateFile*)>& use) {
  TRY(const Candidates candidates, snapshots_before(reader, stream, end));
  for (const SnapshotName& name : candidates.names) {
    auto file = open_snapshot(reader, stream, name);
    Status used;
    if (file) {
      used = use(file->get());
    } else {
      used = error_of(file);
    }
    if (used || !is_damage(used.error().code)) return used;
    if (name.base) return fail_in("the base snapshot of " + stream.name, used.error());
    // One that went since it was listed is not damaged.
    if (used.error().code == Code::corrupt && on_damage) on_damage(used.error().what);
  }
  return use(nullptr);
}

// ---- Making ----

Result<SnapshotName> make_snapshot(StoreReader& reader, const SnapshotRequest& request,
                                   const OnDamage& on_damage, const std::stop_token& stop) {
  TRY(const StreamState stream, stream_state(reader, request.stream));
  const StateDirectory directory = directory_of(reader);
  TRY(const Candidates candidates, snapshots_before(reader, stream, request.end));
  StateMaking making = making_of(stream, request, directory);
  for (const SnapshotName& name : candidates.names) {
    auto file = whole_snapshot(reader, stream, name);
    if (file && name.position == request.end) return name;
    if (file) {
      making.previous = *std::move(file);
      break;
    }
    if (!is_damage(file.error().code)) return error_of(file);
    if (name.base) return fail_in("the base snapshot of " + stream.name, file.error());
    if (on_damage) on_damage(file.error().what);
    TRY_DO(directory.remove(name));
  }
  const std::string temporary = making.path;
  TRY_DO(make_state_file(reader, std::move(making), stop));
  const SnapshotName made{stream.id, request.end, false};
  TRY_DO(directory.publish(temporary, made));
  return made;
}

Result<SnapshotName> make_base_snapshot(StoreReader& reader, const SnapshotRequest& request,
                                        const std::stop_token& stop) {
  TRY(const StreamState stream, stream_state(reader, request.stream));
  const StateDirectory directory = directory_of(reader);
  StateMaking making = making_of(stream, request, directory);
  making.base = true;
  TRY(const auto names, directory.list(stream.id));
  if (const auto base = newest_base(names)) {
    auto file = whole_snapshot(reader, stream, *base);
    if (!file) return fail_in("the base snapshot of " + stream.name, file.error());
    if (base->position >= request.end) return *base;
    making.previous = *std::move(file);
  } else {
    TRY_DO(snapshots_before(reader, stream, request.end));  // that the log has all of it
  }
  const std::string temporary = making.path;
  TRY_DO(make_state_file(reader, std::move(making), stop));
  TRY_DO(verify_state_file(reader.disk(), temporary));
  const SnapshotName made{stream.id, request.end, true};
  TRY_DO(directory.publish(temporary, made));
  TRY(const auto all, directory.list(stream.id));
  for (const SnapshotName& name : all) {
    if (name.position < made.position || (name.position == made.position && !name.base)) {
      TRY_DO(directory.remove(name));
    }
  }
  return made;
}

Status prune_snapshots(const StateDirectory& directory, StreamId stream, std::uint64_t keep) {
  TRY(std::vector<SnapshotName> names, directory.list(stream));
  const auto base = newest_base(names);
  const std::uint64_t begin = base ? base->position.value : 0;
  std::erase_if(names, [](const SnapshotName& name) { return name.base; });
  while (!names.empty() && names.front().position.value <= begin && base) {
    TRY_DO(directory.remove(names.front()));
    names.erase(names.begin());
  }
  while (names.size() > std::max<std::uint64_t>(keep, 1)) {
    // The one whose absence leaves the smallest gap.
    std::size_t least = 0;
    std::uint64_t least_gap = UINT64_MAX;
    for (std::size_t i = 0; i + 1 < names.size(); ++i) {
      const std::uint64_t before = i == 0 ? begin : names[i - 1].position.value;
      const std::uint64_t gap = names[i + 1].position.value - before;
      if (gap < least_gap) least = i;
      least_gap = std::min(gap, least_gap);
    }
    TRY_DO(directory.remove(names[least]));
    names.erase(names.begin() + static_cast<std::ptrdiff_t>(least));
  }
  return {};
}

Status erase_from_snapshots(StoreReader& reader, const std::string& stream_name,
                            const std::function<bool(const StoredRow&)>& erased) {
  TRY(const StreamState stream, stream_state(reader, stream_name));
  const StateDirectory directory = directory_of(reader);
  TRY(const auto names, directory.list(stream.id));
  for (const SnapshotName& name : names) {
    if (!name.base) {
      TRY_DO(directory.remove(name));
      continue;
    }
    TRY(const auto file, open_snapshot(reader, stream, name));
    const std::string temporary = directory.temporary_path(std::to_string(stream.id.value));
    TRY_DO(copy_state_file(reader.disk(), *file, temporary, reader.uuid(), erased));
    TRY_DO(directory.publish(temporary, name));
  }
  return {};
}

Status forget_in_snapshots(StoreReader& reader, const Erasure& erasure, const std::string& holder) {
  TRY(const auto lock, directory_of(reader).lock(holder));
  // A store that was restored to before the stream began, or salvaged without it, has none of it.
  const auto known = stream_state(reader, erasure.stream);
  if (!known && known.error().code == Code::not_found) return {};
  TRY_DO(erase_from_snapshots(reader, erasure.stream, [&](const StoredRow& row) {
    return erasure.has(row.key, row.position);
  }));
  TRY(const StreamState state, stream_state(reader, erasure.stream));
  return AggregateSnapshots(reader.disk(), reader.directory(), reader.uuid()).remove(state.id);
}

}  // namespace tidelog
