#include "projections/state_maker.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "projections/known_schemas.h"
#include "projections/row_shape.h"
#include "projections/table_fold.h"

namespace tidelog {
namespace {

// What a key and a row take in memory beside their bytes.
constexpr std::size_t key_overhead_bytes = 80;
constexpr std::size_t row_overhead_bytes = 56;
constexpr std::uint64_t stop_interval_events = 4096;

// A part of the history, and the keys that its events touch.
struct Window {
  absl::flat_hash_map<std::string, std::size_t> keys;  // with the largest row seen
  std::uint64_t bytes = 0;
  std::uint64_t event_count = 0;
  Position end;         // of the first event beyond
  SchemaId reshape_to;  // the event there gives all rows another shape, of this schema; 0: no
  bool whole = false;   // any row may be touched
  bool truncated = false;
};

// Merges sorted files of rows; of one key in several files there remains one row.
class RunMerge {
 public:
  explicit RunMerge(const std::vector<std::unique_ptr<StateFile>>& runs) {
    for (const auto& run : runs) cursors_.emplace_back(*run);
  }

  // Returns the number of rows, copies counted.
  Result<std::uint64_t> write(StateFileWriter& out, bool keyed) {
    for (std::size_t i = 0; i < cursors_.size(); ++i) TRY_DO(advance(i));
    std::uint64_t row_count = 0;
    while (!heap_.empty()) {
      std::vector<Head> equal;
      do {
        std::pop_heap(heap_.begin(), heap_.end(), later);
        equal.push_back(heap_.back());
        heap_.pop_back();
      } while (!heap_.empty() && heap_.front().row.key == equal.front().row.key);
      StoredRow row = equal.front().row;
      for (std::size_t i = 1; i < equal.size(); ++i) row = merged(row, equal[i].row, keyed);
      row_count += row.copies;
      TRY_DO(out.add(row));
      for (const Head& head : equal) TRY_DO(advance(head.cursor));
    }
    return row_count;
  }

 private:
  struct Head {
    StoredRow row;
    std::size_t cursor;
  };

  static bool later(const Head& a, const Head& b) {
    return KeyOrder(a.row.key) > KeyOrder(b.row.key);
  }

  static StoredRow merged(const StoredRow& a, const StoredRow& b, bool keyed) {
    if (!keyed) return merged_copies(a, b);
    return a.position > b.position ? a : b;
  }

  Status advance(std::size_t cursor) {
    TRY(const StoredRow* row, cursors_[cursor].next());
    if (row == nullptr) return {};
    heap_.push_back({*row, cursor});
    std::push_heap(heap_.begin(), heap_.end(), later);
    return {};
  }

  std::vector<StateCursor> cursors_;
  std::vector<Head> heap_;
};

class Maker {
 public:
  Maker(StoreReader& reader, StateMaking making, const std::stop_token& stop)
      : reader_(reader),
        disk_(reader.disk()),
        making_(std::move(making)),
        stop_(stop),
        schemas_(reader) {}

  Status run() {
    TRY_DO(start());
    bool made = false;
    while (!made || about_.position < making_.end) {
      TRY_DO(fold_window());
      made = true;
    }
    return {};
  }

  // Removes what was written and is not the result.
  Status clean(bool with_result) {
    source_.reset();
    for (const std::string& path : written_) {
      if (path == making_.path && !with_result) continue;
      TRY_DO(disk_.remove(path));
    }
    return {};
  }

 private:
  Status start() {
    about_.store = reader_.uuid();
    about_.stream = making_.stream;
    about_.stream_name = making_.stream_name;
    if (making_.previous) {
      source_ = std::move(making_.previous);
      about_ = source_->about();
      about_.base = false;
      TRY_DO(schemas_.add(*source_));
    }
    reader_.only_streams({making_.stream_name});
    return {};
  }

  // ---- A window: its keys ----

  Status fold_window() {
    std::uint64_t events_max = UINT64_MAX;
    for (;;) {
      TRY(Window window, scan(events_max));
      if (window.reshape_to != SchemaId{} && window.end == about_.position) {
        return reshape(window.reshape_to);
      }
      TableFold fold([this](SchemaId id) { return schemas_.get(id); });
      TRY_DO(fold.resume(about_));
      std::vector<std::string_view> touched = sorted_keys(window);
      // No window is shorter than one event, or the two halves of a move.
      TRY(const bool fits, load(window, touched, fold, events_max > 1));
      if (!fits) {
        events_max = std::max<std::uint64_t>(1, window.event_count / 2);
        continue;
      }
      TRY_DO(apply(window, fold));
      return merge(window, touched, fold);
    }
  }

  Status check_stop() const {
    if (!stop_.stop_requested()) return {};
    return fail(Code::cancelled, "the state snapshot of " + making_.stream_name +
                                     " was stopped before it was whole");
  }

  Result<Window> scan(std::uint64_t events_max) {
    Window window;
    const Schema* schema = nullptr;
    SchemaId schema_id = about_.schema;
    if (schema_id != SchemaId{}) {
      TRY(schema, schemas_.get(schema_id));
      window.whole = about_.some_unknown && !schema->has_key();
    }
    reader_.read_until(making_.end);
    TRY_DO(reader_.seek(about_.position));
    for (;;) {
      if (window.event_count % stop_interval_events == 0) TRY_DO(check_stop());
      TRY(const Event* event, reader_.next());
      window.end = event == nullptr ? making_.end : event->position;
      if (event == nullptr || event->position >= making_.end) {
        window.end = making_.end;
        return window;
      }
      // The two halves of a move are never parted: the second needs what the first removed.
      const bool may_end =
          window.event_count > 0 && (!event->moved || event->type != EventType::insert);
      if (may_end && (window.bytes >= making_.memory_bytes || window.event_count >= events_max)) {
        return window;
      }
      if (event->schema != SchemaId{} && event->schema != schema_id) {
        TRY(const Schema* next, schemas_.get(event->schema));
        if (schema != nullptr && must_reshape(*schema, *next)) {
          window.reshape_to = event->schema;
          return window;
        }
        schema = next;
        schema_id = event->schema;
      }
      ++window.event_count;
      if (is_row_event(event->type) && schema != nullptr)
        TRY_DO(note_keys(window, *event, *schema));
    }
  }

  Status note_keys(Window& window, const Event& event, const Schema& schema) {
    const std::string_view body = event.body.value_or("");
    if (schema.has_key()) {
      if (event.key) touch(window, *event.key, body.size());
      return {};
    }
    std::string row(body);
    if (event.before_kind == Before::row) {
      touch(window, event.before, 0);
      TRY(const bool unknown, has_unchanged(event.before, schema));
      window.whole = window.whole || unknown;
      if (event.body) {
        row.clear();
        TRY_DO(put_filled(row, {body, &schema}, {event.before, &schema}));
      }
    }
    if (!event.body) return {};
    touch(window, row, 0);
    TRY(const bool unknown, has_unchanged(row, schema));
    window.whole = window.whole || unknown;
    return {};
  }

  static void touch(Window& window, std::string_view key, std::size_t row_bytes) {
    const auto [entry, is_new] = window.keys.try_emplace(std::string(key), 0);
    if (is_new) window.bytes += 2 * key.size() + key_overhead_bytes + row_overhead_bytes;
    if (row_bytes <= entry->second) return;
    window.bytes += row_bytes - entry->second;
    entry->second = row_bytes;
  }

  static std::vector<std::string_view> sorted_keys(const Window& window) {
    std::vector<std::string_view> keys;
    keys.reserve(window.keys.size());
    for (const auto& [key, bytes] : window.keys) keys.push_back(key);
    std::sort(keys.begin(), keys.end(),
              [](std::string_view a, std::string_view b) { return KeyOrder(a) < KeyOrder(b); });
    return keys;
  }

  // ---- The rows before it, its events, the file after it ----

  // False when the rows are too many for the memory: the window must be shorter.
  Result<bool> load(const Window& window, const std::vector<std::string_view>& touched,
                    TableFold& fold, bool may_be_shorter) {
    if (!source_) return true;
    if (window.whole) {
      StateCursor rows(*source_);
      for (;;) {
        TRY(const StoredRow* row, rows.next());
        if (row == nullptr) return true;
        fold.put(*row);
      }
    }
    std::uint64_t bytes = 0;
    for (const std::string_view key : touched) {
      TRY(const auto row, source_->find(key));
      if (!row) continue;
      fold.put(*row);
      bytes += row->row.size();
      if (bytes > making_.memory_bytes && may_be_shorter) return false;
    }
    return true;
  }

  Status apply(Window& window, TableFold& fold) {
    reader_.read_until(window.end);
    TRY_DO(reader_.seek(about_.position));
    for (std::uint64_t count = 0;; ++count) {
      if (count % stop_interval_events == 0) TRY_DO(check_stop());
      TRY(const Event* event, reader_.next());
      if (event == nullptr || event->position >= window.end) return {};
      window.truncated = window.truncated || event->type == EventType::truncate;
      TRY_DO(fold.apply(*event));
      about_.revision = event->revision + std::uint64_t{1};
      about_.append_time = event->append_time;
    }
  }

  Status merge(const Window& window, const std::vector<std::string_view>& touched,
               const TableFold& fold) {
    const bool last = window.end == making_.end;
    const std::string path = last ? making_.path : scratch_path();
    TRY(auto out, create(path));
    const bool with_source = source_ && !window.whole && !window.truncated;
    TRY_DO(write_merged(out, with_source, touched, fold.stored_rows()));
    fold.describe(about_);
    about_.position = window.end;
    about_.base = last && making_.base;
    return finish(out, path);
  }

  Status write_merged(StateFileWriter& out, bool with_source,
                      const std::vector<std::string_view>& touched,
                      const std::vector<StoredRow>& rows) {
    auto row = rows.begin();
    auto skip = touched.begin();
    if (with_source) {
      StateCursor old(*source_);
      for (std::uint64_t count = 0;; ++count) {
        if (count % stop_interval_events == 0) TRY_DO(check_stop());
        TRY(const StoredRow* kept, old.next());
        if (kept == nullptr) break;
        const KeyOrder place(kept->key);
        while (skip != touched.end() && KeyOrder(*skip) < place) ++skip;
        if (skip != touched.end() && *skip == kept->key) continue;
        while (row != rows.end() && KeyOrder(row->key) < place) TRY_DO(out.add(*row++));
        TRY_DO(out.add(*kept));
      }
    }
    while (row != rows.end()) TRY_DO(out.add(*row++));
    return {};
  }

  // ---- Another shape for all rows ----

  // The rows change their places: sorted pieces that fit into memory, then all of them merged.
  Status reshape(SchemaId schema) {
    TRY(const Schema* next, schemas_.get(schema));
    std::vector<std::unique_ptr<StateFile>> runs;
    StateAbout after = about_;
    if (source_) {
      StateCursor rows(*source_);
      for (bool more = true; more;) {
        TRY(more, reshape_piece(rows, schema, after, runs));
      }
    } else {
      after.schema = schema;
    }
    const std::string path = scratch_path();
    TRY(auto out, create(path));
    TRY(after.row_count, RunMerge(runs).write(out, next->has_key()));
    about_ = after;
    TRY_DO(finish(out, path));
    for (const auto& run : runs) TRY_DO(forget(run->path()));
    return {};
  }

  Result<bool> reshape_piece(StateCursor& rows, SchemaId schema, StateAbout& after,
                             std::vector<std::unique_ptr<StateFile>>& runs) {
    TRY_DO(check_stop());
    TableFold fold([this](SchemaId id) { return schemas_.get(id); });
    StateAbout before = after;  // with the notes of the pieces so far
    before.schema = about_.schema;
    TRY_DO(fold.resume(before));
    bool more = true;
    for (std::uint64_t bytes = 0; more && bytes <= making_.memory_bytes;) {
      TRY(const StoredRow* row, rows.next());
      more = row != nullptr;
      if (!more) break;
      fold.put(*row);
      bytes += row->key.size() + row->row.size() + row_overhead_bytes;
    }
    Event change;
    change.type = EventType::schema;
    change.schema = schema;
    change.stream_name = making_.stream_name;
    change.position = about_.position;
    TRY_DO(fold.apply(change));
    fold.describe(after);
    const std::string path = scratch_path();
    TRY(auto out, create(path));
    for (const StoredRow& row : fold.stored_rows()) TRY_DO(out.add(row));
    TRY_DO(out.finish(after, encoded()));
    TRY(auto run, StateFile::open(disk_, path));
    runs.push_back(std::move(run));
    return more;
  }

  // ---- Files ----

  EncodedSchemas encoded() {
    return [this](SchemaId id) -> Result<std::string> {
      TRY(const Schema* schema, schemas_.get(id));
      std::string bytes;
      put_schema(bytes, *schema);
      return bytes;
    };
  }

  std::string scratch_path() { return making_.path + "." + std::to_string(++scratch_count_); }

  Result<StateFileWriter> create(const std::string& path) {
    written_.push_back(path);
    return StateFileWriter::create(disk_, path);
  }

  Status forget(const std::string& path) {
    const auto at = std::find(written_.begin(), written_.end(), path);
    if (at == written_.end()) return {};
    written_.erase(at);
    return disk_.remove(path);
  }

  // The file becomes the one to go on from.
  Status finish(StateFileWriter& out, const std::string& path) {
    TRY_DO(out.finish(about_, encoded()));
    const std::string before = source_ ? source_->path() : std::string();
    TRY(source_, StateFile::open(disk_, path));
    return forget(before);
  }

  StoreReader& reader_;
  Disk& disk_;
  StateMaking making_;
  const std::stop_token& stop_;
  KnownSchemas schemas_;
  StateAbout about_;                   // of what is folded so far
  std::unique_ptr<StateFile> source_;  // and its rows; null: none yet
  std::uint64_t scratch_count_ = 0;
  std::vector<std::string> written_;  // that still exist
};

}  // namespace

Status make_state_file(StoreReader& reader, StateMaking making, const std::stop_token& stop) {
  Maker maker(reader, std::move(making), stop);
  Status made = maker.run();
  const Status cleaned = maker.clean(!made);
  if (!made) return made;
  return cleaned;
}

}  // namespace tidelog
