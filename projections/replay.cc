#include "projections/replay.h"

#include <algorithm>
#include <utility>

#include "projections/base_rows.h"
#include "projections/state.h"

namespace tidelog {
namespace {

// What an event is known by for as long as it exists, whatever is erased from its content.
struct EventMark {
  std::string stream;
  Revision revision;
  UnixMicros append_time;

  void set(const Event& event) {
    stream = event.stream_name;
    revision = event.revision;
    append_time = event.append_time;
  }

  std::string text() const {
    return stream + " " + std::to_string(revision.value) + " " + std::to_string(append_time.value);
  }
};

std::string mark_of(const Event& event) {
  EventMark mark;
  mark.set(event);
  return mark.text();
}

std::string number(Position position) { return std::to_string(position.value); }

class Replay {
 public:
  Replay(StoreReader& reader, Target& target, const ReplayOptions& options)
      : reader_(reader), target_(target), options_(options) {}

  Result<ReplayProgress> run(const std::function<void(const ReplayProgress&)>& report,
                             const std::stop_token& stop) {
    TRY_DO(begin());
    reader_.read_until(options_.end);
    for (;;) {
      TRY(const Event* event, reader_.next());
      if (event == nullptr || event->position >= options_.end) break;
      if (event->position >= whole_) {
        TRY_DO(between_transactions(report, stop));
        TRY_DO(apply_bases(event->position));
      }
      if (bases_.covers(*event)) continue;
      TRY_DO(apply(*event));
    }
    TRY_DO(apply_bases(options_.end));
    whole_ = options_.end;
    TRY_DO(commit(report));
    return progress_;
  }

 private:
  Status begin() {
    std::vector<std::string> streams = options_.streams;
    std::sort(streams.begin(), streams.end());
    streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
    for (const std::string& stream : streams) TRY_DO(check_stream_exists(reader_, stream));
    TRY(bases_, BaseRows::open(reader_, streams, options_.end));
    TRY(checkpoint_, target_.begin(streams));
    reader_.only_streams(streams);
    reader_.read_until(Position{UINT64_MAX});
    const bool is_new = !checkpoint_.exists;
    TRY_DO(is_new ? start_new() : check_target());
    if (options_.end > reader_.durable()) {
      return fail(Code::misconfigured, "the end asked for, " + number(options_.end) +
                                           ", is beyond the store's, " + number(reader_.durable()));
    }
    if (checkpoint_.next > options_.end) {
      return fail(Code::misconfigured,
                  "the target holds history up to position " + number(checkpoint_.next) +
                      " already, beyond the end asked for, " + number(options_.end));
    }
    if (is_new && options_.from) TRY_DO(bases_.check_begin(checkpoint_.next));
    bases_.start_at(checkpoint_.next, is_new);
    progress_ = {checkpoint_.next, checkpoint_.next, options_.end};
    whole_ = checkpoint_.next;
    return reader_.seek(whole_);
  }

  Status start_new() {
    checkpoint_ = {};
    checkpoint_.exists = true;
    checkpoint_.store = reader_.uuid();
    if (!options_.from) return {};
    // A transaction is never applied in part: one that `from` cuts is taken whole.
    const Position from = *options_.from;
    if (from > Position{0}) {
      TRY(checkpoint_.next, reader_.end_through(Position{from.value - 1}));
    }
    return {};
  }

  Status check_target() {
    if (options_.from) {
      return fail(Code::misconfigured, "the target holds history up to position " +
                                           number(checkpoint_.next) +
                                           " already: a start can only be given to a new one");
    }
    if (checkpoint_.store != reader_.uuid()) {
      return fail(Code::conflict, "the target was made from another store, " + checkpoint_.store +
                                      "; this one is " + reader_.uuid());
    }
    if (checkpoint_.next > reader_.durable()) {
      return fail(Code::conflict, "the target holds history up to position " +
                                      number(checkpoint_.next) + ", but this store ends at " +
                                      number(reader_.durable()) + ": this store lost events");
    }
    if (checkpoint_.last_event.empty()) return {};
    TRY_DO(reader_.seek(checkpoint_.last));
    TRY(const Event* event, reader_.next());
    // Retention and erasure take events; another one in its place is of another history.
    const bool is_gone =
        event == nullptr || event->position != checkpoint_.last || event->type == EventType::erased;
    if (is_gone || mark_of(*event) == checkpoint_.last_event) return {};
    return fail(Code::conflict, "the target's event at position " + number(checkpoint_.last) +
                                    " is not this store's: one of them was restored from a copy");
  }

  Status apply_bases(Position up_to) {
    return bases_.give(up_to, [this](const Event& event, const Schema* schema) -> Status {
      ++progress_.event_count;
      return target_.apply(event, schema);
    });
  }

  Status between_transactions(const std::function<void(const ReplayProgress&)>& report,
                              const std::stop_token& stop) {
    const bool stopping = stop.stop_requested();
    if (stopping || uncommitted_ >= options_.commit_events) TRY_DO(commit(report));
    if (!stopping) return {};
    return fail(Code::cancelled,
                "stopped at position " + number(whole_) + "; the next replay goes on there");
  }

  Status commit(const std::function<void(const ReplayProgress&)>& report) {
    TRY_DO(bases_.check_unchanged(reader_, checkpoint_.next));
    checkpoint_.next = whole_;
    if (!last_.stream.empty()) checkpoint_.last_event = last_.text();
    TRY_DO(target_.commit(checkpoint_));
    uncommitted_ = 0;
    progress_.position = whole_;
    if (report) report(progress_);
    return {};
  }

  Status apply(const Event& event) {
    const Schema* schema = nullptr;
    if (event.schema != SchemaId{}) {
      TRY(schema, reader_.schema(event.schema));
    }
    TRY_DO(target_.apply(event, schema));
    whole_ = Position{event.position.value - event.transaction.event_index} +
             event.transaction.event_count;
    if (whole_ > options_.end) {
      return fail(Code::misconfigured, "the end asked for, " + number(options_.end) +
                                           ", is inside a transaction that ends at " +
                                           number(whole_));
    }
    checkpoint_.last = event.position;
    last_.set(event);
    ++uncommitted_;
    const bool is_applied =
        event.type != EventType::application || target_.takes_application_events();
    ++(is_applied ? progress_.event_count : progress_.passed_over_count);
    if (event.type == EventType::gap) ++progress_.gap_count;
    return {};
  }

  StoreReader& reader_;
  Target& target_;
  const ReplayOptions& options_;
  BaseRows bases_;
  Checkpoint checkpoint_;
  EventMark last_;  // of the events applied in this replay
  ReplayProgress progress_;
  Position whole_;  // the end of the last transaction that was applied
  std::uint64_t uncommitted_ = 0;
};

}  // namespace

Result<ReplayProgress> replay(StoreReader& reader, Target& target, const ReplayOptions& options,
                              const std::function<void(const ReplayProgress&)>& progress,
                              const std::stop_token& stop) {
  return Replay(reader, target, options).run(progress, stop);
}

}  // namespace tidelog
