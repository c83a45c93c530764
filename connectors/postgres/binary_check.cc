#include "connectors/postgres/binary_check.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "connectors/postgres/binary_types.h"
#include "connectors/postgres/transform_rules.h"

namespace tidelog::postgres {

namespace {

// A generated column comes when a list names it; where a publication of the user's own sends them
// all, one that is not read so is met in the stream.
constexpr const char* sent_columns_sql = R"(
  from unnest($1::oid[], $2::text[]) as w(oid, list)
  join pg_attribute a on a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
   and (w.list = '' or a.attname = any (nullif(w.list, '')::name[]))
   and (a.attgenerated = '' or w.list <> '')
)";

constexpr const char* types_sql = "select distinct a.atttypid ";

constexpr const char* columns_sql = R"(
select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
  {}  join pg_class c on c.oid = w.oid join pg_namespace n on n.oid = c.relnamespace
 where a.atttypid = any ($3::oid[])
 order by 1, 2, a.attnum)";

class BinaryCheck {
 public:
  BinaryCheck(Connection& connection, const std::vector<SentTable>& tables)
      : connection_(connection) {
    std::vector<std::string> oids;
    std::vector<std::string> lists;
    for (const SentTable& table : tables) {
      oids.push_back(table.oid);
      lists.push_back(table.columns);
    }
    parameters_ = {array_literal(oids), array_literal(lists)};
  }

  // The oids of types that cannot be read.
  Result<std::vector<std::string>> unreadable_types() {
    TRY(const QueryResult found,
        connection_.query(std::string(types_sql) + sent_columns_sql, parameters_));
    std::vector<std::uint32_t> types;
    for (std::size_t row = 0; row < found.rows(); ++row) {
      TRY(const std::int64_t oid, found.integer(row, 0));
      types.push_back(static_cast<std::uint32_t>(oid));
    }
    SqlBinaryTypes known;
    TRY(const BinaryColumns columns,
        known.of_columns(types,
                         [this](const std::string& sql, const std::vector<std::string>& values) {
                           return connection_.query(sql, values);
                         }));
    std::vector<std::string> unreadable;
    for (const BinaryColumns::Unreadable& one : columns.unreadable)
      unreadable.push_back(std::to_string(types[one.column]));
    return unreadable;
  }

  Result<QueryResult> columns_of(const std::vector<std::string>& types) {
    std::vector<std::string> parameters = parameters_;
    parameters.push_back(array_literal(types));
    return connection_.query(fmt::format(columns_sql, sent_columns_sql), parameters);
  }

 private:
  Connection& connection_;
  std::vector<std::string> parameters_;
};

}  // namespace

Result<std::optional<Finding>> check_binary(Connection& connection, const PostgresOptions& options,
                                            const std::vector<SentTable>& tables) {
  BinaryCheck check(connection, tables);
  TRY(const std::vector<std::string> types, check.unreadable_types());
  if (types.empty()) return std::nullopt;
  TRY(const TransformRules rules, TransformRules::parse(options.transforms));
  TRY(const QueryResult columns, check.columns_of(types));
  std::string first;
  std::size_t count = 0;
  for (std::size_t row = 0; row < columns.rows(); ++row) {
    const std::string_view schema = columns.text(row, 0);
    const std::string_view table = columns.text(row, 1);
    const std::string_view column = columns.text(row, 2);
    if (rules.of(schema, table, column).is_left_out || count++ > 0) continue;
    first = fmt::format("the column {} of {}.{} is of the type {}", column, schema, table,
                        columns.text(row, 3));
  }
  if (count == 0) return std::nullopt;
  return Finding{
      Finding::Severity::warning, Code::unsupported,
      fmt::format("{}, whose values are not read in binary form{}: the whole source is read as "
                  "text",
                  first,
                  count == 1 ? "" : fmt::format(", and {} more columns are like that", count - 1)),
      "nothing is wrong with that, and nothing is missing; leave `binary` out, or leave the "
      "column out of what is stored, with `exclude` in `transforms`"};
}

}  // namespace tidelog::postgres
