#include "tests/projections/simulated_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/application_event.h"
#include "core/value_codec.h"
#include "eventstore/aggregate_snapshots.h"
#include "eventstore/backup.h"
#include "eventstore/state_directory.h"
#include "projections/snapshots.h"
#include "tests/projections/crash_check.h"

namespace tidelog::testing {
namespace {

using std::chrono::seconds;

const std::vector<std::string> carts = {"cart.1", "cart.2"};
const std::vector<std::string> logs = {"log.prices", "log.stock"};

tl::unexpected<Error> wrong(std::string what) { return fail(Code::failed, std::move(what)); }

Schema schema_of(const std::string& stream, int version) {
  Schema schema{"public", stream, ReplicaIdentity::primary_key, {}};
  schema.columns.push_back({"id", "bigint", ValueKind::int64, true, 20, -1});
  schema.columns.push_back(
      {"note", fmt::format("varchar({})", version), ValueKind::text, false, 1043, version});
  schema.columns.push_back({"more", "text", ValueKind::text, false, 25, -1});
  return schema;
}

std::string key_of(std::int64_t id) {
  std::string key;
  put_value(key, Value(id));
  return key;
}

EventBody body_of(const IssuedEvent& event, EventStore& store, SchemaId schema) {
  EventBody body;
  body.type = event.type;
  body.stream = store.stream(event.stream);
  body.schema = schema;
  body.moved = event.moved;
  body.key = event.key;
  body.before_kind = event.before_kind;
  body.before = event.before;
  body.body = event.body;
  return body;
}

}  // namespace

SimulatedStore::SimulatedStore(std::uint64_t seed, FaultyDisk& disk) : random_(seed), disk_(disk) {
  tables_ = {{"shop", "shop.public.orders", 1, {}}, {"books", "books.public.titles", 1, {}}};
  const auto rule = [this](const std::string& stream) -> RetentionRule& { return rules_[stream]; };
  if (!one_in(4)) rule(tables_[0].stream).max_count = 10 + below(15);
  if (!one_in(4)) {
    rule(tables_[1].stream).compact = true;
    rule(tables_[1].stream).keep_deletions = seconds(below(60));
  }
  rule(carts[0]).max_count = 1 + below(8);
  rule(carts[1]).max_age = seconds(20 + below(60));
  rule(logs[0]).compact = true;
  if (one_in(2)) rule(logs[1]).compact = true;
}

Status SimulatedStore::step() {
  clock_.advance(seconds(1));
  if (store_ == nullptr) return open();
  struct Choice {
    std::uint64_t weight;
    Status (SimulatedStore::*operation)();
  };
  static constexpr Choice choices[] = {
      {20, &SimulatedStore::append_rows},
      {1, &SimulatedStore::append_position},
      {16, &SimulatedStore::append_request},
      {2, &SimulatedStore::repeat_request},
      {6, &SimulatedStore::stage},
      {3, &SimulatedStore::adopt},
      {1, &SimulatedStore::give_up_staged},
      {4, &SimulatedStore::read_on},
      {1, &SimulatedStore::read_all},
      {2, &SimulatedStore::seal},
      {3, &SimulatedStore::make_indexes},
      {4, &SimulatedStore::retain},
      {4, &SimulatedStore::erase},
      {4, &SimulatedStore::back_up},
      {4, &SimulatedStore::snapshot},
      {3, &SimulatedStore::save_aggregate},
      {4, &SimulatedStore::change_stream},
      {2, &SimulatedStore::pack},
      {2, &SimulatedStore::open},
  };
  std::uint64_t sum = 0;
  for (const Choice& choice : choices) sum += choice.weight;
  std::uint64_t at = below(sum);
  const Choice* choice = choices;
  while (at >= choice->weight) at -= (choice++)->weight;
  return (this->*choice->operation)();
}

// For the first time, or anew.
Status SimulatedStore::open() {
  doing_ = "open";
  staged_.reset();
  follower_.reset();
  follower_next_ = 0;
  store_.reset();
  memory_ = {};
  packed_ = {};
  TRY(store_, EventStore::open(disk_, clock_, simulated_folder, simulated_options()));
  return {};
}

// ---- Texts ----

std::string SimulatedStore::secret() {
  std::string text;
  for (int i = 0; i < 12; ++i) text += static_cast<char>('a' + below(26));
  return text;
}

// Mostly short, now and then as long as a segment or longer. Not compressible.
std::string SimulatedStore::some_text() {
  const std::uint64_t bytes = one_in(40) ? 1000 + below(6000) : below(120);
  std::string text;
  for (std::uint64_t i = 0; i < bytes; ++i) text += static_cast<char>('!' + below(90));
  return text;
}

std::string SimulatedStore::next_position() { return fmt::format("at {}", ++appends_); }

// ---- Rows ----

void SimulatedStore::announce(Table& table, Announced& announced, std::vector<Row>& rows) {
  const Schema schema = schema_of(table.stream, table.version);
  const auto version = store_->schema(store_->stream(table.stream), schema);
  if (!version.is_new || !announced.insert(version.id).second) return;
  Row row;
  row.event.type = EventType::schema;
  row.event.stream = table.stream;
  row.event.source = table.source;
  row.event.body.emplace();
  put_schema(*row.event.body, schema);
  row.schema = version.id;
  rows.push_back(std::move(row));
}

SimulatedStore::Row SimulatedStore::row_event(const Table& table, EventType type, std::int64_t id,
                                              std::size_t life) {
  Row row;
  row.event.type = type;
  row.event.stream = table.stream;
  row.event.source = table.source;
  row.event.row.id = id;
  row.event.life = life;
  row.event.key = key_of(id);
  if (type == EventType::remove) {
    row.event.before_kind = Before::key;
    row.event.before = *row.event.key;
  }
  const Schema schema = schema_of(table.stream, table.version);
  row.schema = store_->schema(store_->stream(table.stream), schema).id;
  return row;
}

void SimulatedStore::give_values(Row& row, bool whole) {
  IssuedEvent& event = row.event;
  event.secret = secret();
  event.row.note = event.secret + some_text();
  if (whole || !one_in(3)) event.row.more = some_text();
  event.body = *event.key;
  put_value(*event.body, Value(Text{event.row.note}));
  put_value(*event.body, event.row.more ? Value(Text{*event.row.more}) : Value(Unchanged{}));
}

std::int64_t SimulatedStore::free_id(const Table& table) {
  for (;;) {
    const auto id = static_cast<std::int64_t>(below(16));
    if (!table.lives.contains(id)) return id;
  }
}

// One change of a row, as two events when its key changes.
void SimulatedStore::change(Table& table, std::vector<Row>& rows) {
  auto& lives = table.lives;
  const std::uint64_t choice = below(20);
  if (lives.empty() || (choice < 7 && lives.size() < 12)) {
    const std::int64_t id = free_id(table);
    lives[id] = ++last_life_;
    rows.push_back(row_event(table, EventType::insert, id, last_life_));
    give_values(rows.back(), true);
    return;
  }
  if (choice == 19 && one_in(4)) {
    Row row;
    row.event.type = EventType::truncate;
    row.event.stream = table.stream;
    row.event.source = table.source;
    rows.push_back(std::move(row));
    lives.clear();
    return;
  }
  const auto at = std::next(lives.begin(), static_cast<std::ptrdiff_t>(below(lives.size())));
  const auto [id, life] = *at;
  if (choice < 14) {
    rows.push_back(row_event(table, EventType::update, id, life));
    give_values(rows.back(), false);
    return;
  }
  rows.push_back(row_event(table, EventType::remove, id, life));
  lives.erase(at);
  if (choice < 17 || lives.size() > 12) return;
  rows.back().event.moved = true;
  const std::int64_t to = free_id(table);
  lives[to] = life;
  rows.push_back(row_event(table, EventType::insert, to, life));
  give_values(rows.back(), false);
  rows.back().event.moved = true;
  rows.back().event.before_kind = Before::key;
  rows.back().event.before = key_of(id);
}

// The rows from `begin` on are one transaction.
void SimulatedStore::number(std::vector<Row>& rows, std::size_t begin,
                            const std::string& transaction, UnixMicros now) {
  for (std::size_t i = begin; i < rows.size(); ++i) {
    IssuedEvent& event = rows[i].event;
    event.transaction = transaction;
    event.transaction_index = i - begin;
    event.transaction_count = rows.size() - begin;
    event.append_time = now;
  }
}

Status SimulatedStore::append_rows() {
  doing_ = "append of a source";
  Table& table = tables_[below(tables_.size())];
  if (one_in(15)) table.version = 1 + static_cast<int>(below(3));
  std::vector<Row> rows;
  std::vector<std::size_t> begins;
  Announced announced;
  for (std::uint64_t transactions = 1 + below(3); transactions > 0; --transactions) {
    begins.push_back(rows.size());
    announce(table, announced, rows);
    for (std::uint64_t changes = 1 + below(4); changes > 0; --changes) change(table, rows);
    number(rows, begins.back(), next_position(), clock_.now());
  }
  BatchBuilder batch;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const IssuedEvent& event = rows[i].event;
    if (event.transaction_index == 0) batch.begin({event.transaction, {}, {}, {}, 0, 0});
    batch.add(body_of(event, *store_, rows[i].schema));
    if (event.transaction_index + 1 == event.transaction_count) batch.commit();
  }
  const std::string position = next_position();
  batch.set_source(store_->source(table.source), position);
  std::vector<IssuedEvent> events;
  for (Row& row : rows) events.push_back(std::move(row.event));
  const std::uint64_t first = history_.issue(std::move(events), table.source, position);
  TRY(const Appended appended, store_->append(batch));
  history_.acknowledge();
  return appended.first.value == first ? Status() : wrong("another position was given");
}

Status SimulatedStore::append_position() {
  doing_ = "append of a position alone";
  const Table& table = tables_[below(tables_.size())];
  const std::string position = next_position();
  BatchBuilder batch;
  batch.set_source(store_->source(table.source), position);
  history_.issue({}, table.source, position);
  TRY_DO(store_->append(batch));
  history_.acknowledge();
  return {};
}

// ---- Staged transactions ----

// Its rows are new ones, so that it fits whatever is appended meanwhile.
Status SimulatedStore::stage() {
  doing_ = "stage";
  if (!staged_) {
    staged_.emplace();
    staged_->table = below(tables_.size());
    TRY(staged_->writer, store_->stage());
  }
  Table& table = tables_[staged_->table];
  auto& rows = staged_->rows;
  const std::size_t begin = rows.size();
  announce(table, staged_->announced, rows);
  for (std::uint64_t left = 1 + below(6); left > 0; --left) {
    rows.push_back(row_event(table, EventType::insert, next_staged_id_++, ++last_life_));
    give_values(rows.back(), true);
  }
  number(rows, begin, next_position(), clock_.now());
  TRY_DO(staged_->writer->begin({rows.back().event.transaction, {}, {}, {}, 0, 0}));
  for (std::size_t i = begin; i < rows.size(); ++i)
    TRY_DO(staged_->writer->add(body_of(rows[i].event, *store_, rows[i].schema)));
  return {};
}

Status SimulatedStore::adopt() {
  if (!staged_) return append_rows();
  doing_ = "adopt";
  Table& table = tables_[staged_->table];
  std::vector<IssuedEvent> events;
  for (Row& row : staged_->rows) {
    events.push_back(std::move(row.event));
    events.back().append_time = clock_.now();
    events.back().transaction_index = events.size() - 1;
    events.back().transaction_count = staged_->rows.size();
    if (events.back().type == EventType::insert)
      table.lives[events.back().row.id] = events.back().life;
  }
  const std::string position = next_position();
  const std::uint64_t first = history_.issue(std::move(events), table.source, position);
  TRY(const Appended adopted,
      store_->adopt(*staged_->writer, store_->source(table.source), position));
  history_.acknowledge();
  staged_.reset();
  return adopted.first.value == first ? Status() : wrong("another position was given");
}

Status SimulatedStore::give_up_staged() {
  if (!staged_) return append_rows();
  doing_ = "give up what was staged";
  staged_.reset();
  return {};
}

// ---- Applications ----

// Most have rules of retention. A visit is the only one that may be ended for ever; another one
// comes after it.
std::string SimulatedStore::some_stream() {
  const std::uint64_t choice = below(10);
  if (choice < 4) return carts[choice % 2];
  return choice < 8 ? logs[choice % 2] : fmt::format("visit.{}", visits_);
}

StreamAppend SimulatedStore::some_part(const std::string& stream) {
  StreamAppend part;
  part.stream = stream;
  const std::uint64_t next = history_.next_revision(stream);
  if (!one_in(4)) {
    part.expected =
        next == 0 ? ExpectedRevision::no_stream() : ExpectedRevision::exactly({next - 1});
  } else if (life_in(history_.lives(history_.acknowledged()), stream).status ==
             StreamStatus::deleted) {
    part.expected = ExpectedRevision::no_stream();
  }
  const bool keyed = std::find(logs.begin(), logs.end(), stream) != logs.end();
  for (std::uint64_t left = 1 + below(3); left > 0; --left) {
    NewEvent event;
    event.type = one_in(2) ? "Added" : "Taken";
    event.data = secret() + some_text();
    event.content_type = "text/plain";
    for (std::size_t i = 0; i < event_id_bytes; ++i)
      event.id += static_cast<char>(static_cast<unsigned char>(below(256)));
    if (keyed) event.key = fmt::format("key {}", below(5));
    part.events.push_back(std::move(event));
  }
  return part;
}

Status SimulatedStore::ask(AppendRequest request) {
  std::vector<IssuedEvent> events;
  for (const StreamAppend& part : request.streams) {
    for (const NewEvent& given : part.events) {
      IssuedEvent& event = events.emplace_back();
      event.stream = part.stream;
      event.append_time = clock_.now();
      event.key = given.key;
      event.body = given.data;
      event.name = given.type;
      event.id = given.id;
      event.secret = given.data.substr(0, 12);
    }
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    events[i].transaction_index = i;
    events[i].transaction_count = events.size();
  }
  last_request_ = request;
  last_first_ = {history_.issue(std::move(events), {}, {})};
  history_.request = request;
  TRY(const AppendOutcome outcome, store_->append(std::move(request)));
  history_.acknowledge();
  const auto* answer = std::get_if<AppendedEvents>(&outcome);
  if (answer == nullptr) return wrong("a conflict: " + print(std::get<AppendConflict>(outcome)));
  if (answer->first != last_first_ || answer->repeated) return wrong("another answer was given");
  return {};
}

Status SimulatedStore::append_request() {
  doing_ = "append of an application";
  AppendRequest request;
  request.streams.push_back(some_part(some_stream()));
  if (one_in(3)) {
    const std::string other = some_stream();
    if (other != request.streams.front().stream) request.streams.push_back(some_part(other));
  }
  return ask(std::move(request));
}

// The last request again, which is still there whole; or one whose expectation does not hold.
Status SimulatedStore::repeat_request() {
  if (!last_request_) return append_request();
  doing_ = "repeat a request";
  if (one_in(2)) {
    AppendRequest request{{some_part(carts[0])}};
    request.streams.front().expected =
        ExpectedRevision::exactly({history_.next_revision(carts[0]) + below(3)});
    TRY(const AppendOutcome outcome, store_->append(std::move(request)));
    const bool refused = std::holds_alternative<AppendConflict>(outcome);
    return refused ? Status() : wrong("a wrong expectation was taken");
  }
  const auto& events = history_.events();
  std::uint64_t count = 0;
  for (const StreamAppend& part : last_request_->streams) count += part.events.size();
  const auto lives = history_.lives(history_.acknowledged());
  for (std::uint64_t i = 0; i < count; ++i) {
    const IssuedEvent& event = events[last_first_.value + i];
    const bool is_there = event.standing.kept && is_read(event, life_in(lives, event.stream));
    if (!is_there) return append_request();
  }
  TRY(const AppendOutcome outcome, store_->append(*last_request_));
  const auto* answer = std::get_if<AppendedEvents>(&outcome);
  if (answer == nullptr) return wrong("a conflict: " + print(std::get<AppendConflict>(outcome)));
  if (answer->first != last_first_ || !answer->repeated) return wrong("another answer was given");
  return {};
}

Status SimulatedStore::save_aggregate() {
  doing_ = "save an aggregate";
  const std::string stream = some_stream();
  const std::uint64_t next = history_.next_revision(stream);
  const StreamLife life = life_in(history_.lives(history_.acknowledged()), stream);
  if (next == 0 || life.status != StreamStatus::open) return append_request();
  SimulatedHistory::Saved saved{next - 1, "saved at " + next_position()};
  for (auto event = history_.events().rbegin(); event != history_.events().rend(); ++event) {
    if (event->stream != stream) continue;
    if (event->standing.kept) saved.bytes += event->secret;
    break;
  }
  history_.saving = {stream, saved};
  TRY(const auto reader, store_->reader());
  AggregateSnapshots snapshots(disk_, simulated_folder, reader->uuid());
  TRY_DO(snapshots.save(store_->stream(stream), stream, {{saved.revision}, saved.bytes}));
  history_.saved[stream] = saved;
  history_.saving.reset();
  return {};
}

// ---- Reading ----

// One reader stays open and goes on where it stood, whatever happened since.
Status SimulatedStore::read_on() {
  doing_ = "read on";
  if (!follower_) {
    TRY(follower_, store_->reader());
  }
  for (std::uint64_t left = 1 + below(60); left > 0; --left) {
    TRY(const Event* const event, follower_->next());
    const std::uint64_t end = event == nullptr ? history_.acknowledged() : event->position.value;
    for (; follower_next_ < end; ++follower_next_) {
      if (!history_.events()[follower_next_].standing.removed)
        return wrong(fmt::format("position {} is passed over", follower_next_));
    }
    if (event == nullptr) return {};
    // What it has read of a file that was replaced since is as it was there.
    Standing allowed = history_.events()[follower_next_].standing;
    allowed.kept = true;
    allowed.erased |= history_.events()[follower_next_].was_erased;
    TRY_DO(standing_of(history_.events()[follower_next_], allowed, *event));
    ++follower_next_;
  }
  return {};
}

Status SimulatedStore::read_all() {
  doing_ = "read all";
  TRY(const auto reader, store_->reader());
  const Standings standings = history_.standings();
  TRY(const Standings met, read_events(*reader, history_, standings));
  if (met.size() != history_.acknowledged()) return wrong("some events are missing");
  TRY(const auto another, store_->reader());
  return check_tables(*another, history_, met);
}

// ---- Maintenance ----

Status SimulatedStore::seal() {
  doing_ = "seal";
  return store_->seal();
}

Status SimulatedStore::make_indexes() {
  doing_ = "make indexes";
  return store_->make_indexes();
}

// Somebody appends, or ends a stream, while maintenance is at work.
Status SimulatedStore::in_between(const std::string& but_for_stream) {
  if (but_for_stream.empty() && one_in(5)) return change_stream();
  if (one_in(2)) return ask({{some_part(carts[below(2)])}});
  if (but_for_stream.empty()) return one_in(2) ? append_rows() : append_request();
  return append_position();
}

std::function<void()> SimulatedStore::sometimes_in_between(Status& status,
                                                           std::string but_for_stream) {
  return [this, &status, but = std::move(but_for_stream)] {
    if (!status || !one_in(4)) return;
    const std::string outer = doing_;
    status = in_between(but);
    doing_ = outer;
  };
}

// What is left now is what stays.
Status SimulatedStore::settle() {
  TRY(const auto reader, store_->reader());
  TRY(const Standings found, read_events(*reader, history_, history_.standings()));
  const auto stayed = history_.settle(found);
  if (!stayed) return {};
  const IssuedEvent& event = history_.events()[*stayed];
  const StreamLife life = life_in(history_.lives(history_.acknowledged()), event.stream);
  return wrong(fmt::format("position {} is still there: {} {} of {}, which is {} from {} on",
                           *stayed, name_of(event.type), event.revision, event.stream,
                           name_of(life.status), life.first.value));
}

Status SimulatedStore::retain() {
  doing_ = "seal before retention";
  TRY_DO(store_->seal());
  doing_ = "retention";
  const Position floor =
      one_in(3) ? Position{below(history_.acknowledged() + 1)} : Position{UINT64_MAX};
  const auto lives = history_.lives(history_.acknowledged());
  history_.begin_retention(rules_, clock_.now(), floor);
  RetentionPlan plan = retention_of(*store_, rules_, floor);
  Status between;
  plan.on_progress = [meanwhile = sometimes_in_between(between, {})](Position) { meanwhile(); };
  TRY_DO(apply_retention(*store_, plan, memory_));
  TRY_DO(std::move(between));
  TRY_DO(check_aggregates_of_ended(lives));
  return settle();
}

Result<Position> SimulatedStore::base_of(const std::string& stream) {
  TRY(const auto reader, store_->reader());
  return base_position(*reader, store_->stream(stream));
}

Status SimulatedStore::erase() {
  // The key of some event that is left.
  const auto& events = history_.events();
  std::vector<std::uint64_t> found;
  const std::string chosen = one_in(3) ? logs[below(2)] : tables_[below(2)].stream;
  for (std::uint64_t i = 0; i < history_.acknowledged(); ++i) {
    if (events[i].stream == chosen && events[i].key && events[i].standing.kept) found.push_back(i);
  }
  if (found.empty()) return append_rows();
  const std::string key = *events[found[below(found.size())]].key;
  doing_ = "erase from " + chosen;
  TRY(const Position base, base_of(chosen));
  history_.begin_erasure(chosen, key, base);
  // The database does not mention the row again.
  for (Table& table : tables_) {
    std::erase_if(table.lives, [&](const auto& row) {
      return std::any_of(history_.erasing()->events.begin(), history_.erasing()->events.end(),
                         [&](std::uint64_t i) { return events[i].life == row.second; });
    });
  }
  ErasureOptions options = erasure_of(*store_);
  Status between;
  options.on_progress = [meanwhile = sometimes_in_between(between, chosen)](Position) {
    meanwhile();
  };
  TRY_DO(tidelog::erase(*store_, chosen, {key}, options));
  TRY_DO(std::move(between));
  return settle();
}

Status SimulatedStore::pack() {
  doing_ = "pack";
  TRY_DO(pack_segments(*store_, packed_, {}));
  return {};
}

Status SimulatedStore::back_up() {
  doing_ = "backup";
  const UnixMicros time = clock_.now();
  history_.backing_up = time;
  Status between;
  const auto meanwhile = sometimes_in_between(between, {});
  TRY(const BackupReport report, back_up_store(disk_, clock_, simulated_folder, simulated_backup,
                                               [&](const CopyProgress&) { meanwhile(); }));
  TRY_DO(std::move(between));
  history_.backup = history_.backup_of(time, report.durable.value);
  history_.backing_up.reset();
  return {};
}

Status SimulatedStore::snapshot() {
  doing_ = "state snapshots";
  return make_simulated_snapshots(*store_);
}

}  // namespace tidelog::testing
