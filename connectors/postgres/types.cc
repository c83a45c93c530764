#include "connectors/postgres/types.h"

#include <algorithm>
#include <iterator>

namespace tidelog::postgres {

namespace {

struct TypeKind {
  std::uint32_t oid;
  ValueKind kind;
};

// Oids of built-in types are fixed for ever (src/include/catalog/pg_type.dat in Postgres's source).
// In rising order.
constexpr TypeKind kinds[] = {
    {16, ValueKind::boolean},         // boolean
    {17, ValueKind::bytes},           // bytea
    {18, ValueKind::text},            // "char"
    {19, ValueKind::text},            // name
    {20, ValueKind::int64},           // bigint
    {21, ValueKind::int64},           // smallint
    {23, ValueKind::int64},           // integer
    {25, ValueKind::text},            // text
    {26, ValueKind::uint64},          // oid
    {28, ValueKind::uint64},          // xid
    {29, ValueKind::uint64},          // cid
    {114, ValueKind::json},           // json
    {142, ValueKind::text},           // xml
    {700, ValueKind::float32},        // real
    {701, ValueKind::float64},        // double precision
    {1042, ValueKind::text},          // character
    {1043, ValueKind::text},          // character varying
    {1082, ValueKind::date},          // date
    {1083, ValueKind::time},          // time without time zone
    {1114, ValueKind::timestamp},     // timestamp without time zone
    {1184, ValueKind::timestamp_tz},  // timestamp with time zone
    {1186, ValueKind::interval},      // interval
    {1266, ValueKind::time_tz},       // time with time zone
    {1560, ValueKind::bits},          // bit
    {1562, ValueKind::bits},          // bit varying
    {1700, ValueKind::decimal},       // numeric
    {2950, ValueKind::uuid},          // uuid
    {3802, ValueKind::json},          // jsonb
    {5069, ValueKind::uint64},        // xid8
};
static_assert(std::ranges::is_sorted(kinds, {}, &TypeKind::oid));

}  // namespace

ValueKind kind_of_type(std::uint32_t type_oid) {
  const auto* found = std::ranges::lower_bound(kinds, type_oid, {}, &TypeKind::oid);
  return found != std::end(kinds) && found->oid == type_oid ? found->kind : ValueKind::other;
}

}  // namespace tidelog::postgres
