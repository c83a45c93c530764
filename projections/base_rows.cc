#include "projections/base_rows.h"

#include <algorithm>

#include "projections/row_shape.h"
#include "projections/snapshots.h"

namespace tidelog {

Result<BaseRows> BaseRows::open(StoreReader& reader, const std::vector<std::string>& streams,
                                Position end) {
  BaseRows rows;
  rows.streams_ = streams;
  const StateDirectory directory(reader.disk(), reader.directory());
  TRY(const auto names, directory.list());
  const bool has_base =
      std::any_of(names.begin(), names.end(), [](const SnapshotName& name) { return name.base; });
  if (!has_base && reader.first() == Position{0}) return rows;
  TRY(const auto all, reader.streams());
  for (const StreamState& stream : all) {
    if (!rows.wants(stream.name) || !stream.is_table) continue;
    TRY(const Candidates candidates, snapshots_before(reader, stream, end));
    if (candidates.history_begin == Position{0}) continue;
    TRY(auto file, open_snapshot(reader, stream, {stream.id, candidates.history_begin, true}));
    rows.bases_.push_back({std::move(file), false});
  }
  std::sort(rows.bases_.begin(), rows.bases_.end(), [](const Base& a, const Base& b) {
    return a.file->about().position < b.file->about().position;
  });
  return rows;
}

bool BaseRows::wants(const std::string& stream) const {
  return streams_.empty() || std::find(streams_.begin(), streams_.end(), stream) != streams_.end();
}

Status BaseRows::check_unchanged(StoreReader& reader, Position next) const {
  const StateDirectory directory(reader.disk(), reader.directory());
  TRY(const auto names, directory.list());
  for (const SnapshotName& name : names) {
    const bool is_known = std::any_of(bases_.begin(), bases_.end(), [&](const Base& base) {
      const StateAbout& about = base.file->about();
      return about.stream == name.stream && about.position >= name.position;
    });
    if (!name.base || name.position <= next || is_known) continue;
    TRY(const auto probe, StoreReader::open(reader.disk(), reader.directory()));
    TRY(const auto all, probe->streams());
    const auto cut = std::find_if(all.begin(), all.end(), [&](const StreamState& stream) {
      return stream.id == name.stream;
    });
    if (cut != all.end() && !wants(cut->name)) continue;
    return fail(Code::conflict,
                "retention took the events of " +
                    (cut == all.end() ? std::string("a stream") : cut->name) + " before position " +
                    std::to_string(name.position.value) +
                    " while they were being read: replay again, and it goes on from the state that "
                    "the table had there");
  }
  return {};
}

Status BaseRows::check_begin(Position from) const {
  for (const Base& base : bases_) {
    const StateAbout& about = base.file->about();
    if (about.position <= from) continue;
    return fail(Code::misconfigured,
                "the history of " + about.stream_name + " starts at position " +
                    std::to_string(about.position.value) +
                    ": begin there, or give no begin, to start with the rows that it had then");
  }
  return {};
}

void BaseRows::start_at(Position next, bool is_new) {
  target_is_new_ = is_new;
  for (Base& base : bases_) base.is_given = base.file->about().position < next;
}

bool BaseRows::covers(const Event& event) const {
  return std::any_of(bases_.begin(), bases_.end(), [&](const Base& base) {
    const StateAbout& about = base.file->about();
    return event.position < about.position && event.stream_name == about.stream_name;
  });
}

Status BaseRows::give(Position up_to,
                      const std::function<Status(const Event&, const Schema*)>& apply) {
  for (Base& base : bases_) {
    if (base.is_given || base.file->about().position > up_to) continue;
    base.is_given = true;
    const Status given = give_rows(*base.file, apply);
    if (!given)
      return fail_in("the base snapshot of " + base.file->about().stream_name, given.error());
  }
  return {};
}

// Each row in the newest shape, as of the snapshot's time.
Status BaseRows::give_rows(const StateFile& file,
                           const std::function<Status(const Event&, const Schema*)>& apply) const {
  const StateAbout& about = file.about();
  Event event;
  event.stream = about.stream;
  event.stream_name = about.stream_name;
  event.append_time = about.append_time;
  event.transaction.commit_time = about.append_time;
  event.position = about.position;
  if (!target_is_new_) {
    event.type = EventType::truncate;
    TRY_DO(apply(event, nullptr));
  }
  if (about.schema == SchemaId{}) return {};
  TRY(const Schema* shape, file.schema(about.schema));
  event.type = EventType::load;
  event.schema = about.schema;
  StateCursor rows(file);
  std::string reshaped;
  for (;;) {
    TRY(const StoredRow* row, rows.next());
    if (row == nullptr) return {};
    TRY(const Schema* own, file.schema(row->schema));
    const bool keyed = shape->has_key();
    reshaped.clear();
    TRY_DO(put_reshaped(reshaped, {keyed ? row->row : row->key, own}, *shape));
    if (keyed) event.key = row->key;
    event.body = reshaped;
    event.position = row->position;
    event.revision = row->revision;
    for (std::uint32_t copy = 0; copy < row->copies; ++copy) TRY_DO(apply(event, shape));
  }
}

}  // namespace tidelog
