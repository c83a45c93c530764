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

// An application's own event types may have any name, so only a near miss of which there is no
// event is called a misspelling.
Status check_type(StoreReader& reader, const std::string& type) {
  const std::vector<std::string_view> known = known_types();
  if (std::find(known.begin(), known.end(), type) != known.end()) return {};
  const auto near = nearest(type, known);
  if (!near) return {};
  EventFilter filter;
  filter.application_types = {type};
  reader.set_filter(std::move(filter));
  TRY_DO(reader.seek(reader.first()));
  TRY(const Event* const one, reader.next());
  if (one != nullptr) return {};
  return fail(Code::misconfigured,
              fmt::format("no event type is called `{}` (did you mean `{}`?)", type, *near));
}

}  // namespace

Result<EventChoice> EventChoice::make(StoreReader& reader, std::vector<std::string> stream_patterns,
                                      std::vector<std::string> types,
                                      std::optional<std::string> key) {
  EventChoice filter(reader);
  for (const std::string& type : types) TRY_DO(check_type(reader, type));
  filter.patterns_ = std::move(stream_patterns);
  filter.types_ = std::move(types);
  filter.key_ = std::move(key);
  return filter;
}

namespace {

// "shop.public.*" is a category: any text, dots too, after a prefix that ends in one.
std::optional<std::string> category_of(std::string_view pattern) {
  if (!pattern.ends_with(".*") || is_pattern(pattern.substr(0, pattern.size() - 1))) return {};
  return std::string(pattern.substr(0, pattern.size() - 1));
}

}  // namespace

Result<EventFilter> EventChoice::for_reader(const std::vector<std::string>& streams,
                                            Lasting lasting) {
  EventFilter filter;
  filter.types = types_;
  filter.application_types = types_;
  filter.streams = streams;
  if (streams.empty()) {
    for (const std::string& pattern : patterns_) {
      auto category = category_of(pattern);
      if (!category && is_pattern(pattern)) {
        filter.streams.clear();
        filter.categories.clear();
        return filter;
      }
      auto& into = category ? filter.categories : filter.streams;
      into.push_back(category ? *std::move(category) : pattern);
    }
  }
  // A version of the schema that is still to come may write the key in another way.
  if (key_ && lasting == Lasting::until_now) {
    TRY(filter.keys, keys_until_now());
  }
  return filter;
}

Result<std::vector<std::string>> EventChoice::keys_until_now() {
  std::vector<std::string> keys = {*key_};  // an application's is text, as it was given
  TRY(const auto versions, reader_->schema_versions(patterns_.front()));
  for (const SchemaId version : versions) {
    TRY(const auto* const key, key_for(version));
    if (*key && std::find(keys.begin(), keys.end(), **key) == keys.end()) keys.push_back(**key);
  }
  return keys;
}

bool EventChoice::takes_stream(const Event& event) {
  if (patterns_.empty()) return true;
  const auto [entry, is_new] = streams_.try_emplace(event.stream, false);
  if (is_new) entry->second = matches_any(patterns_, event.stream_name);
  return entry->second;
}

bool EventChoice::takes_type(const Event& event) const {
  const auto named = [this](std::string_view name) {
    return std::find(types_.begin(), types_.end(), name) != types_.end();
  };
  return types_.empty() || named(type_text(event)) || named(name_of(event.type));
}

Result<const std::optional<std::string>*> EventChoice::key_for(SchemaId id) {
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

Result<bool> EventChoice::takes_key(const Event& event) {
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

Result<bool> EventChoice::takes(const Event& event) {
  if (!takes_stream(event) || !takes_type(event)) return false;
  return takes_key(event);
}

Status EventChoice::key_was_readable() const {
  if (was_readable_ || !unreadable_) return {};
  return tl::unexpected<Error>(*unreadable_);
}

}  // namespace tidelog
