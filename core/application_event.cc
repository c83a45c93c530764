#include "core/application_event.h"

#include <array>
#include <random>

#include "core/bytes.h"
#include "core/event.h"

namespace tidelog {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::size_t printed_bytes = 36;

bool is_dash_before_byte(std::size_t byte) {
  return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

std::optional<unsigned> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

std::mt19937_64 seeded() {
  std::random_device device;
  std::array<std::uint32_t, 16> words;
  for (std::uint32_t& word : words) word = device();
  std::seed_seq seed(words.begin(), words.end());
  return std::mt19937_64(seed);
}

// The tags rise with the members' order.
void put_if_given(std::string& out, Attribute tag, std::string_view bytes) {
  if (!bytes.empty()) put_attribute(out, tag, bytes);
}

}  // namespace

void put_application_attributes(std::string& out, const ApplicationAttributes& attributes) {
  put_if_given(out, Attribute::name, attributes.type);
  put_if_given(out, Attribute::event_id, attributes.id);
  put_if_given(out, Attribute::content_type, attributes.content_type);
  put_if_given(out, Attribute::metadata, attributes.metadata);
  put_if_given(out, Attribute::correlation_id, attributes.correlation_id);
  put_if_given(out, Attribute::causation_id, attributes.causation_id);
}

ApplicationAttributes read_application_attributes(std::string_view attributes) {
  const auto given = [&](Attribute tag) { return find_attribute(attributes, tag).value_or(""); };
  return {given(Attribute::name),           given(Attribute::event_id),
          given(Attribute::content_type),   given(Attribute::metadata),
          given(Attribute::correlation_id), given(Attribute::causation_id)};
}

bool is_json_type(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return type == "application/json" || type == "text/json" || type.ends_with("+json");
}

std::string new_event_id() {
  thread_local std::mt19937_64 random = seeded();
  std::string id;
  put_le(id, random());
  put_le(id, random());
  id[6] = static_cast<char>((static_cast<unsigned char>(id[6]) & 0x0F) | 0x40);
  id[8] = static_cast<char>((static_cast<unsigned char>(id[8]) & 0x3F) | 0x80);
  return id;
}

std::string print_event_id(std::string_view id) {
  std::string text;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (id.size() == event_id_bytes && is_dash_before_byte(i)) text += '-';
    const auto byte = static_cast<unsigned char>(id[i]);
    text += hex_digits[byte >> 4];
    text += hex_digits[byte & 0x0F];
  }
  return text;
}

std::optional<std::string> parse_event_id(std::string_view text) {
  if (text.size() != printed_bytes) return std::nullopt;
  std::string id;
  for (std::size_t i = 0; i < event_id_bytes; ++i) {
    if (is_dash_before_byte(i)) {
      if (text.front() != '-') return std::nullopt;
      text.remove_prefix(1);
    }
    const auto high = hex_value(text[0]);
    const auto low = hex_value(text[1]);
    if (!high || !low) return std::nullopt;
    id += static_cast<char>((*high << 4) | *low);
    text.remove_prefix(2);
  }
  return id;
}

}  // namespace tidelog
