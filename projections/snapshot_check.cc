#include "projections/snapshot_check.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "projections/snapshots.h"
#include "projections/state_maker.h"

namespace tidelog {
namespace {

bool equal(const StoredRow& a, const StoredRow& b) {
  return a.key == b.key && a.row == b.row && a.schema == b.schema && a.position == b.position &&
         a.revision == b.revision && a.copies == b.copies;
}

class Check {
 public:
  Check(StoreReader& reader, const std::function<void(const SnapshotCheck&)>& on_progress,
        const std::stop_token& stop)
      : reader_(reader),
        directory_(reader.disk(), reader.directory()),
        on_progress_(on_progress),
        stop_(stop) {}

  Result<SnapshotCheck> run() {
    TRY(const auto names, directory_.list());
    TRY(const auto streams, reader_.streams());
    check_.snapshot_total = names.size();
    for (auto first = names.begin(); first != names.end();) {
      const auto end = std::find_if(
          first, names.end(), [&](const SnapshotName& n) { return n.stream != first->stream; });
      const auto stream = std::find_if(streams.begin(), streams.end(),
                                       [&](const StreamState& s) { return s.id == first->stream; });
      if (stream == streams.end()) {
        check_.damage.push_back(directory_.path(*first) + ": the store has no such stream");
      } else {
        TRY_DO(check_stream(*stream, {first, end}));
      }
      first = end;
    }
    return std::move(check_);
  }

 private:
  Status check_stream(const StreamState& stream, std::vector<SnapshotName> names) {
    // What is before the newest base snapshot answers no question any more.
    const auto base = std::find_if(names.rbegin(), names.rend(),
                                   [](const SnapshotName& name) { return name.base; });
    if (base != names.rend()) names.erase(names.begin(), base.base() - 1);
    std::unique_ptr<StateFile> replayed;
    for (const SnapshotName& name : names) {
      if (name.base) {
        ++check_.base_count;
        TRY_DO(note(verify_state_file(reader_.disk(), directory_.path(name))));
        TRY_DO(note(open_base(stream, name, replayed)));
        if (!replayed) return {};  // nothing to go on from
      } else {
        TRY(replayed, replay_to(stream, name.position, std::move(replayed)));
        TRY_DO(note(compare(stream, name, *replayed)));
      }
      ++check_.snapshot_count;
      on_progress_(check_);
    }
    return drop(std::move(replayed));
  }

  Status open_base(const StreamState& stream, const SnapshotName& name,
                   std::unique_ptr<StateFile>& out) {
    TRY(out, open_snapshot(reader_, stream, name));
    return {};
  }

  Result<std::unique_ptr<StateFile>> replay_to(const StreamState& stream, Position end,
                                               std::unique_ptr<StateFile> previous) {
    StateMaking making;
    making.path = directory_.temporary_path("check-" + std::to_string(scratch_count_++));
    making.stream = stream.id;
    making.stream_name = stream.name;
    making.end = end;
    const std::string path = making.path;
    const std::string before = previous ? previous->path() : std::string();
    making.previous = std::move(previous);
    TRY_DO(make_state_file(reader_, std::move(making), stop_));
    TRY_DO(remove_scratch(before));
    return StateFile::open(reader_.disk(), path);
  }

  Status compare(const StreamState& stream, const SnapshotName& name, const StateFile& replayed) {
    TRY(const auto file, open_snapshot(reader_, stream, name));
    const auto differs = [&](const std::string& where) {
      return fail(Code::corrupt, file->path() + ": " + where + " differs from a full replay");
    };
    if (file->about() != replayed.about()) return differs("what it says of the stream");
    StateCursor rows(*file);
    StateCursor expected(replayed);
    for (;;) {
      TRY(const StoredRow* row, rows.next());
      TRY(const StoredRow* other, expected.next());
      if (row == nullptr && other == nullptr) return {};
      if (row == nullptr || other == nullptr || !equal(*row, *other)) {
        return differs("the row last changed at position " +
                       std::to_string((row != nullptr ? row : other)->position.value));
      }
      TRY_DO(file->schema(row->schema));
      ++check_.row_count;
    }
  }

  Status note(const Status& status) {
    if (status || status.error().code != Code::corrupt) return status;
    check_.damage.push_back(status.error().what);
    return {};
  }

  Status drop(std::unique_ptr<StateFile> file) {
    const std::string path = file ? file->path() : std::string();
    file.reset();
    return remove_scratch(path);
  }

  Status remove_scratch(const std::string& path) {
    const bool is_ours = path.starts_with(directory_.path() + "/check-");
    return is_ours ? reader_.disk().remove(path) : Status{};
  }

  StoreReader& reader_;
  const StateDirectory directory_;
  const std::function<void(const SnapshotCheck&)>& on_progress_;
  const std::stop_token& stop_;
  SnapshotCheck check_;
  std::uint64_t scratch_count_ = 0;
};

}  // namespace

Result<SnapshotCheck> check_snapshots(StoreReader& reader,
                                      const std::function<void(const SnapshotCheck&)>& on_progress,
                                      const std::stop_token& stop) {
  return Check(reader, on_progress, stop).run();
}

}  // namespace tidelog
