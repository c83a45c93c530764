#include "ingest/loads.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <set>
#include <utility>

#include "eventstore/store_reader.h"
#include "ingest/load_state.h"
#include "projections/first_load.h"

namespace tidelog {
namespace {

SchemaOf schemas_of(EventStore& store) {
  return [&store](SchemaId id) { return read_schema(store.encoded_schema(id)); };
}

Status run_load(TableLoad& load, bool is_cancelled, const std::stop_token& stop) {
  try {
    return is_cancelled ? load.cancel(stop) : load.run(stop);
  } catch (const std::exception& error) {
    return fail(Code::failed, error.what());
  }
}

void help(TableLoad& load, const std::stop_token& stop) {
  try {
    load.help(stop);
  } catch (const std::exception&) {
    // What is left of the part is done by the load's own thread, which tells what is wrong.
  }
}

// Whether neither a load nor a truncate has said which rows there are.
Result<bool> is_not_known(EventStore& store, const std::string& stream) {
  TRY(const auto reader, store.reader());
  EventFilter filter;
  filter.streams = {stream};
  filter.types = {std::string(name_of(EventType::load)), std::string(name_of(EventType::truncate))};
  reader->set_filter(std::move(filter));
  TRY(const Event* const any, reader->next());
  return any == nullptr;
}

LoadStep first_of_all(const std::string& table) {
  LoadStep step;
  step.number = 1;
  step.table = table;
  step.fresh = true;
  return step;
}

// Of a load that follows this one.
LoadStep step_after(const LoadStep& last, const TableToLoad& table) {
  LoadStep step;
  step.number = last.number + 1;
  step.table = table.table;
  step.where = table.where;
  // One that did not come to its end, or was not of all rows, leaves some out, too.
  const bool knows_all = last.kind == LoadStep::Kind::ended && last.where.empty();
  step.fresh = last.fresh && !knows_all;
  return step;
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

Result<std::uint64_t> Loads::request(const TableToLoad& table, bool anew) {
  const std::scoped_lock lock(mutex_);
  TRY_DO(recover());
  if (open_of(table.table) != nullptr)
    return fail(Code::conflict, "the table " + table.table + " is being loaded");
  LoadState state;
  TRY(state.step, first_step(table));
  state.step.fresh = state.step.fresh || anew;
  TableLoad& load = *add(std::move(state), false).load;
  load.set_asked_for(anew);
  return load.progress().number;
}

Result<std::uint64_t> Loads::cancel(const std::string& table) {
  const std::scoped_lock lock(mutex_);
  Entry* const entry = open_of(table);
  if (entry == nullptr) return fail(Code::not_found, "the table " + table + " is not being loaded");
  if (!std::exchange(entry->is_cancelled, true)) {
    entry->stop.request_stop();
    changed_.notify_all();
  }
  return entry->load->progress().number;
}

std::vector<LoadProgress> Loads::progress() const {
  const std::scoped_lock lock(mutex_);
  std::vector<LoadProgress> all;
  for (const Entry& entry : entries_) all.push_back(entry.load->progress());
  return all;
}

Status Loads::begin(const std::vector<Begin>& tables, bool anew,
                    const std::function<Status(const std::vector<Beginning>&)>& store) {
  stop();  // loads that are open may begin again
  std::vector<Beginning> begun;
  {
    const std::scoped_lock lock(mutex_);
    TRY_DO(recover());
    TRY(const auto reader, store_.reader());
    TRY(const std::vector<StreamState> streams, reader->streams());
    std::set<std::string_view> known;
    for (const StreamState& stream : streams) known.insert(stream.name);
    TRY(auto before, read_loads(*reader, name_));
    for (const Begin& table : tables) {
      if (goes_on(table.table, anew)) continue;
      const std::string stream = name_ + "." + table.table;
      Beginning& one = begun.emplace_back();
      one.stream = store_.stream(stream);
      one.schema = table.schema;
      one.step = first_of_all(table.table);
      if (known.contains(stream)) {
        one.step.number = before[stream].step.number + 1;
        one.forgets = table.load.what == FirstLoad::What::rows;
      }
      one.step.where = table.load.where;
      if (table.load.what != FirstLoad::What::rows) one.step.kind = LoadStep::Kind::left_out;
    }
  }
  TRY_DO(store(begun));
  const std::scoped_lock lock(mutex_);
  for (Beginning& one : begun) {
    forget(one.step.table);
    if (one.step.kind == LoadStep::Kind::left_out) continue;
    LoadState state;
    state.step = std::move(one.step);
    add(std::move(state), true);
  }
  return {};
}

Result<LoadStep> Loads::step_anew(const std::string& table, const FirstLoad& load) {
  const std::scoped_lock lock(mutex_);
  TRY(const LoadStep next, first_step({table, {}}));
  LoadStep step = first_of_all(table);
  step.number = next.number;
  step.where = load.where;
  if (load.what != FirstLoad::What::rows) step.kind = LoadStep::Kind::left_out;
  return step;
}

Result<std::optional<LoadStep>> Loads::open_step(const std::string& table) {
  const std::scoped_lock lock(mutex_);
  TRY_DO(recover());
  if (open_of(table) == nullptr) return std::optional<LoadStep>();
  TRY(const auto reader, store_.reader());
  return last_load_step(*reader, name_ + "." + table, reader->durable());
}

void Loads::look_again() {
  stop();
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> open;
  for (const Entry& entry : entries_) {
    if (!entry.has_ended) open.push_back(entry.table);
  }
  for (const std::string& table : open) forget(table);
  is_recovered_ = false;
}

Loads::Entry* Loads::open_of(const std::string& table) {
  const auto found = by_table_.find(table);
  return found == by_table_.end() || found->second->has_ended ? nullptr : &*found->second;
}

// Nothing of the table was streamed since it has begun, so nothing is to be forgotten.
bool Loads::goes_on(const std::string& table, bool anew) {
  const Entry* const entry = open_of(table);
  return entry != nullptr && !anew && !entry->load->has_chunks();
}

void Loads::forget(const std::string& table) {
  const auto found = by_table_.find(table);
  if (found == by_table_.end()) return;
  ended_ -= found->second->has_ended ? 1 : 0;
  entries_.erase(found->second);
  by_table_.erase(found);
}

// In the place of an earlier one of the same table.
Loads::Entry& Loads::add(LoadState state, bool has_begun) {
  const std::string table = state.step.table;
  forget(table);
  Entry& entry = entries_.emplace_back();
  by_table_.emplace(table, std::prev(entries_.end()));
  entry.table = table;
  entry.load = std::make_shared<TableLoad>(store_, reconciler_, source_.table_readers(), name_,
                                           std::move(state), has_begun, limits_.table,
                                           [this] { tell_of_help(); });
  changed_.notify_all();
  return entry;
}

void Loads::tell_of_help() {
  const std::scoped_lock lock(mutex_);
  changed_.notify_all();
}

// Loads that have begun and not ended; once, before any is added to them.
Status Loads::recover() {
  if (is_recovered_) return {};
  TRY(const auto reader, store_.reader());
  TRY(auto states, read_loads(*reader, name_));
  for (auto& [stream, state] : states) {
    if (!state.has_ended()) add(std::move(state), true);
  }
  is_recovered_ = true;
  return {};
}

Result<LoadStep> Loads::first_step(const TableToLoad& table) {
  const std::string stream = name_ + "." + table.table;
  TRY(const auto reader, store_.reader());
  TRY(const auto last, last_load_step(*reader, stream, reader->durable()));
  if (last) return step_after(*last, table);
  LoadStep step = first_of_all(table.table);
  step.where = table.where;
  TRY(step.fresh, is_not_known(store_, stream));
  return step;
}

// -- the threads --

void Loads::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const Job job = take(lock, stop);
    if (job.entry != nullptr) {
      run(*job.entry, lock, stop);
    } else if (job.to_help) {
      lock.unlock();
      help(*job.to_help, stop);
      lock.lock();
    } else {
      return;
    }
  }
}

void Loads::run(Entry& entry, std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  const bool is_cancelled = entry.is_cancelled;
  if (is_cancelled) entry.stop = std::stop_source();  // for the step that says so
  const std::stop_callback forward(stop, [asked = entry.stop]() mutable { asked.request_stop(); });
  const std::stop_token either = entry.stop.get_token();
  lock.unlock();
  const Status ended = run_load(*entry.load, is_cancelled, either);
  lock.lock();
  entry.is_taken = false;
  entry.has_ended = ended.has_value();
  if (ended) {
    ++ended_;
    return forget_old();
  }
  if (stop.stop_requested() || entry.is_cancelled != is_cancelled) return;
  entry.load->set_state(LoadProgress::State::waiting, ended.error().what);
  entries_.splice(entries_.end(), entries_, by_table_.at(entry.table));  // others come first
  changed_.wait_for(lock, stop, limits_.retry_after, [] { return false; });
}

// Entries that have ended are for whoever reads the progress, for a while.
void Loads::forget_old() {
  constexpr std::size_t ended_max = 1000;
  if (ended_ <= ended_max) return;
  const auto oldest = std::ranges::find_if(entries_, &Entry::has_ended);
  if (oldest != entries_.end()) forget(std::string(oldest->table));
}

// Waits for a load that nobody works on, or one where another reader is of use.
Loads::Job Loads::take(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  Job job;
  const auto find = [&] {
    for (Entry& entry : entries_) {
      if (!entry.is_taken && !entry.has_ended) job.entry = &entry;
      if (job.entry != nullptr) return true;
    }
    for (Entry& entry : entries_) {
      if (entry.is_taken && !entry.is_cancelled && entry.load->wants_help())
        job.to_help = entry.load;
      if (job.to_help) return true;
    }
    return false;
  };
  changed_.wait(lock, stop, find);
  if (stop.stop_requested()) return {};
  if (job.entry != nullptr) job.entry->is_taken = true;
  return job;
}

}  // namespace tidelog
