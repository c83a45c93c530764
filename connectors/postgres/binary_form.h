// How values look that the server sends in binary form, as its types' send functions write them.
// Which form a type has is known by the names of the functions that print and send it: so types
// that are made with built-in ones (citext, domains, enums, arrays) need no list of their own. Used
// by the decoder of binary values and by the look-up of types.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/value.h"

namespace tidelog::postgres {

// The numbers are stored with prepared transactions: never renumber, only add.
enum class BinaryForm : std::uint8_t {
  as_text = 0,  // the type has no send function: its values come as text all the same
  boolean = 1,
  int16 = 2,
  int32 = 3,
  int64 = 4,
  uint32 = 5,
  uint64 = 6,
  float32 = 7,
  float64 = 8,
  numeric = 9,
  text = 10,   // the text form itself
  jsonb = 11,  // behind a version
  character = 12,
  bytes = 13,
  date = 14,
  time = 15,
  time_tz = 16,
  timestamp = 17,
  timestamp_tz = 18,
  interval = 19,
  finite_interval = 20,  // of a server that knows no infinite ones
  uuid = 21,
  bits = 22,
  network = 23,
  mac = 24,
  mac8 = 25,
  array = 26,
};
inline constexpr std::uint8_t binary_form_max = 26;

struct BinaryType {
  BinaryForm form = BinaryForm::as_text;
  // Of an array: the form of its elements, none of them an array or as_text, and their type.
  BinaryForm element = BinaryForm::as_text;
  std::uint32_t element_type = 0;
  bool operator==(const BinaryType&) const = default;
};

// By the source of the built-in functions (pg_proc.prosrc). Nothing: another pair of functions, or
// one whose text depends on more than the value.
std::optional<BinaryForm> form_of_functions(std::string_view output, std::string_view send,
                                            int server_version);

// What a value of this form is when it is read; ValueKind::other: its text is all that it is.
ValueKind kind_of_form(BinaryForm form);

}  // namespace tidelog::postgres
