#include "connectors/mysql/query_event.h"

#include <fmt/format.h>

#include "connectors/mysql/inflate.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

// The status variables' numbers, which have no sizes: each must be known to find the next.
enum StatusVariable : std::uint8_t {
  flags2 = 0,
  sql_mode = 1,
  catalog_with_zero = 2,
  auto_increment = 3,
  character_sets = 4,
  time_zone = 5,
  catalog = 6,
  lc_time_names = 7,
  database_collation = 8,
  table_map_for_update = 9,
  master_data_written = 10,
  invoker = 11,
  updated_databases = 12,
  microseconds = 13,
  explicit_timestamp_defaults = 16,
  ddl_xid = 17,
  utf8mb4_collation = 18,
  require_primary_key = 19,
  default_table_encryption = 20,
  mariadb_microseconds = 128,
  mariadb_xid = 129,
  mariadb_gtid_flags = 130,
  mariadb_collations = 131,
};

std::string_view short_bytes(ByteReader& in) { return in.bytes(in.le<std::uint8_t>()); }

std::uint32_t three_bytes(ByteReader& in) {
  const std::uint32_t low = in.le<std::uint16_t>();
  return low | std::uint32_t{in.le<std::uint8_t>()} << 16;
}

void skip_databases(ByteReader& in) {
  constexpr std::uint8_t too_many = 254;  // then none is named
  const auto count = in.le<std::uint8_t>();
  for (unsigned i = 0; count != too_many && i < count && !in.failed(); ++i) in.cstr();
}

// An ALTER TABLE in two phases says of which start it is the end.
void skip_gtid_flags(ByteReader& in) {
  constexpr unsigned ends_alter = 4 | 8;
  if ((in.le<std::uint8_t>() & ends_alter) != 0) in.le<std::uint64_t>();
}

// Whether the variable is known, and was read.
bool read_variable(ByteReader& in, std::uint8_t variable, QueryEvent& query) {
  switch (static_cast<StatusVariable>(variable)) {
    case flags2:
    case auto_increment:
    case master_data_written:
      in.le<std::uint32_t>();
      return true;
    case sql_mode:
      query.sql_mode = in.le<std::uint64_t>();
      return true;
    case catalog_with_zero:
      short_bytes(in);
      in.le<std::uint8_t>();
      return true;
    case character_sets:
      query.client_collation = in.le<std::uint16_t>();
      in.le<std::uint32_t>();  // the connection's and the server's
      return true;
    case time_zone:
    case catalog:
      short_bytes(in);
      return true;
    case lc_time_names:
    case database_collation:
    case utf8mb4_collation:
      in.le<std::uint16_t>();
      return true;
    case table_map_for_update:
      in.le<std::uint64_t>();
      return true;
    case invoker:
      short_bytes(in);
      short_bytes(in);
      return true;
    case updated_databases:
      skip_databases(in);
      return true;
    case microseconds:
    case mariadb_microseconds:
      query.microseconds = three_bytes(in);
      return true;
    case explicit_timestamp_defaults:
    case require_primary_key:
    case default_table_encryption:
      in.le<std::uint8_t>();
      return true;
    case ddl_xid:
    case mariadb_xid:
      query.ddl_xid = in.le<std::uint64_t>();
      return true;
    case mariadb_gtid_flags:
      skip_gtid_flags(in);
      return true;
    case mariadb_collations:
      in.bytes(std::uint64_t{in.le<std::uint8_t>()} * 4);
      return true;
  }
  return false;
}

// Variables are in the order of their numbers, so that what a newer server adds, whose size is not
// known, comes behind those that are. Another one would hide what follows it.
bool is_of_newer_server(std::uint8_t variable) {
  const bool is_mariadb = variable >= mariadb_microseconds;
  return variable > (is_mariadb ? mariadb_collations : default_table_encryption);
}

Status read_variables(ByteReader in, QueryEvent& query) {
  while (in.remaining() != 0) {
    const auto variable = in.le<std::uint8_t>();
    if (read_variable(in, variable, query)) continue;
    if (is_of_newer_server(variable)) break;
    return fail(
        Code::unsupported,
        fmt::format("a statement with the status variable {}, which is not known", variable));
  }
  if (in.failed()) return fail(Code::corrupt, "Query: its status variables are cut off");
  return {};
}

}  // namespace

// u32 thread | u32 seconds that it took | u8 size of the database's name | u16 error | u16 size of
// the variables | variables | name, 0 | text
Result<QueryEvent> read_query_event(const Event& event, std::string& inflated) {
  ByteReader in(event.body);
  QueryEvent query;
  query.thread_id = in.le<std::uint32_t>();
  in.le<std::uint32_t>();
  const auto database_bytes = in.le<std::uint8_t>();
  query.error = in.le<std::uint16_t>();
  const std::string_view variables = in.bytes(in.le<std::uint16_t>());
  if (!in.failed()) TRY_DO(read_variables(ByteReader(variables), query));
  query.database = in.bytes(database_bytes);
  if (in.le<std::uint8_t>() != 0) in.fail();
  query.text = in.rest();
  const std::string_view name = name_of(event.header.type);
  if (in.failed() || event.header.type != EventType::query_compressed)
    return in.finish(query, name);
  TRY_DO(inflate_block(inflated, query.text, name));
  query.text = inflated;
  return query;
}

}  // namespace tidelog::mysql
