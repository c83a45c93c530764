#include "tests/eventstore/application_model.h"

#include <algorithm>
#include <optional>

#include "tests/eventstore/application_fixture.h"

namespace tidelog::testing {
namespace {

using Kind = ExpectedRevision::Kind;

bool equal(const NewEvent& a, const NewEvent& b) {
  return a.type == b.type && a.data == b.data && a.key == b.key && a.content_type == b.content_type;
}

}  // namespace

const ApplicationModel::Stream& ApplicationModel::stream(const std::string& name) const {
  static const Stream none;
  const auto it = streams_.find(name);
  return it == streams_.end() ? none : it->second;
}

std::uint64_t ApplicationModel::length_of(const std::string& name) const {
  return stream(name).kept.size();
}

StreamStatus ApplicationModel::status_of(const std::string& name) const {
  return stream(name).status;
}

std::vector<std::string> ApplicationModel::stream_names() const {
  std::vector<std::string> names;
  for (const auto& [name, stream] : streams_) names.push_back(name);
  return names;
}

std::vector<std::string> ApplicationModel::counting_lines() const {
  std::vector<std::string> counting;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (places_[i].second >= stream(places_[i].first).first) counting.push_back(lines_[i]);
  }
  return counting;
}

bool ApplicationModel::holds(const ExpectedRevision& expected, const Stream& stream) {
  if (stream.status == StreamStatus::tombstoned) return false;
  const bool exists = !stream.kept.empty() && stream.status == StreamStatus::open;
  if (expected.kind == Kind::any) return true;
  if (expected.kind == Kind::no_stream) return !exists;
  if (expected.kind == Kind::exists) return exists;
  return expected.revision.value + 1 == stream.kept.size();
}

AppendConflict ApplicationModel::conflict_of(AppendConflict::Kind kind, const std::string& name,
                                             const ExpectedRevision& expected,
                                             const Stream& stream) {
  AppendConflict conflict;
  conflict.kind = kind;
  if (kind == AppendConflict::Kind::revision && stream.status == StreamStatus::tombstoned)
    conflict.kind = AppendConflict::Kind::tombstoned;
  conflict.stream = name;
  conflict.expected = expected;
  conflict.status = stream.status;
  if (!stream.kept.empty()) conflict.actual = Revision{stream.kept.size() - 1};
  return conflict;
}

ApplicationModel::Verdict ApplicationModel::judge_by_revision(const StreamAppend& part) const {
  const Stream& now = stream(part.stream);
  const auto& kept = now.kept;
  if (holds(part.expected, now)) return {};
  const std::uint64_t begin =
      part.expected.kind == Kind::no_stream ? now.first : part.expected.revision.value + 1;
  bool all_there = true;
  std::optional<AppendConflict> other;
  for (std::size_t i = 0; i < part.events.size(); ++i) {
    const std::uint64_t at = begin + i;
    if (at < now.first || at >= kept.size() || kept[at].event.id != part.events[i].id) {
      all_there = false;
    } else if (!equal(kept[at].event, part.events[i]) && !other) {
      other = conflict_of(AppendConflict::Kind::other_event, part.stream, part.expected, now);
      other->event_id = part.events[i].id;
      other->position = kept[at].position;
    }
  }
  if (other) return {Verdict::Kind::conflict, 0, *other};
  if (all_there) return {Verdict::Kind::repeated, begin, {}};
  return {Verdict::Kind::conflict, 0,
          conflict_of(AppendConflict::Kind::revision, part.stream, part.expected, now)};
}

ApplicationModel::Verdict ApplicationModel::judge_by_ids(const StreamAppend& part) const {
  const Stream& now = stream(part.stream);
  const auto& kept = now.kept;
  if (!holds(part.expected, now))
    return {Verdict::Kind::conflict, 0,
            conflict_of(AppendConflict::Kind::revision, part.stream, part.expected, now)};
  const auto conflict_at = [&](AppendConflict::Kind kind, std::size_t event, std::size_t revision) {
    Verdict verdict{Verdict::Kind::conflict, 0, conflict_of(kind, part.stream, part.expected, now)};
    verdict.conflict.event_id = part.events[event].id;
    verdict.conflict.position = kept[revision].position;
    return verdict;
  };
  for (std::size_t begin = now.first; begin + part.events.size() <= kept.size(); ++begin) {
    const auto stands = [&](std::size_t i) {
      return kept[begin + i].event.id == part.events[i].id;
    };
    std::size_t same = 0;
    while (same < part.events.size() && stands(same)) ++same;
    if (same != part.events.size()) continue;
    for (std::size_t i = 0; i < part.events.size(); ++i) {
      if (!equal(kept[begin + i].event, part.events[i]))
        return conflict_at(AppendConflict::Kind::other_event, i, begin + i);
    }
    return {Verdict::Kind::repeated, begin, {}};
  }
  std::optional<Verdict> partly;
  for (std::size_t i = 0; i < part.events.size(); ++i) {
    for (std::size_t r = now.first; r < kept.size(); ++r) {
      if (kept[r].event.id != part.events[i].id) continue;
      if (!equal(kept[r].event, part.events[i]))
        return conflict_at(AppendConflict::Kind::other_event, i, r);
      if (!partly) partly = conflict_at(AppendConflict::Kind::partly_repeated, i, r);
    }
  }
  return partly ? *partly : Verdict{};
}

ApplicationModel::Verdict ApplicationModel::judge(const StreamAppend& part) const {
  const Stream& now = stream(part.stream);
  if (now.status == StreamStatus::tombstoned)
    return {Verdict::Kind::conflict, 0,
            conflict_of(AppendConflict::Kind::revision, part.stream, part.expected, now)};
  const bool by_revision =
      part.expected.kind == Kind::exactly || part.expected.kind == Kind::no_stream;
  return by_revision ? judge_by_revision(part) : judge_by_ids(part);
}

AppendOutcome ApplicationModel::append(const AppendRequest& request) {
  AppendedEvents repeated;
  repeated.repeated = true;
  std::optional<AppendConflict> partly;
  bool has_fresh = false;
  for (const StreamAppend& part : request.streams) {
    if (part.events.empty()) continue;
    const Verdict verdict = judge(part);
    if (verdict.kind == Verdict::Kind::conflict) return verdict.conflict;
    if (verdict.kind == Verdict::Kind::fresh) {
      has_fresh = true;
      continue;
    }
    const Stream& now = stream(part.stream);
    if (repeated.count == 0) {
      repeated.first = now.kept[verdict.begin].position;
      partly = conflict_of(AppendConflict::Kind::partly_repeated, part.stream, part.expected, now);
      partly->event_id = part.events.front().id;
      partly->position = repeated.first;
    }
    repeated.count += part.events.size();
    repeated.next.push_back({verdict.begin + part.events.size()});
  }
  if (!has_fresh) return repeated;
  if (partly) return *partly;
  for (const StreamAppend& part : request.streams) {
    const Stream& now = stream(part.stream);
    if (part.events.empty() && !holds(part.expected, now))
      return conflict_of(AppendConflict::Kind::revision, part.stream, part.expected, now);
  }
  return add(request);
}

// The stream's next event.
void ApplicationModel::note(const std::string& name, const std::string& what,
                            const NewEvent& event) {
  Stream& now = streams_[name];
  places_.emplace_back(name, now.kept.size());
  now.kept.push_back({event, {lines_.size()}});
  lines_.push_back(name + "/" + std::to_string(now.kept.size() - 1) + " " + what);
}

AppendedEvents ApplicationModel::add(const AppendRequest& request) {
  AppendedEvents appended;
  appended.first = {lines_.size()};
  for (const StreamAppend& part : request.streams) {
    if (part.events.empty()) continue;
    for (const NewEvent& event : part.events) {
      note(part.stream, event.id.substr(0, 2) + " " + event.data, event);
      ++appended.count;
    }
    streams_[part.stream].status = StreamStatus::open;
    appended.next.push_back({streams_[part.stream].kept.size()});
  }
  return appended;
}

StreamOutcome ApplicationModel::change(const StreamRequest& request) {
  using What = StreamRequest::Kind;
  const Stream now = stream(request.stream);
  const std::uint64_t length = now.kept.size();
  const StreamChanged as_before{{now.status, {now.first}}, std::nullopt, {length}};
  const auto conflict = [&](AppendConflict::Kind kind) {
    return conflict_of(kind, request.stream, request.expected, now);
  };
  const bool is_deletion = request.kind == What::remove;
  if (now.status == StreamStatus::tombstoned) {
    if (request.kind == What::tombstone) return as_before;
    return conflict(AppendConflict::Kind::tombstoned);
  }
  if (request.kind == What::truncate && request.before.value <= now.first) return as_before;
  if (is_deletion && now.status == StreamStatus::deleted) return as_before;
  if (!holds(request.expected, now)) return conflict(AppendConflict::Kind::revision);
  if (request.kind == What::truncate && request.before.value > length)
    return conflict(AppendConflict::Kind::beyond_end);
  if (is_deletion && length == 0) return as_before;

  const Position position{lines_.size()};
  note(request.stream,
       request.kind == What::truncate ? "! stream_truncated"
       : is_deletion                  ? "! stream_deleted"
                                      : "! stream_tombstoned",
       {});
  Stream& changed = streams_[request.stream];
  changed.first = request.kind == What::truncate ? request.before.value : length + 1;
  if (is_deletion) changed.status = StreamStatus::deleted;
  if (request.kind == What::tombstone) changed.status = StreamStatus::tombstoned;
  return StreamChanged{{changed.status, {changed.first}}, position, {length + 1}};
}

ExpectedRevision RandomRequests::expectation(std::uint64_t length) {
  switch (below(8)) {
    case 0:
      return ExpectedRevision::no_stream();
    case 1:
      return ExpectedRevision::exists();
    case 2:
    case 3:
      return ExpectedRevision::any();
    case 4:
      return ExpectedRevision::exactly({below(length + 2)});
    default:
      return length == 0 ? ExpectedRevision::no_stream() : ExpectedRevision::exactly({length - 1});
  }
}

NewEvent RandomRequests::event() {
  NewEvent event = event_of(std::string(1, static_cast<char>('a' + below(20))) +
                            std::string(1, static_cast<char>('a' + below(3))));
  event.data = below(10) == 0 ? "other" : "usual";
  if (below(12) == 0) event.data.resize(2'000 + below(12'000), 'x');
  return event;
}

// When a stream has ended for ever, mostly another one takes its place.
std::string RandomRequests::name(const std::string& base, const ApplicationModel& model) {
  std::string name = base;
  while (model.status_of(name) == StreamStatus::tombstoned && below(4) != 0) name += base;
  return name;
}

StreamRequest RandomRequests::next_change(const ApplicationModel& model) {
  StreamRequest request;
  const std::uint64_t kind = below(24);
  if (kind < 10) request.kind = StreamRequest::Kind::remove;
  if (kind == 10) request.kind = StreamRequest::Kind::tombstone;
  request.stream = name(std::string(1, static_cast<char>('a' + below(4))), model);
  const std::uint64_t length = model.length_of(request.stream);
  request.before = {below(length + 2)};
  request.expected = expectation(length);
  return request;
}

AppendRequest RandomRequests::next(const ApplicationModel& model) {
  std::vector<std::string> names = {"a", "b", "c", "d"};
  std::shuffle(names.begin(), names.end(), random_);
  for (std::string& base : names) base = name(base, model);
  AppendRequest request;
  const std::uint64_t streams = below(3) == 0 ? 1 + below(3) : 1;
  for (std::uint64_t i = 0; i < streams; ++i) {
    StreamAppend part{names[i], expectation(model.length_of(names[i])), {}};
    for (std::uint64_t e = below(4) + (i == 0 ? 1 : 0); e > 0; --e) {
      NewEvent made = event();
      const auto is_there = [&](const NewEvent& other) { return other.id == made.id; };
      if (std::none_of(part.events.begin(), part.events.end(), is_there))
        part.events.push_back(std::move(made));
    }
    request.streams.push_back(std::move(part));
  }
  return request;
}

}  // namespace tidelog::testing
