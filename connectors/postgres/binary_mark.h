// What stands behind the description of a relation whose rows are held until their transaction
// ends, when values of them are in binary form: how they look. They may be read after a restart,
// when the catalog no longer knows their types. The server sends no such message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/binary_form.h"
#include "core/result.h"

namespace tidelog::postgres {

inline constexpr char binary_mark = '\x02';  // the letter

struct BinaryMark {
  std::uint32_t relation = 0;
  std::vector<BinaryType> types;  // of all columns
  bool operator==(const BinaryMark&) const = default;
};
std::string message_of(const BinaryMark& mark);
// With its letter.
Result<BinaryMark> read_binary_mark(std::string_view message);

}  // namespace tidelog::postgres
