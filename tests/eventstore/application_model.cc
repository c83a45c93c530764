#include "tests/eventstore/application_model.h"

#include <algorithm>
#include <optional>

#include "tests/eventstore/application_fixture.h"

namespace tidelog::testing {
namespace {

using Kind = ExpectedRevision::Kind;

bool holds(const ExpectedRevision& expected, std::uint64_t length) {
  if (expected.kind == Kind::any) return true;
  if (expected.kind == Kind::no_stream) return length == 0;
  if (expected.kind == Kind::exists) return length != 0;
  return expected.revision.value + 1 == length;
}

bool equal(const NewEvent& a, const NewEvent& b) {
  return a.type == b.type && a.data == b.data && a.key == b.key && a.content_type == b.content_type;
}

AppendConflict conflict_of(AppendConflict::Kind kind, const StreamAppend& part,
                           std::uint64_t length) {
  AppendConflict conflict;
  conflict.kind = kind;
  conflict.stream = part.stream;
  conflict.expected = part.expected;
  if (length != 0) conflict.actual = Revision{length - 1};
  return conflict;
}

}  // namespace

const ApplicationModel::Stream& ApplicationModel::stream(const std::string& name) const {
  static const Stream none;
  const auto it = streams_.find(name);
  return it == streams_.end() ? none : it->second;
}

std::uint64_t ApplicationModel::length_of(const std::string& name) const {
  return stream(name).size();
}

ApplicationModel::Verdict ApplicationModel::judge_by_revision(const StreamAppend& part) const {
  const Stream& kept = stream(part.stream);
  if (holds(part.expected, kept.size())) return {};
  const std::uint64_t begin =
      part.expected.kind == Kind::no_stream ? 0 : part.expected.revision.value + 1;
  bool all_there = true;
  std::optional<AppendConflict> other;
  for (std::size_t i = 0; i < part.events.size(); ++i) {
    if (begin + i >= kept.size() || kept[begin + i].event.id != part.events[i].id) {
      all_there = false;
    } else if (!equal(kept[begin + i].event, part.events[i]) && !other) {
      other = conflict_of(AppendConflict::Kind::other_event, part, kept.size());
      other->event_id = part.events[i].id;
      other->position = kept[begin + i].position;
    }
  }
  if (other) return {Verdict::Kind::conflict, 0, *other};
  if (all_there) return {Verdict::Kind::repeated, begin, {}};
  return {Verdict::Kind::conflict, 0,
          conflict_of(AppendConflict::Kind::revision, part, kept.size())};
}

ApplicationModel::Verdict ApplicationModel::judge_by_ids(const StreamAppend& part) const {
  const Stream& kept = stream(part.stream);
  if (!holds(part.expected, kept.size()))
    return {Verdict::Kind::conflict, 0,
            conflict_of(AppendConflict::Kind::revision, part, kept.size())};
  const auto conflict_at = [&](AppendConflict::Kind kind, std::size_t event, std::size_t revision) {
    Verdict verdict{Verdict::Kind::conflict, 0, conflict_of(kind, part, kept.size())};
    verdict.conflict.event_id = part.events[event].id;
    verdict.conflict.position = kept[revision].position;
    return verdict;
  };
  for (std::size_t begin = 0; begin + part.events.size() <= kept.size(); ++begin) {
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
    for (std::size_t r = 0; r < kept.size(); ++r) {
      if (kept[r].event.id != part.events[i].id) continue;
      if (!equal(kept[r].event, part.events[i]))
        return conflict_at(AppendConflict::Kind::other_event, i, r);
      if (!partly) partly = conflict_at(AppendConflict::Kind::partly_repeated, i, r);
    }
  }
  return partly ? *partly : Verdict{};
}

ApplicationModel::Verdict ApplicationModel::judge(const StreamAppend& part) const {
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
    const Stream& kept = stream(part.stream);
    if (repeated.count == 0) {
      repeated.first = kept[verdict.begin].position;
      partly = conflict_of(AppendConflict::Kind::partly_repeated, part, kept.size());
      partly->event_id = part.events.front().id;
      partly->position = repeated.first;
    }
    repeated.count += part.events.size();
    repeated.next.push_back({verdict.begin + part.events.size()});
  }
  if (!has_fresh) return repeated;
  if (partly) return *partly;
  for (const StreamAppend& part : request.streams) {
    const std::uint64_t length = length_of(part.stream);
    if (part.events.empty() && !holds(part.expected, length))
      return conflict_of(AppendConflict::Kind::revision, part, length);
  }
  return add(request);
}

AppendedEvents ApplicationModel::add(const AppendRequest& request) {
  AppendedEvents appended;
  appended.first = {end_};
  for (const StreamAppend& part : request.streams) {
    if (part.events.empty()) continue;
    Stream& kept = streams_[part.stream];
    for (const NewEvent& event : part.events) {
      lines_.push_back(part.stream + "/" + std::to_string(kept.size()) + " " +
                       event.id.substr(0, 2) + " " + event.data);
      kept.push_back({event, {end_++}});
      ++appended.count;
    }
    appended.next.push_back({kept.size()});
  }
  return appended;
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

AppendRequest RandomRequests::next(const ApplicationModel& model) {
  std::vector<std::string> names = {"a", "b", "c", "d"};
  std::shuffle(names.begin(), names.end(), random_);
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
