#include "eventstore/newest_of_key.h"

#include <algorithm>

#include "core/bytes.h"
#include "core/value.h"
#include "core/value_codec.h"

namespace tidelog {
namespace {

Result<bool> lacks_values(std::string_view row, const Schema& schema) {
  constexpr char unchanged = static_cast<char>(ValueKind::unchanged);
  TRY(const auto values, split_row(row, schema.columns.size()));
  return std::any_of(values.begin(), values.end(),
                     [](std::string_view value) { return value.front() == unchanged; });
}

}  // namespace

// Of the types that say something of a key's row.
bool NewestOfKey::has_key(const Event& event) {
  return event.key && (is_row_event(event.type) || event.type == EventType::application);
}

const std::string& NewestOfKey::name_of(const Event& event) {
  name_.clear();
  put_le(name_, event.stream.value);
  name_ += *event.key;
  return name_;
}

Status NewestOfKey::see(const Event& event, const Schema* schema) {
  if (!has_key(event)) return {};
  const auto [it, is_new] = newest_.try_emplace(name_of(event));
  Newest& newest = it->second;
  if (is_new) {
    memory_bytes_ += name_.size() + sizeof(*it) * 2;
    newest.needed_from = is_first_round_ ? event.position : Position{};
  }
  newest.last = event.position;
  see_life(event);
  bool lacks = false;
  if (event.body && schema != nullptr) {
    TRY(lacks, lacks_values(*event.body, *schema));
  }
  if (event.moved && event.type == EventType::remove) {
    left_ = {name_, newest.needed_from};
  } else if (event.moved && left_) {
    // The values that are lacking are those of the row under its old key.
    if (lacks) {
      Position& pinned = pinned_.try_emplace(left_->name, left_->needed_from).first->second;
      pinned = std::min(pinned, left_->needed_from);
    }
    left_.reset();
  }
  if (!lacks) newest.needed_from = event.position;
  return {};
}

void NewestOfKey::see_life(const Event& event) {
  if (event.type == EventType::insert && event.moved) moved_in_.insert(name_);
  if (event.type == EventType::insert && !event.moved) moved_in_.erase(name_);
  if (event.type != EventType::remove || moved_in_.erase(name_) == 0) return;
  if (!event.moved) ends_.insert(event.position.value);
}

void NewestOfKey::next_round() {
  newest_.clear();
  memory_bytes_ = 0;
  is_first_round_ = false;
}

// `name_` is its name.
Position NewestOfKey::kept_from(const Newest& newest) const {
  const auto pinned = pinned_.find(name_);
  return pinned == pinned_.end() ? newest.needed_from
                                 : std::min(newest.needed_from, pinned->second);
}

// The halves of a key change stay, and the deletion at the end of such a row: erasure follows a
// row by them.
bool NewestOfKey::may_go(const Event& event) const {
  return has_key(event) && !event.moved && !ends_.contains(event.position.value);
}

bool NewestOfKey::is_superseded(const Event& event) {
  if (!may_go(event)) return false;
  const auto it = newest_.find(name_of(event));
  return it != newest_.end() && event.position < kept_from(it->second);
}

bool NewestOfKey::is_last_deletion(const Event& event) {
  if (event.type != EventType::remove || !may_go(event)) return false;
  const auto it = newest_.find(name_of(event));
  return it != newest_.end() && event.position == it->second.last &&
         event.position == kept_from(it->second);
}

}  // namespace tidelog
