#include "eventstore/event_filter.h"

#include <algorithm>

namespace tidelog {

void FilterMatch::set(EventFilter filter) {
  filter_ = std::move(filter);
  by_stream_.clear();
  ids_.assign(filter_.streams.size(), std::nullopt);
  moved_.reset();
  std::fill(std::begin(type_wanted_), std::end(type_wanted_), false);
  application_names_ = filter_.application_types;
  for (const std::string& name : filter_.types) {
    const auto ours = event_type_named(name);
    if (ours) {
      type_wanted_[static_cast<std::size_t>(*ours)] = true;
    } else {
      application_names_.push_back(name);
    }
  }
  bool& any_application = type_wanted_[static_cast<std::size_t>(EventType::application)];
  all_applications_ = any_application;
  any_application = any_application || !application_names_.empty();
}

bool FilterMatch::takes_name(std::string_view name) const {
  return std::find(filter_.streams.begin(), filter_.streams.end(), name) != filter_.streams.end() ||
         std::any_of(filter_.categories.begin(), filter_.categories.end(),
                     [name](const std::string& prefix) { return name.starts_with(prefix); });
}

bool FilterMatch::decide(StreamId stream, const Catalog& catalog) {
  const format::StreamEntry* const entry = catalog.stream(stream);
  if (entry == nullptr) return false;
  const bool taken = takes_name(entry->name);
  by_stream_[stream] = taken ? Wanted::yes : Wanted::no;
  return taken;
}

std::optional<std::vector<StreamId>> FilterMatch::known_streams(const Catalog& catalog) {
  if (!filter_.categories.empty() || filter_.streams.empty()) return std::nullopt;
  std::vector<StreamId> known;
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    if (!ids_[i]) {
      const format::StreamEntry* const entry = catalog.stream_named(filter_.streams[i]);
      if (entry == nullptr) return std::nullopt;
      ids_[i] = entry->id;
    }
    known.push_back(*ids_[i]);
  }
  return known;
}

// Of our own types the number has decided (may_want_type).
bool FilterMatch::wants_type(const EventBody& event) const {
  if (event.type != EventType::application) return true;
  if (all_applications_) return true;
  const std::string_view name = find_attribute(event.attributes, Attribute::name).value_or("");
  return std::find(application_names_.begin(), application_names_.end(), name) !=
         application_names_.end();
}

bool FilterMatch::wants_id(const EventBody& event) const {
  if (event.type != EventType::application) return false;
  const auto id = find_attribute(event.attributes, Attribute::event_id);
  return id && std::find(filter_.event_ids.begin(), filter_.event_ids.end(), *id) !=
                   filter_.event_ids.end();
}

bool FilterMatch::is_key(std::string_view key) const {
  return std::find(filter_.keys.begin(), filter_.keys.end(), key) != filter_.keys.end();
}

bool FilterMatch::wants_key(const EventBody& event, Position position) {
  const bool own = event.key && is_key(*event.key);
  if (!filter_.whole_history) return own;
  switch (event.type) {
    case EventType::truncate:
    case EventType::undecoded:
      return true;
    case EventType::load:
    case EventType::insert:
    case EventType::update:
    case EventType::remove:
      break;
    case EventType::schema:
    case EventType::ddl:
    case EventType::message:
    case EventType::gap:
    case EventType::application:
    case EventType::erased:
    case EventType::stream_truncated:
    case EventType::stream_deleted:
    case EventType::stream_tombstoned:
    case EventType::load_step:
      return own;
  }
  const bool second_half = moved_ && moved_->stream == event.stream &&
                           moved_->position.value + 1 == position.value && event.moved &&
                           event.type == EventType::insert;
  moved_.reset();
  if (own && event.moved && event.type == EventType::remove) moved_ = {event.stream, position};
  return own || second_half || (event.before_kind == Before::key && is_key(event.before));
}

}  // namespace tidelog
