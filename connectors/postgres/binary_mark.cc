#include "connectors/postgres/binary_mark.h"

#include "core/bytes.h"

namespace tidelog::postgres {

namespace {

constexpr std::size_t type_bytes = 6;

BinaryForm read_form(ByteReader& in) {
  const auto number = in.be<std::uint8_t>();
  if (number > binary_form_max) in.fail();
  return in.failed() ? BinaryForm::as_text : static_cast<BinaryForm>(number);
}

}  // namespace

// letter | u32 relation | u16 n | n * (u8 form | u8 form of elements | u32 type of elements)
std::string message_of(const BinaryMark& mark) {
  std::string out(1, binary_mark);
  put_be(out, mark.relation);
  put_be(out, static_cast<std::uint16_t>(mark.types.size()));
  for (const BinaryType& type : mark.types) {
    out.push_back(static_cast<char>(type.form));
    out.push_back(static_cast<char>(type.element));
    put_be(out, type.element_type);
  }
  return out;
}

Result<BinaryMark> read_binary_mark(std::string_view message) {
  ByteReader in(message);
  if (in.be<char>() != binary_mark) in.fail();
  BinaryMark mark;
  mark.relation = in.be<std::uint32_t>();
  mark.types.resize(in.count<std::uint16_t>(type_bytes));
  for (BinaryType& type : mark.types) {
    type.form = read_form(in);
    type.element = read_form(in);
    type.element_type = in.be<std::uint32_t>();
  }
  return in.finish(std::move(mark), "the mark of rows that are held in binary form");
}

}  // namespace tidelog::postgres
