#include "ingest/reconciler.h"

#include <algorithm>
#include <utility>

#include "projections/row_shape.h"

namespace tidelog {
namespace {

Status add(LoadPart& part, const EventBody& event) {
  if (part.staged) return part.staged->add(event);
  part.batch.add(event);
  return {};
}

EventBody event_of(const LoadPart& part, const Correction& correction) {
  EventBody event;
  event.type = correction.type;
  event.stream = part.stream;
  event.schema = correction.schema;
  const bool is_removed = correction.type == EventType::remove;
  if (part.order == TableReader::Order::keyless) {
    event.before_kind = is_removed ? Before::row : Before::none;
    if (is_removed) event.before = correction.row;
  } else {
    event.key = correction.key;
    event.before_kind = is_removed ? Before::key : Before::none;
    if (is_removed) event.before = correction.key;
  }
  if (!is_removed) event.body = correction.row;
  return event;
}

// Of one table, held by their ids at least.
constexpr std::size_t transactions_max = 1 << 20;

void forget_changes(StreamedTransaction& transaction) {
  transaction.is_forgotten = true;
  transaction.changes = {};
}

Status add_step(LoadPart& part, std::uint64_t ordinal, const LoadStep& step) {
  const std::string body = encode(step);
  EventBody event;
  event.type = EventType::load_step;
  event.stream = part.stream;
  event.ordinal = static_cast<std::uint32_t>(ordinal);
  event.body = body;
  return add(part, event);
}

}  // namespace

Status end_load_part(LoadPart& part) {
  std::uint64_t ordinal = part.step.chunk_rows;
  for (const Correction& correction : part.corrections) {
    EventBody event = event_of(part, correction);
    event.ordinal = static_cast<std::uint32_t>(++ordinal);
    TRY_DO(add(part, event));
  }
  TRY_DO(add_step(part, ++ordinal, part.step));
  if (!part.is_all) return {};
  LoadStep ended = part.step;
  ended.kind = LoadStep::Kind::ended;
  return add_step(part, ++ordinal, ended);
}

// -- the threads of the loads --

ReaderId Reconciler::watch(StreamId stream) {
  const std::scoped_lock lock(mutex_);
  watched_[stream].readers.try_emplace(++last_reader_);
  is_watching_anew_.store(true, std::memory_order_release);
  return last_reader_;
}

void Reconciler::forget(StreamId stream, ReaderId reader) {
  const std::scoped_lock lock(mutex_);
  const auto watched = watched_.find(stream);
  if (watched == watched_.end()) return;
  watched->second.readers.erase(reader);
  if (watched->second.readers.empty()) watched_.erase(watched);
  is_watching_anew_.store(true, std::memory_order_release);
}

void Reconciler::took_snapshot(StreamId stream, ReaderId reader,
                               const TableReader::Snapshot& snapshot) {
  const std::scoped_lock lock(mutex_);
  Watched& watched = watched_[stream];
  watched.readers[reader].snapshot = snapshot.transactions;
  // What cannot be read is kept, and fails where it is used.
  static_cast<void>(prune(watched));
}

Result<Reconciler::Outcome> Reconciler::place(LoadPart& part, const std::stop_token& stop) {
  Waiting waiting{&part, std::nullopt};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&waiting);
  is_waited_for_.store(true, std::memory_order_release);
  wake_();
  const bool answered =
      answered_.wait(lock, stop, [&waiting] { return waiting.outcome.has_value(); });
  if (answered) return *waiting.outcome;
  std::erase(waiting_, &waiting);
  is_waited_for_.store(!waiting_.empty(), std::memory_order_release);
  return fail(Code::cancelled, "asked to stop");
}

// -- the stream's thread --

void Reconciler::begin(const Transaction& transaction) {
  if (is_watching_anew_.exchange(false, std::memory_order_acq_rel)) {
    const std::scoped_lock lock(mutex_);
    watched_here_.clear();
    for (const auto& [stream, watched] : watched_) watched_here_.insert(stream);
    is_watching_ = !watched_here_.empty();
  }
  if (!is_watching_) return;
  id_ = transaction.id;
  position_ = transaction.position;
}

void Reconciler::remember(const EventBody& event) {
  if (!is_row_event(event.type) && event.type != EventType::truncate) return;
  Open& open = open_[event.stream];
  if (open.transaction.is_forgotten) return;
  StreamedChange change{event.type, event.schema, event.moved, {}, {}, {}};
  change.key = event.key.value_or(std::string_view());
  if (!event.key && event.before_kind == Before::row) change.before = event.before;
  change.body = event.body.value_or(std::string_view());
  open.bytes += change.bytes();
  open.transaction.changes.push_back(std::move(change));
  if (open.bytes > held_bytes_max_) forget_changes(open.transaction);
}

Status Reconciler::commit() {
  if (open_.empty()) return {};
  const std::scoped_lock lock(mutex_);
  for (auto& [stream, open] : open_) {
    open.transaction.id = id_;
    open.transaction.position = position_;
    if (const auto watched = watched_.find(stream); watched != watched_.end())
      TRY_DO(keep(watched->second, std::move(open)));
  }
  open_.clear();
  return {};
}

void Reconciler::roll_back() { open_.clear(); }

// Which ones is not known here, and each of them must count once.
void Reconciler::comes_again() {
  const std::scoped_lock lock(mutex_);
  for (auto& [stream, watched] : watched_) begin_anew(watched);
}

void Reconciler::begin_anew(Watched& watched) {
  for (auto& [id, reader] : watched.readers) reader.must_begin = true;
  watched.transactions.clear();
  watched.bytes = 0;
}

// What is too much is not held: a chunk that needs it is read again, with a snapshot that may show
// it.
Status Reconciler::keep(Watched& watched, Open open) {
  TRY(const bool shown, is_shown(watched, open.transaction));
  if (shown) return {};
  if (!open.transaction.is_forgotten) watched.bytes += open.bytes;
  watched.transactions.push_back(std::move(open.transaction));
  if (watched.bytes > held_bytes_max_) {
    for (StreamedTransaction& transaction : watched.transactions) forget_changes(transaction);
    watched.bytes = 0;
  }
  if (watched.transactions.size() <= transactions_max) return {};
  // First those that keep them all: readers without a snapshot, whose waiting takes long.
  for (auto& [id, reader] : watched.readers) reader.must_begin |= reader.snapshot.empty();
  TRY_DO(prune(watched));
  if (watched.transactions.size() > transactions_max) begin_anew(watched);
  return {};
}

Result<bool> Reconciler::includes(const std::string& snapshot,
                                  const StreamedTransaction& transaction) const {
  return readers_.includes(snapshot, {transaction.id, transaction.position});
}

// By the newest snapshot of every reader.
Result<bool> Reconciler::is_shown(const Watched& watched,
                                  const StreamedTransaction& transaction) const {
  for (const auto& [id, reader] : watched.readers) {
    if (reader.must_begin) continue;
    if (reader.snapshot.empty()) return false;
    TRY(const bool shown, includes(reader.snapshot, transaction));
    if (!shown) return false;
  }
  return true;
}

Status Reconciler::prune(Watched& watched) {
  for (const auto& [id, reader] : watched.readers) {
    if (!reader.must_begin && reader.snapshot.empty()) return {};  // it may need each of them
  }
  std::vector<StreamedTransaction> kept;
  std::size_t bytes = 0;
  for (StreamedTransaction& transaction : watched.transactions) {
    TRY(const bool shown, is_shown(watched, transaction));
    if (shown) continue;
    for (const StreamedChange& change : transaction.changes) bytes += change.bytes();
    kept.push_back(std::move(transaction));
  }
  watched.transactions = std::move(kept);
  watched.bytes = bytes;
  return {};
}

// The lock is held while a part is written: nothing else of a load goes on meanwhile, and the
// stream is this thread's.
Status Reconciler::between(std::string_view resume, const std::function<Status(LoadPart&)>& put) {
  const std::scoped_lock lock(mutex_);
  const std::vector<Waiting*> waiting = waiting_;
  for (Waiting* const one : waiting) {
    TRY(const std::optional<Outcome> outcome, decide(*one->part, resume));
    if (!outcome) continue;
    if (*outcome == Outcome::placed) {
      if (auto written = put(*one->part); !written) {
        // Whatever happens meanwhile, what was decided for it no longer holds.
        answer(*one, Outcome::again);
        return written;
      }
    }
    answer(*one, *outcome);
  }
  return {};
}

void Reconciler::answer(Waiting& waiting, Outcome outcome) {
  waiting.outcome = outcome;
  std::erase(waiting_, &waiting);
  is_waited_for_.store(!waiting_.empty(), std::memory_order_release);
  answered_.notify_all();
}

// Nothing: the stream has not come there yet.
Result<std::optional<Reconciler::Outcome>> Reconciler::decide(LoadPart& part,
                                                              std::string_view resume) {
  if (part.step.kind != LoadStep::Kind::chunk) return std::optional(Outcome::placed);
  const auto watched = watched_.find(part.stream);
  if (watched == watched_.end()) return std::optional(Outcome::reopen);
  const auto reader = watched->second.readers.find(part.reader);
  if (reader == watched->second.readers.end() || reader->second.must_begin)
    return std::optional(Outcome::reopen);
  TRY(const bool passed, readers_.passed(resume, part.end));
  if (!passed) return std::optional<Outcome>();
  TRY(const Outcome outcome, correct(part, watched->second));
  return std::optional(outcome);
}

// Rows of an older version of the schema must not follow those of a newer one.
Result<bool> Reconciler::has_shape_of(const LoadPart& part, SchemaId schema) const {
  if (schema == part.schema_id) return true;
  TRY(const Schema other, schema_of_(schema));
  return same_row_shape(other, part.schema) && same_key_shape(other, part.schema);
}

Result<Reconciler::Outcome> Reconciler::correct(LoadPart& part, const Watched& watched) {
  std::vector<const StreamedChange*> changes;
  for (const StreamedTransaction& transaction : watched.transactions) {
    TRY(const bool shown, includes(part.snapshot.transactions, transaction));
    if (shown) continue;
    if (transaction.is_forgotten) return Outcome::again;
    for (const StreamedChange& change : transaction.changes) {
      if (change.type == EventType::truncate) return Outcome::again;
      TRY(const bool same, has_shape_of(part, change.schema));
      if (!same) return Outcome::again;
      changes.push_back(&change);
    }
  }
  if (part.order == TableReader::Order::keyless) {
    part.corrections = corrections_of_keyless(changes);
    return Outcome::placed;
  }
  if (changes.empty()) return Outcome::placed;
  std::optional<ChunkRows> rows;
  if (part.order == TableReader::Order::by_key) rows.emplace(part.batch);
  const KeyedChunk chunk{rows ? &*rows : nullptr, part.schema};
  TRY(auto corrections, corrections_of_keyed(changes, chunk, schema_of_));
  if (!corrections) return Outcome::again;
  part.corrections = std::move(*corrections);
  return Outcome::placed;
}

}  // namespace tidelog
