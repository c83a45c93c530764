#include "eventstore/append_decision.h"

#include <algorithm>

namespace tidelog {
namespace {

using Kind = ExpectedRevision::Kind;

bool names_revision(const ExpectedRevision& expected) {
  return expected.kind == Kind::exactly || expected.kind == Kind::no_stream;
}

// Where the events of an append with such an expectation begin: those of a stream that was not
// there at the begin of its present life.
std::optional<Revision> begin_of(const ExpectedRevision& expected, const StreamNow& now) {
  if (expected.kind == Kind::no_stream) return now.life.first;
  if (expected.kind != Kind::exactly || expected.revision.value == UINT64_MAX) return std::nullopt;
  return expected.revision + std::uint64_t{1};
}

// What the stream is not where it was expected is called.
AppendConflict unexpected(const StreamAppend& stream, const StreamNow& now) {
  const bool ended = now.life.status == StreamStatus::tombstoned;
  return conflict_of(ended ? AppendConflict::Kind::tombstoned : AppendConflict::Kind::revision,
                     stream.stream, stream.expected, now);
}

using FoundOfStream = std::vector<std::vector<FoundEvent>>;

FoundOfStream counting_of(FoundOfStream found, Revision first) {
  for (auto& events : found)
    std::erase_if(events, [&](const FoundEvent& event) { return event.revision < first; });
  return found;
}

// One stream of the request and what is known of it.
struct Part {
  const StreamAppend& stream;
  StreamNow now;
  const FoundOfStream* found;  // null: not looked for
};

AppendConflict conflict_at(AppendConflict::Kind kind, const Part& part, std::size_t event,
                           const FoundEvent& there) {
  AppendConflict conflict = conflict_of(kind, part.stream.stream, part.stream.expected, part.now);
  conflict.event_id = part.stream.events[event].id;
  conflict.position = there.position;
  return conflict;
}

const FoundEvent* found_at(const std::vector<FoundEvent>& found, Revision revision) {
  for (const FoundEvent& event : found) {
    if (event.revision == revision) return &event;
  }
  return nullptr;
}

// All of the part's events, in their order, from `begin` on.
bool stands_at(const Part& part, Revision begin) {
  for (std::size_t i = 0; i < part.stream.events.size(); ++i) {
    if (found_at((*part.found)[i], begin + std::uint64_t{i}) == nullptr) return false;
  }
  return true;
}

// The part as it was appended before.
struct Repeated {
  Position first;
  Revision next;
};
using PartDecision = std::variant<Append, Repeated, AppendConflict>;

PartDecision repeated_at(const Part& part, Revision begin) {
  for (std::size_t i = 0; i < part.stream.events.size(); ++i) {
    const FoundEvent& there = *found_at((*part.found)[i], begin + std::uint64_t{i});
    if (!there.same) return conflict_at(AppendConflict::Kind::other_event, part, i, there);
  }
  return Repeated{found_at(part.found->front(), begin)->position,
                  begin + std::uint64_t{part.stream.events.size()}};
}

// With an expected revision, only what stands there counts.
PartDecision decide_by_revision(const Part& part) {
  if (holds(part.stream.expected, part.now)) return Append{};
  const auto begin = begin_of(part.stream.expected, part.now);
  if (begin && part.found != nullptr) {
    if (stands_at(part, *begin)) return repeated_at(part, *begin);
    for (std::size_t i = 0; i < part.stream.events.size(); ++i) {
      const FoundEvent* const there = found_at((*part.found)[i], *begin + std::uint64_t{i});
      if (there != nullptr && !there->same)
        return conflict_at(AppendConflict::Kind::other_event, part, i, *there);
    }
  }
  return unexpected(part.stream, part.now);
}

// Without one, the ids count wherever they stand in the stream.
PartDecision decide_by_ids(const Part& part) {
  if (!holds(part.stream.expected, part.now)) return unexpected(part.stream, part.now);
  if (part.found == nullptr) return Append{};
  for (const FoundEvent& first : part.found->front()) {
    if (stands_at(part, first.revision)) return repeated_at(part, first.revision);
  }
  const auto& found = *part.found;
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const FoundEvent& there : found[i]) {
      if (!there.same) return conflict_at(AppendConflict::Kind::other_event, part, i, there);
    }
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].empty()) continue;
    return conflict_at(AppendConflict::Kind::partly_repeated, part, i, found[i].front());
  }
  return Append{};
}

PartDecision decide(const Part& part) {
  if (part.now.life.status == StreamStatus::tombstoned) return unexpected(part.stream, part.now);
  return names_revision(part.stream.expected) ? decide_by_revision(part) : decide_by_ids(part);
}

}  // namespace

AppendConflict conflict_of(AppendConflict::Kind kind, const std::string& stream,
                           const ExpectedRevision& expected, const StreamNow& now) {
  AppendConflict conflict;
  conflict.kind = kind;
  conflict.stream = stream;
  conflict.expected = expected;
  conflict.actual = now.last();
  conflict.status = now.life.status;
  return conflict;
}

bool holds(const ExpectedRevision& expected, const StreamNow& now) {
  const bool is_there = now.next.value != 0 && now.life.status == StreamStatus::open;
  if (now.life.status == StreamStatus::tombstoned) return false;
  switch (expected.kind) {
    case Kind::any:
      return true;
    case Kind::no_stream:
      return !is_there;
    case Kind::exists:
      return is_there;
    case Kind::exactly:
      return now.last() == expected.revision;
  }
  return false;
}

bool needs_look(const StreamAppend& stream, const StreamNow& now) {
  if (stream.events.empty() || now.life.first >= now.next) return false;
  if (!names_revision(stream.expected)) return true;
  const auto begin = begin_of(stream.expected, now);
  return begin && *begin < now.next;
}

AppendDecision decide(const AppendRequest& request,
                      const std::function<StreamNow(std::size_t)>& now_of,
                      const FoundEvents& found) {
  AppendedEvents first_answer;
  first_answer.repeated = true;
  std::optional<AppendConflict> partly;  // what to say if only some streams have their events
  bool has_new = false;
  for (std::size_t i = 0; i < request.streams.size(); ++i) {
    const StreamAppend& stream = request.streams[i];
    if (stream.events.empty()) continue;
    const StreamNow now = now_of(i);
    const bool looked = i < found.size() && !found[i].empty();
    FoundOfStream counting;
    if (looked && now.life.first.value != 0) counting = counting_of(found[i], now.life.first);
    const Part part{stream, now, !looked ? nullptr : counting.empty() ? &found[i] : &counting};
    const PartDecision decision = decide(part);
    if (const auto* conflict = std::get_if<AppendConflict>(&decision)) return *conflict;
    if (std::holds_alternative<Append>(decision)) {
      has_new = true;
      continue;
    }
    const auto& repeated = std::get<Repeated>(decision);
    if (first_answer.count == 0) {
      first_answer.first = repeated.first;
      partly = conflict_at(AppendConflict::Kind::partly_repeated, part, 0,
                           FoundEvent{repeated.first, {}, true});
    }
    first_answer.count += stream.events.size();
    first_answer.next.push_back(repeated.next);
  }
  // What only conditions the append need not hold any more when it was done before.
  if (!has_new) return first_answer;
  if (partly) return *partly;
  for (std::size_t i = 0; i < request.streams.size(); ++i) {
    const StreamAppend& stream = request.streams[i];
    if (stream.events.empty() && !holds(stream.expected, now_of(i)))
      return unexpected(stream, now_of(i));
  }
  return Append{};
}

}  // namespace tidelog
