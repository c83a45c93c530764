#include "ingest/loads.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "eventstore/store_reader.h"
#include "ingest/change_handler.h"
#include "projections/first_load.h"

namespace tidelog {
namespace {

SchemaOf schemas_of(EventStore& store) {
  return [&store](SchemaId id) { return read_schema(store.encoded_schema(id)); };
}

Status run(TableLoad& load, bool is_cancelled, const std::stop_token& stop) {
  try {
    return is_cancelled ? load.cancel(stop) : load.run(stop);
  } catch (const std::exception& error) {
    return fail(Code::failed, error.what());
  }
}

}  // namespace

Loads::Loads(EventStore& store, Source& source, std::string name, const LoadLimits& limits)
    : store_(store),
      source_(source),
      name_(std::move(name)),
      limits_(limits),
      reconciler_(
          source.table_readers(), schemas_of(store), [&source] { source.wake(); },
          limits.held_bytes_max) {}

Loads::~Loads() { stop(); }

Status Loads::start() {
  const std::scoped_lock lock(mutex_);
  TRY_DO(recover());
  while (threads_.size() < limits_.parallel)
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  return {};
}

void Loads::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

Result<std::uint64_t> Loads::request(const TableToLoad& table) {
  const std::scoped_lock lock(mutex_);
  TRY_DO(recover());
  if (is_open(table.table))
    return fail(Code::conflict, "the table " + table.table + " is being loaded");
  TRY(LoadStep step, first_step(table));
  return add(std::move(step), false).load->progress().number;
}

Result<std::uint64_t> Loads::cancel(const std::string& table) {
  const std::scoped_lock lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.has_ended || entry.load->progress().table != table) continue;
    if (!std::exchange(entry.is_cancelled, true)) {
      entry.stop.request_stop();
      changed_.notify_all();
    }
    return entry.load->progress().number;
  }
  return fail(Code::not_found, "the table " + table + " is not being loaded");
}

std::vector<LoadProgress> Loads::progress() const {
  const std::scoped_lock lock(mutex_);
  std::vector<LoadProgress> all;
  for (const Entry& entry : entries_) all.push_back(entry.load->progress());
  return all;
}

Status Loads::begin(const std::vector<std::string>& tables, IngestHandler& handler,
                    const std::function<Status()>& capture) {
  std::vector<LoadStep> begun;
  {
    const std::scoped_lock lock(mutex_);
    TRY_DO(recover());
    for (const std::string& table : tables) {
      if (is_open(table)) continue;
      TRY(begun.emplace_back(), begin_now(table, handler));
    }
  }
  TRY_DO(capture());
  const std::scoped_lock lock(mutex_);
  for (LoadStep& step : begun) {
    if (!is_open(step.table)) add(std::move(step), true);
  }
  return {};
}

// The step that is on disk already when capturing failed after it, or a new one.
Result<LoadStep> Loads::begin_now(const std::string& table, IngestHandler& handler) {
  TRY(const auto last, last_step(name_ + "." + table));
  if (last && !ends_load(last->kind)) return *last;
  LoadPart part;
  TRY(part.step, first_step({table, {}}));
  part.stream = store_.stream(name_ + "." + table);
  TRY_DO(handler.put(part));
  return part.step;
}

bool Loads::is_open(const std::string& table) const {
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    return !entry.has_ended && entry.load->progress().table == table;
  });
}

// In the place of an earlier one of the same table.
Loads::Entry& Loads::add(LoadStep step, bool has_begun) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return entry.has_ended && entry.load->progress().table == step.table;
  });
  Entry& entry = entries_.emplace_back();
  entry.load = std::make_unique<TableLoad>(store_, reconciler_, source_.table_readers(), name_,
                                           std::move(step), has_begun);
  changed_.notify_all();
  return entry;
}

// Loads that have begun and not ended; once, before any is added to them.
Status Loads::recover() {
  if (is_recovered_) return {};
  std::list<Entry> found;
  TRY(const auto reader, store_.reader());
  TRY(const std::vector<StreamState> streams, reader->streams());
  for (const StreamState& stream : streams) {
    if (!stream.name.starts_with(name_ + ".")) continue;
    TRY(const auto step, last_step(stream.name));
    if (!step || ends_load(step->kind)) continue;
    found.emplace_back().load = std::make_unique<TableLoad>(
        store_, reconciler_, source_.table_readers(), name_, *step, true);
  }
  entries_.splice(entries_.end(), found);
  is_recovered_ = true;
  return {};
}

Result<std::optional<LoadStep>> Loads::last_step(const std::string& stream) {
  TRY(const auto reader, store_.reader());
  return last_load_step(*reader, stream, reader->durable());
}

Result<LoadStep> Loads::first_step(const TableToLoad& table) {
  const std::string stream = name_ + "." + table.table;
  TRY(const auto last, last_step(stream));
  LoadStep step;
  step.number = last ? last->number + 1 : 1;
  step.table = table.table;
  step.where = table.where;
  if (last) {
    // One that did not come to its end, or was not of all rows, leaves some out, too.
    const bool knows_all = last->kind == LoadStep::Kind::ended && last->where.empty();
    step.fresh = last->fresh && !knows_all;
  } else {
    TRY(step.fresh, is_not_known(stream));
  }
  return step;
}

// Whether neither a load nor a truncate has said which rows there are.
Result<bool> Loads::is_not_known(const std::string& stream) {
  TRY(const auto reader, store_.reader());
  EventFilter filter;
  filter.streams = {stream};
  filter.types = {std::string(name_of(EventType::load)), std::string(name_of(EventType::truncate))};
  reader->set_filter(std::move(filter));
  TRY(const Event* const any, reader->next());
  return any == nullptr;
}

void Loads::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (Entry* const entry = take(lock, stop)) {
    const bool is_cancelled = entry->is_cancelled;
    if (is_cancelled) entry->stop = std::stop_source();  // for the step that says so
    const std::stop_callback forward(stop,
                                     [asked = entry->stop]() mutable { asked.request_stop(); });
    const std::stop_token either = entry->stop.get_token();
    lock.unlock();
    const Status ended = run(*entry->load, is_cancelled, either);
    lock.lock();
    entry->is_taken = false;
    entry->has_ended = ended.has_value();
    if (ended || stop.stop_requested()) continue;
    if (entry->is_cancelled != is_cancelled) continue;
    entry->load->set_state(LoadProgress::State::waiting, ended.error().what);
    move_to_end(*entry);  // others come first
    changed_.wait_for(lock, stop, limits_.retry_after, [] { return false; });
  }
}

void Loads::move_to_end(const Entry& entry) {
  const auto place = std::ranges::find_if(entries_, [&](const Entry& e) { return &e == &entry; });
  entries_.splice(entries_.end(), entries_, place);
}

// Waits for one that nobody works on. Null on `stop`.
Loads::Entry* Loads::take(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  Entry* found = nullptr;
  changed_.wait(lock, stop, [&] {
    for (Entry& entry : entries_) {
      if (entry.is_taken || entry.has_ended) continue;
      found = &entry;
      return true;
    }
    return false;
  });
  if (found == nullptr || stop.stop_requested()) return nullptr;
  found->is_taken = true;
  return found;
}

}  // namespace tidelog
