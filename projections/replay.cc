#include "projections/replay.h"

#include <algorithm>
#include <utility>

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
                             std::stop_token stop) {
    TRY_DO(begin());
    while (checkpoint_.next < options_.end) {
      if (stop.stop_requested()) {
        return fail(Code::cancelled, "stopped at position " + number(checkpoint_.next) +
                                         "; the next replay goes on there");
      }
      TRY_DO(commit_step());
      if (report) report(progress_);
    }
    return progress_;
  }

 private:
  Status begin() {
    std::vector<std::string> streams = options_.streams;
    std::sort(streams.begin(), streams.end());
    streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
    for (const std::string& stream : streams) TRY_DO(check_stream_exists(reader_, stream));
    TRY(checkpoint_, target_.begin(streams));
    reader_.only_streams(streams);
    TRY_DO(checkpoint_.exists ? check_target() : start_new());
    if (options_.end > reader_.durable()) {
      return fail(Code::misconfigured, "the end asked for, " + number(options_.end) +
                                           ", is beyond the store's, " + number(reader_.durable()));
    }
    if (checkpoint_.next > options_.end) {
      return fail(Code::misconfigured,
                  "the target holds history up to position " + number(checkpoint_.next) +
                      " already, beyond the end asked for, " + number(options_.end));
    }
    progress_ = {checkpoint_.next, checkpoint_.next, options_.end};
    read_from_ = checkpoint_.next;
    return {};
  }

  Status start_new() {
    checkpoint_ = {};
    checkpoint_.exists = true;
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
    if (checkpoint_.next > reader_.durable()) {
      return fail(Code::conflict, "the target holds history up to position " +
                                      number(checkpoint_.next) + ", but this store ends at " +
                                      number(reader_.durable()) +
                                      ": it was made from another store, or this one lost events");
    }
    if (checkpoint_.last_event.empty()) return {};
    TRY_DO(reader_.seek(checkpoint_.last));
    TRY(const Event* event, reader_.next());
    if (event != nullptr && event->position == checkpoint_.last &&
        mark_of(*event) == checkpoint_.last_event)
      return {};
    return fail(Code::conflict, "the target was made from another store: its event at position " +
                                    number(checkpoint_.last) + " is not this store's");
  }

  // Where the next commit may be: at least one whole transaction from read_from_ on.
  Result<Position> next_boundary() {
    for (std::uint64_t count = std::max<std::uint64_t>(options_.commit_events, 1);; count *= 2) {
      const std::uint64_t left = options_.end.value - read_from_.value;
      if (count >= left) return options_.end;
      TRY(const Position boundary, reader_.end_through(read_from_ + (count - 1)));
      if (boundary > read_from_) return std::min(boundary, options_.end);
    }
  }

  Status commit_step() {
    TRY(const Position boundary, next_boundary());
    TRY_DO(reader_.seek(read_from_));
    read_from_ = options_.end;  // unless an event says otherwise
    for (;;) {
      TRY(const Event* event, reader_.next());
      if (event == nullptr || event->position >= options_.end) break;
      if (event->position >= boundary) {
        read_from_ = event->position;  // what lies between has none of our streams
        break;
      }
      TRY_DO(apply(*event));
    }
    checkpoint_.next = read_from_ == options_.end ? options_.end : boundary;
    if (!last_.stream.empty()) checkpoint_.last_event = last_.text();
    TRY_DO(target_.commit(checkpoint_));
    progress_.position = checkpoint_.next;
    return {};
  }

  Status apply(const Event& event) {
    const Schema* schema = nullptr;
    if (event.schema != SchemaId{}) {
      TRY(schema, reader_.schema(event.schema));
    }
    TRY_DO(target_.apply(event, schema));
    checkpoint_.last = event.position;
    last_.set(event);
    ++progress_.event_count;
    if (event.type == EventType::gap) ++progress_.gap_count;
    return {};
  }

  StoreReader& reader_;
  Target& target_;
  const ReplayOptions& options_;
  Checkpoint checkpoint_;
  EventMark last_;  // of the events applied in this replay
  ReplayProgress progress_;
  Position read_from_;  // the first position that may hold an event to apply
};

}  // namespace

Result<ReplayProgress> replay(StoreReader& reader, Target& target, const ReplayOptions& options,
                              const std::function<void(const ReplayProgress&)>& progress,
                              std::stop_token stop) {
  return Replay(reader, target, options).run(progress, std::move(stop));
}

}  // namespace tidelog
