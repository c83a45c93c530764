#include "tests/projections/simulated_history.h"

#include <algorithm>
#include <set>

namespace tidelog::testing {

bool is_table(const std::string& stream) { return stream.find(".public.") != std::string::npos; }

StreamLife life_in(const SimulatedHistory::Lives& lives, const std::string& stream) {
  const auto life = lives.find(stream);
  return life == lives.end() ? StreamLife{} : life->second;
}

bool is_read(const IssuedEvent& event, const StreamLife& life) {
  return event.revision >= life.first.value;
}

bool is_kept(const IssuedEvent& event, const StreamLife& life) {
  const bool is_end = life.status != StreamStatus::open && event.revision + 1 == life.first.value;
  return is_end || is_read(event, life);
}

// ---- Appends ----

std::uint64_t SimulatedHistory::issue(std::vector<IssuedEvent> events, std::string source,
                                      std::string position) {
  const std::uint64_t first = events_.size();
  for (IssuedEvent& event : events) {
    event.revision = revisions_[event.stream]++;
    events_.push_back(std::move(event));
  }
  source_ = std::move(source);
  position_ = std::move(position);
  return first;
}

void SimulatedHistory::acknowledge() {
  positions_ = positions(true);
  acknowledged_ = events_.size();
  source_.clear();
  request.reset();
  change.reset();
}

std::uint64_t SimulatedHistory::next_revision(const std::string& stream) const {
  const auto known = revisions_.find(stream);
  return known == revisions_.end() ? 0 : known->second;
}

std::map<std::string, std::string> SimulatedHistory::positions(bool with_unacknowledged) const {
  auto all = positions_;
  if (with_unacknowledged && !source_.empty()) all[source_] = position_;
  return all;
}

SimulatedHistory::Lives SimulatedHistory::lives(std::uint64_t end) const {
  Lives lives;
  for (std::uint64_t i = 0; i < end; ++i) {
    const IssuedEvent& event = events_[i];
    if (event.type == EventType::stream_truncated) {
      lives[event.stream] = {StreamStatus::open, {event.first_kept}};
    } else if (event.type == EventType::stream_deleted) {
      lives[event.stream] = {StreamStatus::deleted, {event.revision + 1}};
    } else if (event.type == EventType::stream_tombstoned) {
      lives[event.stream] = {StreamStatus::tombstoned, {event.revision + 1}};
    } else if (const auto life = lives.find(event.stream); life != lives.end()) {
      life->second.status = StreamStatus::open;  // begun anew
    }
  }
  return lives;
}

Standings SimulatedHistory::standings() const {
  Standings all;
  all.reserve(events_.size());
  for (const IssuedEvent& event : events_) all.push_back(event.standing);
  return all;
}

// ---- Retention ----

bool SimulatedHistory::is_beyond(const IssuedEvent& event, const RetentionRule& rule,
                                 UnixMicros now) const {
  const std::uint64_t next = next_revision(event.stream);
  return (rule.max_count && event.revision + *rule.max_count < next) ||
         (rule.max_age && event.append_time.value < now.value - rule.max_age->count());
}

// Whether compaction may take it, or what marks its place: that what is left tells the same is for
// the states to show.
bool SimulatedHistory::is_compacted(std::uint64_t position, const RetentionRule& rule,
                                    UnixMicros now) const {
  const IssuedEvent& event = events_[position];
  const bool is_old = event.append_time.value < now.value - rule.keep_deletions.count();
  if (!rule.compact) return false;
  if (event.standing.erased) return is_old;
  if (!event.key || event.moved) return false;
  for (std::uint64_t later = position + 1; later < acknowledged_; ++later) {
    if (events_[later].stream == event.stream && events_[later].key == event.key &&
        !events_[later].standing.erased)
      return true;
  }
  return event.type == EventType::remove && is_old;
}

void SimulatedHistory::begin_retention(const Rules& rules, UnixMicros now, Position floor) {
  must_go_.clear();
  const bool is_exact = floor == Position{UINT64_MAX};
  lives_before_ = lives(acknowledged_);
  for (std::uint64_t i = 0; i < acknowledged_ && i < floor.value; ++i) {
    const IssuedEvent& event = events_[i];
    if (event.standing.removed) continue;
    const auto rule = rules.find(event.stream);
    const bool goes_by_rule = rule != rules.end() && (is_beyond(event, rule->second, now) ||
                                                      is_compacted(i, rule->second, now));
    if (goes_by_rule || !is_kept(event, life_in(lives_before_, event.stream)))
      begin_to_remove(i, is_exact);
  }
}

// Tables keep somewhat more than their rules say.
void SimulatedHistory::begin_to_remove(std::uint64_t position, bool is_exact) {
  IssuedEvent& event = events_[position];
  event.standing.removed = true;
  if (is_exact && !is_table(event.stream)) must_go_.push_back(position);
}

// ---- Erasure ----

// Of every life that is known under the key: by an event that is left, or by its row in the base.
std::vector<std::uint64_t> SimulatedHistory::rows_under(const std::string& stream,
                                                        const std::string& key,
                                                        Position base) const {
  std::set<std::size_t> lives;
  std::map<std::string, std::size_t> at_base;  // by key
  for (std::uint64_t i = 0; i < acknowledged_; ++i) {
    const IssuedEvent& event = events_[i];
    if (event.stream != stream || event.standing.forgotten) continue;
    if (event.key == key && event.standing.kept) lives.insert(event.life);
    if (i >= base.value) continue;
    if (event.type == EventType::truncate) at_base.clear();
    if (!event.key) continue;
    at_base.erase(*event.key);
    if (event.type != EventType::remove) at_base.emplace(*event.key, event.life);
  }
  if (const auto row = at_base.find(key); row != at_base.end()) lives.insert(row->second);
  std::vector<std::uint64_t> found;
  for (std::uint64_t i = 0; i < acknowledged_; ++i) {
    const IssuedEvent& event = events_[i];
    if (event.stream == stream && event.key && lives.contains(event.life)) found.push_back(i);
  }
  return found;
}

void SimulatedHistory::begin_erasure(const std::string& stream, const std::string& key,
                                     Position base) {
  erasing_ = Erasing{stream, {}};
  if (is_table(stream)) {
    erasing_->events = rows_under(stream, key, base);
  } else {
    for (std::uint64_t i = 0; i < acknowledged_; ++i) {
      const IssuedEvent& event = events_[i];
      if (event.stream == stream && event.key == key && event.standing.kept)
        erasing_->events.push_back(i);
    }
  }
  for (const std::uint64_t i : erasing_->events) {
    Standing& standing = events_[i].standing;
    if (standing.kept) standing.erased = true;
  }
}

std::optional<std::uint64_t> SimulatedHistory::settle(const Standings& found) {
  for (std::uint64_t i = 0; i < found.size(); ++i) {
    const bool was_forgotten = events_[i].standing.forgotten;
    events_[i].standing = found[i];
    events_[i].standing.forgotten = was_forgotten;
    events_[i].was_erased |= found[i].erased;
  }
  std::optional<std::uint64_t> stayed;
  const auto must_go = [&](std::uint64_t i, bool is_gone) {
    if (!is_gone && !stayed) stayed = i;
  };
  // When a stream was cut or ended meanwhile, compaction may have seen no newer event that counts.
  const Lives now = lives(acknowledged_);
  for (const std::uint64_t i : must_go_) {
    const std::string& stream = events_[i].stream;
    if (life_in(now, stream) == life_in(lives_before_, stream))
      must_go(i, events_[i].standing.removed);
  }
  must_go_.clear();
  if (!erasing_) return stayed;
  for (const std::uint64_t i : erasing_->events) {
    must_go(i, !events_[i].standing.kept);
    events_[i].standing.forgotten = true;
    if (!events_[i].secret.empty()) erased_secrets_.push_back(events_[i].secret);
  }
  saved.erase(erasing_->stream);
  erasing_.reset();
  return stayed;
}

// ---- States and backups ----

SimulatedTable SimulatedHistory::table(const std::string& stream, std::uint64_t end,
                                       const Standings& standings) const {
  SimulatedTable rows;
  std::optional<SimulatedRow> moving;
  for (std::uint64_t i = 0; i < end; ++i) {
    const IssuedEvent& event = events_[i];
    if (event.stream != stream) continue;
    if (event.type == EventType::truncate) rows.clear();
    if (!is_row_event(event.type) || standings[i].forgotten) continue;
    const auto old = rows.find(event.row.id);
    if (event.type == EventType::remove) {
      if (event.moved && old != rows.end()) moving = old->second;
      rows.erase(event.row.id);
      continue;
    }
    SimulatedRow row = event.row;
    if (!row.more && event.moved && moving) row.more = moving->more;
    if (!row.more && !event.moved && old != rows.end()) row.more = old->second.more;
    rows[row.id] = std::move(row);
  }
  return rows;
}

SimulatedHistory::Backup SimulatedHistory::backup_of(UnixMicros time, std::uint64_t end) const {
  Backup made{time, end, standings(), erased_secrets_.size()};
  made.standings.resize(end);
  return made;
}

}  // namespace tidelog::testing
