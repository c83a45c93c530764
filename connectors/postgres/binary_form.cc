#include "connectors/postgres/binary_form.h"

#include <algorithm>
#include <iterator>

namespace tidelog::postgres {

namespace {

// Before, one with its highest bit set is printed in the database's encoding, and sent as it is.
constexpr int escaped_character_version = 160'000;
constexpr int infinite_interval_version = 170'000;

struct Functions {
  std::string_view send;
  std::string_view output;
  BinaryForm form;
};

// By the name of the function that sends. Left out on purpose: money, whose text depends on the
// database's locale, and the reg… types, whose text is the name that an oid has now.
constexpr Functions all_functions[] = {
    {"array_send", "array_out", BinaryForm::array},
    {"bit_send", "bit_out", BinaryForm::bits},
    {"boolsend", "boolout", BinaryForm::boolean},
    {"bpcharsend", "bpcharout", BinaryForm::text},
    {"byteasend", "byteaout", BinaryForm::bytes},
    {"charsend", "charout", BinaryForm::character},
    {"cidr_send", "cidr_out", BinaryForm::network},
    {"cidsend", "cidout", BinaryForm::uint32},
    {"date_send", "date_out", BinaryForm::date},
    {"enum_send", "enum_out", BinaryForm::text},
    {"float4send", "float4out", BinaryForm::float32},
    {"float8send", "float8out", BinaryForm::float64},
    {"inet_send", "inet_out", BinaryForm::network},
    {"int2send", "int2out", BinaryForm::int16},
    {"int4send", "int4out", BinaryForm::int32},
    {"int8send", "int8out", BinaryForm::int64},
    {"interval_send", "interval_out", BinaryForm::interval},
    {"json_send", "json_out", BinaryForm::text},
    {"jsonb_send", "jsonb_out", BinaryForm::jsonb},
    {"macaddr8_send", "macaddr8_out", BinaryForm::mac8},
    {"macaddr_send", "macaddr_out", BinaryForm::mac},
    {"namesend", "nameout", BinaryForm::text},
    {"numeric_send", "numeric_out", BinaryForm::numeric},
    {"oidsend", "oidout", BinaryForm::uint32},
    {"textsend", "textout", BinaryForm::text},
    {"time_send", "time_out", BinaryForm::time},
    {"timestamp_send", "timestamp_out", BinaryForm::timestamp},
    {"timestamptz_send", "timestamptz_out", BinaryForm::timestamp_tz},
    {"timetz_send", "timetz_out", BinaryForm::time_tz},
    {"uuid_send", "uuid_out", BinaryForm::uuid},
    {"varbit_send", "varbit_out", BinaryForm::bits},
    {"varcharsend", "varcharout", BinaryForm::text},
    {"xid8send", "xid8out", BinaryForm::uint64},
    {"xidsend", "xidout", BinaryForm::uint32},
    {"xml_send", "xml_out", BinaryForm::text},
};
static_assert(std::ranges::is_sorted(all_functions, {}, &Functions::send));

}  // namespace

std::optional<BinaryForm> form_of_functions(std::string_view output, std::string_view send,
                                            int server_version) {
  const auto* found = std::ranges::lower_bound(all_functions, send, {}, &Functions::send);
  if (found == std::end(all_functions) || found->send != send || found->output != output)
    return std::nullopt;
  if (found->form == BinaryForm::character && server_version < escaped_character_version)
    return std::nullopt;
  if (found->form == BinaryForm::interval && server_version < infinite_interval_version)
    return BinaryForm::finite_interval;
  return found->form;
}

ValueKind kind_of_form(BinaryForm form) {
  switch (form) {
    case BinaryForm::boolean:
      return ValueKind::boolean;
    case BinaryForm::int16:
    case BinaryForm::int32:
    case BinaryForm::int64:
      return ValueKind::int64;
    case BinaryForm::uint32:
    case BinaryForm::uint64:
      return ValueKind::uint64;
    case BinaryForm::float32:
      return ValueKind::float32;
    case BinaryForm::float64:
      return ValueKind::float64;
    case BinaryForm::numeric:
      return ValueKind::decimal;
    case BinaryForm::bytes:
      return ValueKind::bytes;
    case BinaryForm::date:
      return ValueKind::date;
    case BinaryForm::time:
      return ValueKind::time;
    case BinaryForm::time_tz:
      return ValueKind::time_tz;
    case BinaryForm::timestamp:
      return ValueKind::timestamp;
    case BinaryForm::timestamp_tz:
      return ValueKind::timestamp_tz;
    case BinaryForm::interval:
    case BinaryForm::finite_interval:
      return ValueKind::interval;
    case BinaryForm::uuid:
      return ValueKind::uuid;
    case BinaryForm::bits:
      return ValueKind::bits;
    case BinaryForm::as_text:
    case BinaryForm::text:
    case BinaryForm::jsonb:
    case BinaryForm::character:
    case BinaryForm::network:
    case BinaryForm::mac:
    case BinaryForm::mac8:
    case BinaryForm::array:
      return ValueKind::other;
  }
  return ValueKind::other;
}

}  // namespace tidelog::postgres
