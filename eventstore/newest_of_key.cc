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
    newest.needed_from = event.position;
    newest.moved_in = may_have_moved_in_;
  }
  newest.last = event.position;
  see_life(event, newest);
  bool lacks = false;
  if (event.body && schema != nullptr) {
    TRY(lacks, lacks_values(*event.body, *schema));
  }
  if (event.moved && event.type == EventType::remove) {
    left_ = {name_, newest.needed_from};
  } else if (event.moved && left_) {
    // The values that are lacking are those of the row under its old key.
    const auto old = newest_.find(left_->name);
    if (lacks && old != newest_.end())
      old->second.pinned = std::min(old->second.pinned, left_->needed_from);
    left_.reset();
  }
  if (!lacks) newest.needed_from = event.position;
  return {};
}

void NewestOfKey::see_life(const Event& event, Newest& newest) {
  if (event.type == EventType::insert) newest.moved_in = event.moved;
  if (event.type != EventType::remove) return;
  if (newest.moved_in && !event.moved && ends_.insert(event.position.value).second)
    memory_bytes_ += sizeof(std::uint64_t) * 2;
  newest.moved_in = false;
}

// The halves of a key change stay, and the deletion at the end of such a row: erasure follows a
// row by them.
bool NewestOfKey::is_superseded(const Event& event) {
  if (!has_key(event) || event.moved || ends_.contains(event.position.value)) return false;
  const auto it = newest_.find(name_of(event));
  return it != newest_.end() &&
         event.position < std::min(it->second.needed_from, it->second.pinned);
}

bool NewestOfKey::is_last_deletion(const Event& event) {
  if (event.type != EventType::remove || !has_key(event) || event.moved) return false;
  if (ends_.contains(event.position.value)) return false;
  const auto it = newest_.find(name_of(event));
  return it != newest_.end() && event.position == it->second.last &&
         event.position == it->second.needed_from && it->second.pinned == Position{UINT64_MAX};
}

}  // namespace tidelog
