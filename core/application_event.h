// What an application says of an event beside its key and its data (the event's body): the
// attributes of an EventType::application event, and event ids as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidelog {

inline constexpr std::size_t event_id_bytes = 16;

// Empty: not given. Of a stored event `type` and `id` are always there. Borrowed.
struct ApplicationAttributes {
  std::string_view type;            // the application's own name for it: "OrderPlaced"
  std::string_view id;              // 16 bytes, a UUID
  std::string_view content_type;    // "application/json"
  std::string_view metadata;        // JSON by convention
  std::string_view correlation_id;  // text: the conversation that it belongs to
  std::string_view causation_id;    // text: what it answers
};

// Appends them in the form of EventBody::attributes.
void put_application_attributes(std::string& out, const ApplicationAttributes& attributes);
ApplicationAttributes read_application_attributes(std::string_view attributes);

// Whether data of this content type is JSON: "application/json", "application/x+json", with
// parameters or without.
bool is_json_type(std::string_view content_type);

// A random UUID (version 4), as 16 bytes. Any thread.
std::string new_event_id();
// "0123abcd-…": of another number of bytes, their hexadecimal digits.
std::string print_event_id(std::string_view id);
// The 16 bytes of a UUID's text, in either case of letters; nothing for another text.
std::optional<std::string> parse_event_id(std::string_view text);

}  // namespace tidelog
