#include "tests/projections/crash_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/application_event.h"
#include "core/value_codec.h"
#include "eventstore/aggregate_snapshots.h"
#include "eventstore/backup.h"
#include "eventstore/restore.h"
#include "eventstore/store_marks.h"
#include "eventstore/verify.h"
#include "projections/snapshot_check.h"
#include "projections/snapshots.h"
#include "projections/state.h"
#include "tests/support/fake_clock.h"

namespace tidelog::testing {

const std::string simulated_folder = "/store";
const std::string simulated_backup = "/backup";

namespace {

const std::string holder = "a test";
const std::string restored_folder = "/restored";
constexpr std::uint64_t snapshots_kept = 2;

tl::unexpected<Error> wrong(std::string what) { return fail(Code::failed, std::move(what)); }

Status make_base(EventStore& store, const std::string& stream, Position position) {
  TRY(const auto reader, store.reader());
  TRY(const auto lock, StateDirectory(store.disk(), reader->directory()).lock(holder));
  TRY_DO(make_base_snapshot(*reader, {stream, position}, {}));
  return {};
}

}  // namespace

StoreOptions simulated_options() {
  StoreOptions options;
  options.segment_bytes = 4096;
  options.background = false;
  options.sealed_codec = format::Codec::zstd;
  options.holder = holder;
  return options;
}

ErasureOptions erasure_of(EventStore& store) {
  ErasureOptions options;
  options.forget = [&store](const Erasure& found) -> Status {
    TRY(const auto reader, store.reader());
    return forget_in_snapshots(*reader, found, holder);
  };
  return options;
}

RetentionPlan retention_of(EventStore& store, SimulatedHistory::Rules rules, Position floor) {
  RetentionPlan plan;
  plan.rule_of = [rules = std::move(rules)](std::string_view stream) {
    const auto rule = rules.find(std::string(stream));
    return rule == rules.end() ? RetentionRule{} : rule->second;
  };
  plan.make_base = [&store](const std::string& stream, Position position) {
    return make_base(store, stream, position);
  };
  plan.floor = floor;
  return plan;
}

Result<StreamOutcome> request_change(EventStore& store, const StreamRequest& request) {
  switch (request.kind) {
    case StreamRequest::Kind::truncate:
      return store.truncate_stream(request.stream, request.before, request.expected);
    case StreamRequest::Kind::remove:
      return store.delete_stream(request.stream, request.expected);
    case StreamRequest::Kind::tombstone:
      return store.tombstone_stream(request.stream, request.expected);
  }
  return fail(Code::failed, "no such change");
}

Status make_simulated_snapshots(EventStore& store) {
  TRY(const auto reader, store.reader());
  const StateDirectory directory(store.disk(), reader->directory());
  TRY(const auto lock, directory.lock(holder));
  TRY(const auto streams, reader->streams());
  Status damage;
  for (const StreamState& stream : streams) {
    if (!stream.is_table) continue;
    TRY_DO(make_snapshot(*reader, {stream.name, store.durable()},
                         [&](const std::string& what) { damage = wrong(what); }, {}));
    TRY_DO(prune_snapshots(directory, stream.id, snapshots_kept));
  }
  return damage;
}

// ---- Events ----

namespace {

std::string place_of(const Event& event) {
  return fmt::format("position {}, {} {} of {}", event.position.value, name_of(event.type),
                     event.revision.value, event.stream_name);
}

bool is_marker_of(const IssuedEvent& issued, const Event& event) {
  return event.stream_name == issued.stream && event.revision.value == issued.revision &&
         !event.key && !event.body && event.before_kind == Before::none && event.attributes.empty();
}

bool is_transaction_of(const IssuedEvent& issued, const Event& event) {
  return event.transaction.id == issued.transaction && event.source_name == issued.source &&
         event.transaction.event_index == issued.transaction_index &&
         event.transaction.event_count == issued.transaction_count;
}

bool is_content_of(const IssuedEvent& issued, const Event& event) {
  if (event.type != issued.type || event.moved != issued.moved || event.key != issued.key ||
      event.before_kind != issued.before_kind || event.before != issued.before ||
      event.body != issued.body)
    return false;
  if (event.type != EventType::application) return true;
  const ApplicationAttributes attributes = read_application_attributes(event.attributes);
  return attributes.type == issued.name && attributes.id == issued.id;
}

Status compare(const IssuedEvent& issued, const Event& event) {
  if (event.stream_name != issued.stream || event.revision.value != issued.revision) {
    return wrong(
        fmt::format("{}: issued as {} of {}", place_of(event), issued.revision, issued.stream));
  }
  if (!is_content_of(issued, event))
    return wrong(place_of(event) + ": its content is not what was issued");
  if (!is_transaction_of(issued, event)) {
    const Transaction& met = event.transaction;
    return wrong(fmt::format(
        "{}: event {} of {} of transaction '{}' of '{}', issued as {} of {} "
        "of '{}' of '{}'",
        place_of(event), met.event_index, met.event_count, met.id, event.source_name,
        issued.transaction_index, issued.transaction_count, issued.transaction, issued.source));
  }
  return {};
}

}  // namespace

Result<Standing> standing_of(const IssuedEvent& issued, const Standing& allowed,
                             const Event& event) {
  Standing met{false, false, false, allowed.forgotten};
  if (event.type == EventType::erased && issued.type != EventType::erased) {
    if (!allowed.erased) return wrong(place_of(event) + " was never erased");
    if (!is_marker_of(issued, event)) return wrong(place_of(event) + " is no marker of it");
    met.erased = true;
    return met;
  }
  if (!allowed.kept) return wrong(place_of(event) + " should be gone");
  TRY_DO(compare(issued, event));
  met.kept = true;
  return met;
}

Result<Standings> read_events(StoreReader& reader, const SimulatedHistory& history,
                              const Standings& allowed) {
  Standings met;
  const auto pass_over = [&](std::uint64_t end) -> Status {
    for (std::uint64_t i = met.size(); i < end; ++i) {
      if (i >= allowed.size()) return wrong(fmt::format("position {} was never issued", i));
      if (!allowed[i].removed) {
        return wrong(fmt::format("position {} is missing: {} {} of {}", i,
                                 name_of(history.events()[i].type), history.events()[i].revision,
                                 history.events()[i].stream));
      }
      met.push_back({false, true, false, allowed[i].forgotten});
    }
    return {};
  };
  for (;;) {
    TRY(const Event* const event, reader.next());
    if (event == nullptr) break;
    TRY_DO(pass_over(event->position.value));
    const std::uint64_t i = met.size();
    if (i >= allowed.size()) return wrong(place_of(*event) + " was never issued");
    TRY(const Standing standing, standing_of(history.events()[i], allowed[i], *event));
    met.push_back(standing);
  }
  TRY_DO(pass_over(reader.durable().value));
  return met;
}

// ---- Tables ----

namespace {

Result<SimulatedTable> table_of(const TableFold& fold) {
  SimulatedTable rows;
  TRY_DO(fold.for_each([&](const TableRow& met) -> Status {
    TRY(const auto values, read_row(met.row, met.schema->columns.size()));
    SimulatedRow row;
    row.id = std::get<std::int64_t>(values[0].variant());
    row.note = std::get<Text>(values[1].variant()).text;
    if (const auto* more = std::get_if<Text>(&values[2].variant())) row.more = more->text;
    rows[row.id] = row;
    return {};
  }));
  return rows;
}

std::string print(const SimulatedTable& rows) {
  std::string out;
  for (const auto& [id, row] : rows)
    out += fmt::format(" {}={}/{}", id, row.note, row.more.value_or("(unchanged)"));
  return out.empty() ? " no row" : out;
}

}  // namespace

Status check_tables(StoreReader& reader, const SimulatedHistory& history,
                    const Standings& standings) {
  TRY(const auto streams, reader.streams());
  for (const StreamState& stream : streams) {
    if (!stream.is_table) continue;
    Status damage;
    auto fold = state_at(reader, stream.name, {standings.size()},
                         [&](const std::string& what) { damage = wrong(what); });
    if (!fold) return fail_in("the state of " + stream.name, fold.error());
    TRY_DO(std::move(damage));
    TRY(const SimulatedTable met, table_of(**fold));
    const SimulatedTable expected = history.table(stream.name, standings.size(), standings);
    if (met != expected) {
      return wrong(fmt::format("the state of {} at {} has{}, expected{}", stream.name,
                               standings.size(), print(met), print(expected)));
    }
    if ((*fold)->contradictions().count != 0)
      return wrong("the state of " + stream.name + " met contradictions");
  }
  return {};
}

// ---- A crash state ----

namespace {

class Checking {
 public:
  Checking(const SimulatedHistory& history, FaultyDisk& disk, const CrashCheck& check)
      : history_(history), disk_(disk), check_(check), clock_(check.now) {}

  Status run() {
    TRY(const std::uint64_t seen, seen_beside());
    TRY_DO(recover());
    if (met_.size() < seen) {
      return wrong(fmt::format("a reader saw {} events before the recovery, {} are left", seen,
                               met_.size()));
    }
    if (check_.thorough || history_.backing_up) TRY_DO(in("the backup", check_backup()));
    if (check_.thorough) TRY_DO(check_thoroughly());
    return {};
  }

 private:
  static Status in(const char* doing, const Status& status) {
    if (status) return status;
    return fail_in(doing, status.error());
  }

  // What readers of other processes find while no writer is there yet.
  Result<std::uint64_t> seen_beside() {
    if (!check_.thorough) return std::uint64_t{0};
    auto reader = StoreReader::open(disk_, simulated_folder);
    if (!reader) {
      // Before the first store exists there is nothing to open.
      if (history_.acknowledged() == 0 && reader.error().code == Code::not_found)
        return std::uint64_t{0};
      return fail_in("a reader before the recovery", reader.error());
    }
    auto seen = read_events(**reader, history_, history_.standings());
    if (!seen) return fail_in("a reader before the recovery", seen.error());
    return std::uint64_t{seen->size()};
  }

  Status recover() {
    auto opened = EventStore::open(disk_, clock_, simulated_folder, simulated_options());
    if (!opened) return fail_in("recovery", opened.error());
    store_ = *std::move(opened);
    TRY(const auto pending, pending_erasures(disk_, store_->paths()));
    TRY_DO(in("an erasure taken up again",
              error_or_ok(resume_erasures(*store_, erasure_of(*store_)))));
    TRY_DO(in("after recovery", read_all()));
    TRY_DO(in("erasure", check_erasure(!pending.empty())));
    TRY_DO(in("verify", check_verified(simulated_folder)));
    lives_ = history_.lives(met_.size());
    TRY(const auto reader, store_->reader());
    TRY_DO(check_lives(*reader, lives_));
    return check_tables(*reader, history_, met_);
  }

  template <class T>
  static Status error_or_ok(const Result<T>& result) {
    if (!result) return error_of(result);
    return {};
  }

  Status read_all() {
    TRY(const auto reader, store_->reader());
    TRY(met_, read_events(*reader, history_, history_.standings()));
    const std::uint64_t end = met_.size();
    if (end != history_.acknowledged() && end != history_.events().size()) {
      return wrong(fmt::format("{} events, but {} were acknowledged and {} issued", end,
                               history_.acknowledged(), history_.events().size()));
    }
    if (store_->durable().value != end) return wrong("the durable end is not the events' end");
    return check_positions(end);
  }

  static Status check_lives(StoreReader& reader, const SimulatedHistory::Lives& expected) {
    TRY(const auto streams, reader.streams());
    std::size_t found = 0;
    for (const StreamState& stream : streams) {
      if (stream.life != life_in(expected, stream.name))
        return wrong(fmt::format("{} is {} from {} on", stream.name, name_of(stream.life.status),
                                 stream.life.first.value));
      found += expected.count(stream.name);
    }
    return found == expected.size() ? Status() : wrong("a stream that ended is forgotten");
  }

  Status check_positions(std::uint64_t end) const {
    std::map<std::string, std::string> met;
    for (const auto& [source, position] : history_.positions(true)) {
      const std::string at = store_->source_position(source);
      if (!at.empty()) met[source] = at;
    }
    const bool old = met == history_.positions(false) && end == history_.acknowledged();
    const bool with_new = met == history_.positions(true) && end == history_.events().size();
    return old || with_new ? Status() : wrong("the sources' positions do not fit the events");
  }

  // Before it was acknowledged, all of an erasure is done or nothing.
  Status check_erasure(bool was_pending) {
    if (!history_.erasing()) return {};
    bool any_kept = false;
    bool any_erased = was_pending;
    for (const std::uint64_t i : history_.erasing()->events) {
      any_kept |= met_[i].kept;
      any_erased |= met_[i].erased;
    }
    if (any_kept && any_erased) return wrong("some of its events are left");
    // Of rows that are in state files alone, these must tell.
    const bool done = any_erased || (!any_kept && is_forgotten_by_states());
    for (const std::uint64_t i : history_.erasing()->events) met_[i].forgotten = done;
    return {};
  }

  bool is_forgotten_by_states() {
    Standings without = met_;
    for (const std::uint64_t i : history_.erasing()->events) without[i].forgotten = true;
    const auto reader = store_->reader();
    return reader && check_tables(**reader, history_, without);
  }

  Status check_verified(const std::string& folder) {
    TRY(const VerifyReport report, verify_store(disk_, folder, [](const VerifyProgress&) {}));
    return report.damage.empty() ? Status() : wrong(report.damage.front());
  }

  // ---- The backup ----

  Status check_backup() {
    TRY(const auto record,
        read_backup_record(disk_, MarkPaths(StorePaths(simulated_backup)).backup));
    if (!record) return history_.backup ? wrong("it is gone") : Status();
    const bool is_old = history_.backup && record->time == history_.backup->time;
    const bool is_new = history_.backing_up && record->time == *history_.backing_up;
    if (!is_old && !is_new) return wrong("it is none that was made");
    const auto expected =
        is_old ? *history_.backup : history_.backup_of(record->time, record->durable.value);
    if (record->durable.value != expected.end)
      return wrong(fmt::format("it ends at {}, not {}", record->durable.value, expected.end));
    if (expected.end > history_.events().size()) return wrong("it is ahead of the store");
    TRY_DO(in("verify", check_verified(simulated_backup)));
    return check_restored(expected);
  }

  Status check_restored(const SimulatedHistory::Backup& expected) {
    FaultyDisk copy = disk_;
    TRY(const RestoreReport report, restore_store(copy, clock_, simulated_backup, restored_folder,
                                                  std::nullopt, [](const CopyProgress&) {}));
    if (report.durable.value != expected.end) return wrong("its end is not restored");
    TRY(const auto reader, StoreReader::open(copy, restored_folder));
    TRY(const Standings met, read_events(*reader, history_, expected.standings));
    if (met.size() != expected.end) return wrong("not all of its events are restored");
    TRY_DO(check_lives(*reader, history_.lives(expected.end)));
    return check_tables(*reader, history_, met);
  }

  // ---- The rest ----

  Status check_thoroughly() {
    TRY_DO(in("state files", check_state_files()));
    TRY_DO(in("erased bytes", check_secrets()));
    TRY_DO(in("what applications saved", check_saved()));
    TRY_DO(in("reading by other ways", check_other_reads()));
    TRY_DO(in("going on", go_on()));
    return {};
  }

  Status check_state_files() {
    TRY(const auto reader, store_->reader());
    TRY(const auto lock, StateDirectory(disk_, simulated_folder).lock(holder));
    TRY(const SnapshotCheck checked, check_snapshots(*reader, [](const SnapshotCheck&) {}, {}));
    return checked.damage.empty() ? Status() : wrong(checked.damage.front());
  }

  Status check_secrets() {
    const auto& secrets = history_.erased_secrets();
    const std::size_t not_in_backup =
        history_.backup && !history_.backing_up ? history_.backup->erased_secrets : 0;
    for (const auto& [path, content] : disk_.files()) {
      const bool in_backup = path.starts_with(simulated_backup);
      const std::size_t count = in_backup ? not_in_backup : secrets.size();
      for (std::size_t i = 0; i < count; ++i) {
        if (content.find(secrets[i]) != std::string::npos)
          return wrong(fmt::format("{} of an erased event is in {}", secrets[i], path));
      }
    }
    return {};
  }

  Status check_saved() {
    TRY(const auto reader, store_->reader());
    TRY(const auto streams, reader->streams());
    const AggregateSnapshots snapshots(disk_, simulated_folder, reader->uuid());
    for (const StreamState& stream : streams) {
      if (is_table(stream.name)) continue;
      TRY(const auto met, snapshots.load(stream.id, stream.name, {UINT64_MAX}, stream.life));
      const auto known = history_.saved.find(stream.name);
      const bool is_whole = known != history_.saved.end() &&
                            stream.life.status == StreamStatus::open &&
                            known->second.revision + 1 >= stream.life.first.value;
      const bool none_allowed =
          !is_whole || (history_.erasing() && history_.erasing()->stream == stream.name);
      if (!met && none_allowed) continue;
      if (!met) return wrong("that of " + stream.name + " is gone");
      const SimulatedHistory::Saved found{met->revision.value, met->bytes};
      if (is_whole && known->second == found) continue;
      if (history_.saving && *history_.saving == std::pair(stream.name, found)) continue;
      return wrong("that of " + stream.name + " is not the newest");
    }
    return {};
  }

  // Backwards, and of one stream and key, with what indexes there are and with all of them.
  Status check_other_reads() {
    TRY_DO(read_backwards());
    TRY_DO(read_streams());
    TRY_DO(store_->make_indexes());
    TRY_DO(read_backwards());
    TRY_DO(read_streams());
    return in("verify with all indexes", check_verified(simulated_folder));
  }

  Status read_backwards() {
    TRY(const auto reader, store_->reader());
    TRY_DO(reader->seek(store_->durable()));
    std::uint64_t i = met_.size();
    for (;;) {
      TRY(const Event* const event, reader->previous());
      while (i > 0 && met_[i - 1].removed) --i;
      if (event == nullptr && i == 0) return {};
      if (event == nullptr || i == 0 || event->position.value != i - 1)
        return wrong(fmt::format("backwards, position {} is passed over", i - 1));
      --i;
      TRY_DO(standing_of(history_.events()[i], met_[i], *event));
    }
  }

  Status read_streams() {
    TRY(const auto reader, store_->reader());
    TRY(const auto names, reader->stream_names());
    for (const std::string& name : names) TRY_DO(read_stream(name));
    return {};
  }

  Status read_stream(const std::string& name) {
    TRY(const auto reader, store_->reader());
    EventFilter filter;
    filter.streams = {name};
    std::uint64_t next = 0;
    const std::string key = some_key(name);
    if (!key.empty()) filter.keys = {key};
    reader->set_filter(filter);
    const auto is_wanted = [&](std::uint64_t i) {
      const IssuedEvent& event = history_.events()[i];
      if (event.stream != name || met_[i].removed || !is_read(event, life_in(lives_, name)))
        return false;
      return key.empty() || (met_[i].kept && event.key == key);
    };
    for (;;) {
      TRY(const Event* const event, reader->next());
      const std::uint64_t end = event == nullptr ? met_.size() : event->position.value;
      for (; next < end; ++next) {
        if (is_wanted(next))
          return wrong(fmt::format("of {}, position {} is passed over", name, next));
      }
      if (event == nullptr) return {};
      if (!is_wanted(next)) return wrong(place_of(*event) + " was not asked for");
      TRY_DO(standing_of(history_.events()[next], met_[next], *event));
      ++next;
    }
  }

  // The newest event's, of every other stream; empty: all keys.
  std::string some_key(const std::string& stream) const {
    if (stream.size() % 2 == 0) return {};
    for (std::uint64_t i = met_.size(); i > 0; --i) {
      const IssuedEvent& event = history_.events()[i - 1];
      if (event.stream == stream && event.key && met_[i - 1].kept) return *event.key;
    }
    return {};
  }

  // The request that had no answer gets the one that it would have got; appends, maintenance and
  // another power loss leave what they must.
  Status go_on() {
    TRY_DO(ask_again());
    TRY_DO(ask_for_change_again());
    const std::uint64_t end = store_->durable().value;
    TRY(const std::uint64_t first, append_one("after.recovery"));
    if (first != end) return wrong(fmt::format("position {} was given, not {}", first, end));
    TRY_DO(make_simulated_snapshots(*store_));
    TRY_DO(store_->seal());
    SimulatedHistory::Rules rules;
    rules["after.recovery"].max_count = 1;
    RetentionMemory memory;
    TRY_DO(apply_retention(*store_, retention_of(*store_, rules, {UINT64_MAX}), memory));
    remove_what_does_not_count();
    TRY_DO(back_up_store(disk_, clock_, simulated_folder, simulated_backup,
                         [](const CopyProgress&) {}));
    store_.reset();
    FaultyDisk later = disk_.after_power_loss(Survives::nothing, 0);
    auto opened = EventStore::open(later, clock_, simulated_folder, simulated_options());
    if (!opened) return fail_in("the second recovery", opened.error());
    for (const std::string& folder : {simulated_folder, simulated_backup}) {
      TRY(const auto reader, StoreReader::open(later, folder));
      reader->read_until({met_.size()});
      TRY_DO(read_events_before(*reader, met_));
      if (reader->durable().value <= first) return wrong("what was appended is gone");
    }
    return {};
  }

  // As retention does, whatever the rules, with events and with what marks an erased one.
  void remove_what_does_not_count() {
    for (std::uint64_t i = 0; i < met_.size(); ++i) {
      const IssuedEvent& event = history_.events()[i];
      if (met_[i].removed || is_kept(event, life_in(lives_, event.stream))) continue;
      met_[i] = {false, true, false, met_[i].forgotten};
    }
  }

  // As read_events, of what was there before.
  Status read_events_before(StoreReader& reader, const Standings& met) const {
    std::uint64_t i = 0;
    for (;;) {
      TRY(const Event* const event, reader.next());
      while (i < met.size() && met[i].removed) ++i;
      if (event == nullptr && i == met.size()) return {};
      if (event == nullptr || event->position.value > i)
        return wrong(fmt::format("position {} is gone", i));
      if (event->position.value < i)
        return wrong(place_of(*event) + " does not count and is still there");
      TRY_DO(standing_of(history_.events()[i], met[i], *event));
      ++i;
    }
  }

  Status ask_again() {
    if (!history_.request) return {};
    const bool was_there = met_.size() == history_.events().size();
    TRY(const AppendOutcome outcome, store_->append(*history_.request));
    const auto* answer = std::get_if<AppendedEvents>(&outcome);
    if (answer == nullptr) return wrong("asked again: " + print(std::get<AppendConflict>(outcome)));
    if (answer->first.value != history_.acknowledged() || answer->repeated != was_there)
      return wrong("asked again, a request is not answered as it would have been");
    return was_there ? Status() : read_anew();
  }

  Status ask_for_change_again() {
    if (!history_.change) return {};
    const bool was_there = met_.size() == history_.events().size();
    TRY(const StreamOutcome outcome, request_change(*store_, *history_.change));
    const auto* answer = std::get_if<StreamChanged>(&outcome);
    if (answer == nullptr) return wrong("asked again: " + print(std::get<AppendConflict>(outcome)));
    const bool is_told = answer->position.has_value() != was_there &&
                         (was_there || answer->position->value == history_.acknowledged());
    const auto lives = history_.lives(history_.events().size());
    if (!is_told || answer->life != life_in(lives, history_.change->stream))
      return wrong("asked again, a change of a stream is not answered as it would have been");
    return was_there ? Status() : read_anew();
  }

  Status read_anew() {
    TRY(const auto reader, store_->reader());
    TRY(met_, read_events(*reader, history_, history_.standings()));
    lives_ = history_.lives(met_.size());
    return {};
  }

  Result<std::uint64_t> append_one(const std::string& stream) {
    NewEvent event;
    event.type = "Recovered";
    event.data = "{}";
    TRY(const AppendOutcome outcome,
        store_->append(AppendRequest{{{stream, ExpectedRevision::any(), {event}}}}));
    const auto* answer = std::get_if<AppendedEvents>(&outcome);
    if (answer == nullptr) return wrong("an append after the recovery conflicts");
    return answer->first.value;
  }

  const SimulatedHistory& history_;
  FaultyDisk& disk_;
  const CrashCheck& check_;
  FakeClock clock_;
  std::unique_ptr<EventStore> store_;
  Standings met_;
  SimulatedHistory::Lives lives_;
};

}  // namespace

Status check_crash_state(const SimulatedHistory& history, FaultyDisk& disk,
                         const CrashCheck& check) {
  return Checking(history, disk, check).run();
}

}  // namespace tidelog::testing
