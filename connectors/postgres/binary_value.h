// Values that the server sends in binary form (Postgres manual, "Formats and Format Codes"), to
// what is stored of them: byte for byte what their text would give. Used by the encoder of rows and
// by transforms, which are made of texts.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "connectors/postgres/binary_form.h"
#include "core/result.h"
#include "core/value.h"

namespace tidelog::postgres {

// Of the columns of one relation, in their order. Empty: none of them is sent in binary form.
using BinaryTypes = std::span<const BinaryType>;

// Holds the buffers that are reused from value to value. One thread.
class BinaryValues {
 public:
  // Appends the stored form of the value in a column of this kind. On error (Code::corrupt), which
  // says what was not as it must be, `out` is as it was.
  Status put(std::string& out, const BinaryType& type, ValueKind kind, std::string_view bytes);

  // The text that the server would have sent, until the next call.
  Result<std::string_view> text(const BinaryType& type, std::string_view bytes);

 private:
  bool print(std::string& out, const BinaryType& type, std::string_view bytes);
  bool print_scalar(std::string& out, BinaryForm form, std::string_view bytes);
  bool print_quoted(std::string& out, BinaryForm form, std::string_view bytes);
  bool print_array(std::string& out, const BinaryType& type, std::string_view bytes);

  std::string text_;
  std::string element_;
  std::string stored_;
};

}  // namespace tidelog::postgres
