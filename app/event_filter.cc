#include "app/event_filter.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/nearest.h"
#include "app/pattern.h"
#include "app/row_text.h"
#include "formats/key_text.h"

namespace tidelog {
namespace {

std::vector<std::string_view> known_types() {
  std::vector<std::string_view> names;
  for (std::uint8_t type = 1; type <= event_type_max; ++type) {
    names.push_back(name_of(static_cast<EventType>(type)));
  }
  return names;
}

// An application's own event types may have any name, so only a near miss is called a misspelling.
Status check_type(std::string_view type) {
  const std::vector<std::string_view> known = known_types();
  if (std::find(known.begin(), known.end(), type) != known.end()) return {};
  const auto near = nearest(type, known);
  if (!near) return {};
  return fail(Code::misconfigured,
              fmt::format("no event type is called `{}` (did you mean `{}`?)", type, *near));
}

}  // namespace

Result<EventFilter> EventFilter::make(StoreReader& reader, std::vector<std::string> stream_patterns,
                                      std::vector<std::string> types,
                                      std::optional<std::string> key) {
  EventFilter filter(reader);
  for (const std::string& type : types) TRY_DO(check_type(type));
  filter.patterns_ = std::move(stream_patterns);
  filter.types_ = std::move(types);
  filter.key_ = std::move(key);
  return filter;
}

bool EventFilter::takes_stream(const Event& event) {
  if (patterns_.empty()) return true;
  const auto [entry, is_new] = streams_.try_emplace(event.stream, false);
  if (is_new) entry->second = matches_any(patterns_, event.stream_name);
  return entry->second;
}

bool EventFilter::takes_type(const Event& event) const {
  return types_.empty() ||
         std::find(types_.begin(), types_.end(), type_text(event)) != types_.end();
}

Result<const std::optional<std::string>*> EventFilter::key_for(SchemaId id) {
  const auto [entry, is_new] = keys_.try_emplace(id, std::nullopt);
  if (!is_new) return &entry->second;
  TRY(const Schema* const schema, reader_->schema(id));
  auto bytes = parse_key(*key_, *schema);
  if (bytes) {
    entry->second = *std::move(bytes);
    was_readable_ = true;
  } else {
    unreadable_ = bytes.error();
  }
  return &entry->second;
}

Result<bool> EventFilter::takes_key(const Event& event) {
  if (!key_) return true;
  if (!event.key) return false;
  if (event.type == EventType::application) {
    was_readable_ = true;
    return *event.key == *key_;  // text, as it was given
  }
  if (event.schema == SchemaId{}) return false;
  TRY(const auto* const wanted, key_for(event.schema));
  return *wanted && *event.key == **wanted;
}

Result<bool> EventFilter::takes(const Event& event) {
  if (!takes_stream(event) || !takes_type(event)) return false;
  return takes_key(event);
}

Status EventFilter::key_was_readable() const {
  if (was_readable_ || !unreadable_) return {};
  return tl::unexpected<Error>(*unreadable_);
}

}  // namespace tidelog
