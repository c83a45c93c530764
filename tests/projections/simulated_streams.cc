// What SimulatedStore does to whole streams of applications: truncates them, deletes them so that
// they can be begun anew, and ends them for ever.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eventstore/aggregate_snapshots.h"
#include "tests/projections/crash_check.h"
#include "tests/projections/simulated_store.h"

namespace tidelog::testing {
namespace {

using Kind = StreamRequest::Kind;

tl::unexpected<Error> wrong(std::string what) { return fail(Code::failed, std::move(what)); }

bool is_visit(const std::string& stream) { return stream.starts_with("visit."); }

// The table of eventstore/stream_change.h, of requests whose expectation holds.
enum class Fate : std::uint8_t { so_already, beyond_end, changes };
Fate fate_of(const StreamRequest& request, std::uint64_t next, const StreamLife& life) {
  switch (request.kind) {
    case Kind::truncate:
      if (request.before <= life.first) return Fate::so_already;
      return request.before.value > next ? Fate::beyond_end : Fate::changes;
    case Kind::remove:
      return next == 0 || life.status == StreamStatus::deleted ? Fate::so_already : Fate::changes;
    case Kind::tombstone:
      return Fate::changes;
  }
  return Fate::changes;
}

}  // namespace

StreamRequest SimulatedStore::some_change(const std::string& stream, StreamLife life) {
  const std::uint64_t next = history_.next_revision(stream);
  StreamRequest request;
  request.stream = stream;
  if (one_in(2)) {
    request.kind = is_visit(stream) && one_in(2) ? Kind::tombstone : Kind::remove;
  } else {
    const std::uint64_t least = life.first.value - std::min<std::uint64_t>(life.first.value, 1);
    request.before = {least + below(next + 2 - least)};
  }
  if (one_in(2)) {
    request.expected =
        next == 0 ? ExpectedRevision::no_stream() : ExpectedRevision::exactly({next - 1});
  }
  return request;
}

void SimulatedStore::issue_change(const StreamRequest& request) {
  IssuedEvent event;
  event.type = event_type_of(request.kind);
  event.stream = request.stream;
  event.append_time = clock_.now();
  event.transaction_count = 1;
  if (request.kind == Kind::truncate) {
    event.first_kept = request.before.value;
    event.body = put_first_kept(request.before);
  }
  history_.issue({event}, {}, {});
  history_.change = request;
}

Status SimulatedStore::ask(const StreamRequest& request, StreamLife life) {
  const Fate fate = fate_of(request, history_.next_revision(request.stream), life);
  const Position position{history_.acknowledged()};
  if (fate == Fate::changes) issue_change(request);
  TRY(const StreamOutcome outcome, request_change(*store_, request));
  history_.acknowledge();
  if (const auto* conflict = std::get_if<AppendConflict>(&outcome)) {
    const bool is_right =
        fate == Fate::beyond_end && conflict->kind == AppendConflict::Kind::beyond_end;
    return is_right ? Status() : wrong("a conflict: " + print(*conflict));
  }
  if (fate == Fate::beyond_end) return wrong("it was truncated beyond its end");
  const auto& answer = std::get<StreamChanged>(outcome);
  const StreamLife now = life_in(history_.lives(history_.acknowledged()), request.stream);
  const bool is_changed = fate == Fate::changes;
  const bool is_told =
      answer.position.has_value() == is_changed && (!is_changed || *answer.position == position);
  if (!is_told || answer.life != now || answer.next.value != history_.next_revision(request.stream))
    return wrong("another answer was given");
  return {};
}

Status SimulatedStore::change_stream() {
  const std::string stream = some_stream();
  const StreamLife life = life_in(history_.lives(history_.acknowledged()), stream);
  const StreamRequest request = some_change(stream, life);
  doing_ = fmt::format("{} {}", name_of(event_type_of(request.kind)), stream);
  TRY_DO(ask(request, life));
  if (request.kind == Kind::tombstone) ++visits_;
  return {};
}

// Retention takes with a stream what was saved of it. `lives`: when it began.
Status SimulatedStore::check_aggregates_of_ended(const SimulatedHistory::Lives& lives) {
  TRY(const auto reader, store_->reader());
  TRY(const auto streams, reader->streams());
  const AggregateSnapshots snapshots(disk_, simulated_folder, reader->uuid());
  for (const StreamState& stream : streams) {
    if (life_in(lives, stream.name).status == StreamStatus::open) continue;
    TRY(const auto met, snapshots.load(stream.id, stream.name, {UINT64_MAX}, StreamLife{}));
    if (met) return wrong("what was saved of " + stream.name + ", which ended, is still there");
  }
  return {};
}

}  // namespace tidelog::testing
