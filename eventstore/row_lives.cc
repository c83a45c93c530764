#include "eventstore/row_lives.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tidelog {
namespace {

using Keys = std::set<std::string, std::less<>>;

// Calls `see` for each event of the stream that has a key.
template <class See>
Status for_keyed_events(StoreReader& reader, const std::string& stream, Position end, See see) {
  EventFilter filter;
  filter.streams = {stream};
  filter.also_not_counting = true;
  reader.set_filter(std::move(filter));
  reader.read_until(end);
  TRY_DO(reader.seek({0}));
  for (;;) {
    TRY(const Event* const event, reader.next());
    if (event == nullptr) return {};
    if (event->key || event->type == EventType::truncate) see(*event);
  }
}

// The keys that rows went between, and all that can be reached from some.
class Moves {
 public:
  void see(const Event& event) {
    if (!event.moved || !event.key) return;
    if (event.type == EventType::remove) {
      from_ = *event.key;
      from_position_ = event.position;
      return;
    }
    // Its other half may have been removed: only the event just before is it.
    if (from_ && event.position == from_position_ + std::uint64_t{1}) {
      links_[*from_].insert(std::string(*event.key));
      links_[std::string(*event.key)].insert(*from_);
    }
    from_.reset();
  }

  Keys reachable(const std::vector<std::string>& keys) const {
    Keys reached(keys.begin(), keys.end());
    std::vector<std::string> open = keys;
    while (!open.empty()) {
      const auto linked = links_.find(open.back());
      open.pop_back();
      if (linked == links_.end()) continue;
      for (const std::string& key : linked->second) {
        if (reached.insert(key).second) open.push_back(key);
      }
    }
    return reached;
  }

 private:
  std::optional<std::string> from_;
  Position from_position_;
  std::map<std::string, Keys, std::less<>> links_;
};

// All rows that ever had the keys: no life of theirs need be told from another.
FoundRows rows_asked_for(const std::vector<std::string>& keys, Position end) {
  FoundRows found;
  found.keys.insert(keys.begin(), keys.end());
  for (const std::string& key : found.keys) found.saved.push_back({key, end});
  return found;
}

// The lives of some keys, linked where a row went from one to another.
class Lives {
 public:
  explicit Lives(const Keys& keys) : keys_(keys) {}

  void see(const Event& event) {
    if (event.type == EventType::truncate) {
      for (const auto& [key, life] : current_) lives_[life].end = event.position;
      current_.clear();
      return;
    }
    const auto key = keys_.find(*event.key);
    if (key == keys_.end()) {
      if (event.moved) left_.reset();
      return;
    }
    const std::size_t life = life_of(event, *key);
    lives_[life].events.push_back(event.position);
    if (event.type == EventType::remove) {
      lives_[life].end = event.position;
      current_.erase(*key);
    }
    if (!event.moved) return;
    if (event.type == EventType::remove) {
      left_ = life;
      left_position_ = event.position;
      return;
    }
    if (left_ && event.position == left_position_ + std::uint64_t{1}) {
      lives_[life].linked.push_back(*left_);
      lives_[*left_].linked.push_back(life);
    }
    left_.reset();
  }

  // Of every life of `keys`, and of those linked with them.
  FoundRows of(const std::vector<std::string>& keys, Position end) const {
    std::vector<std::size_t> open;
    std::vector<bool> reached(lives_.size());
    const auto reach = [&](std::size_t life) {
      if (!reached[life]) open.push_back(life);
      reached[life] = true;
    };
    for (std::size_t i = 0; i < lives_.size(); ++i) {
      if (std::find(keys.begin(), keys.end(), lives_[i].key) != keys.end()) reach(i);
    }
    FoundRows found = rows_asked_for(keys, end);
    while (!open.empty()) {
      const Life& life = lives_[open.back()];
      open.pop_back();
      found.keys.insert(life.key);
      if (life.is_older_than_log) found.saved.push_back({life.key, std::min(life.end, end)});
      found.events.insert(found.events.end(), life.events.begin(), life.events.end());
      for (const std::size_t linked : life.linked) reach(linked);
    }
    std::sort(found.events.begin(), found.events.end());
    return found;
  }

 private:
  struct Life {
    std::string key;
    bool is_older_than_log = false;
    Position end{UINT64_MAX};  // its deletion
    std::vector<Position> events{};
    std::vector<std::size_t> linked{};
  };

  std::size_t life_of(const Event& event, const std::string& key) {
    // A row that is loaded again is the same one.
    const bool is_new = event.type == EventType::insert;
    const auto current = current_.find(key);
    if (current != current_.end() && !is_new) return current->second;
    const bool is_first = had_life_.insert(key).second;
    lives_.push_back({key, is_first && !is_new});
    current_[key] = lives_.size() - 1;
    return lives_.size() - 1;
  }

  const Keys& keys_;
  std::vector<Life> lives_;
  std::map<std::string, std::size_t> current_;
  std::set<std::string> had_life_;
  std::optional<std::size_t> left_;  // by the first half of a key change
  Position left_position_;
};

}  // namespace

Result<FoundRows> rows_of_keys(StoreReader& reader, const std::string& stream,
                               const std::vector<std::string>& keys, Position end) {
  Moves moves;
  FoundRows found = rows_asked_for(keys, end);
  TRY_DO(for_keyed_events(reader, stream, end, [&](const Event& event) {
    moves.see(event);
    if (event.key && found.keys.contains(std::string(*event.key)))
      found.events.push_back(event.position);
  }));
  const Keys reachable = moves.reachable(keys);
  if (reachable.size() == found.keys.size()) return found;
  Lives lives(reachable);
  TRY_DO(for_keyed_events(reader, stream, end, [&](const Event& event) { lives.see(event); }));
  return lives.of(keys, end);
}

}  // namespace tidelog
