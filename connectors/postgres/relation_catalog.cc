#include "connectors/postgres/relation_catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/postgres/types.h"

namespace tidelog::postgres {

namespace {

constexpr std::uint32_t first_user_oid =
    16'384;  // FirstNormalObjectId: below it, names never change

// A domain is read as the type at its bottom.
constexpr const char* types_sql = R"(
with recursive wanted as (
  select w.oid, w.mod, w.place
    from unnest($1::oid[], $2::int4[]) with ordinality as w(oid, mod, place)),
bottom as (
  select place, oid as type from wanted
  union all
  select b.place, t.typbasetype from bottom b join pg_type t on t.oid = b.type and t.typtype = 'd')
select w.oid, w.mod, case when t.oid is null then null else format_type(w.oid, w.mod) end,
       u.oid, u.typtype
  from wanted w
  left join pg_type t on t.oid = w.oid
  left join (bottom b join pg_type u on u.oid = b.type and u.typtype <> 'd') on b.place = w.place
 order by w.place)";

// No row: the table is gone. A null: it has no primary key, or one that is deferrable: within a
// transaction two rows may have the same, so that it does not tell rows apart.
constexpr const char* primary_key_sql = R"(
select a.attname
  from pg_class c
  left join pg_index i on i.indrelid = c.oid and i.indisprimary and i.indimmediate
  left join pg_attribute a
    on a.attrelid = c.oid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
 where c.oid = $1::oid)";

bool has_column(const Relation& relation, const std::string& name) {
  return std::ranges::any_of(relation.columns,
                             [&](const RelationColumn& column) { return column.name == name; });
}

bool has_columns(const Relation& relation, const std::vector<std::string>& names) {
  return std::ranges::all_of(names,
                             [&](const std::string& name) { return has_column(relation, name); });
}

template <class Number>
std::string numbers_literal(const std::vector<Number>& numbers) {
  return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

}  // namespace

bool flags_are_the_key(ReplicaIdentity identity) {
  return identity == ReplicaIdentity::primary_key || identity == ReplicaIdentity::index;
}

Result<QueryResult> SqlRelationCatalog::query(const std::string& sql,
                                              const std::vector<std::string>& parameters) {
  if (connection_) {
    auto answer = connection_->query(sql, parameters);
    if (answer || connection_->usable()) return answer;
    connection_.reset();
  }
  TRY(connection_, Connection::open(options_, Connection::Kind::sql));
  return connection_->query(sql, parameters);
}

Status SqlRelationCatalog::look_up_types(const Relation& relation, const SentTypes& sent) {
  std::vector<std::uint32_t> oids;
  std::vector<std::int32_t> modifiers;
  for (const RelationColumn& column : relation.columns) {
    const bool known = types_.contains({column.type, column.type_modifier});
    if (known && column.type < first_user_oid) continue;
    oids.push_back(column.type);
    modifiers.push_back(column.type_modifier);
  }
  if (oids.empty()) return {};
  TRY(const QueryResult answer,
      query(types_sql, {numbers_literal(oids), numbers_literal(modifiers)}));
  for (std::size_t row = 0; row < answer.rows(); ++row) {
    const TypeKey key{oids[row], modifiers[row]};
    TypeFacts facts;
    if (!answer.is_null(row, 2)) {
      facts.name = answer.text(row, 2);
      if (!answer.is_null(row, 3)) {
        TRY(const std::int64_t bottom, answer.integer(row, 3));
        facts.kind = answer.text(row, 4) == "e" ? ValueKind::enumeration
                                                : kind_of_type(static_cast<std::uint32_t>(bottom));
      }
    } else if (const auto known = types_.find(key); known != types_.end()) {
      facts = known->second;
    } else if (const auto named = sent.find(key.first); named != sent.end()) {
      facts.name = named->second;
    } else {
      return fail(Code::unsupported,
                  fmt::format("{}.{}: the type {} of a column is not in the catalog",
                              relation.schema, relation.table, key.first));
    }
    types_[key] = std::move(facts);
  }
  return {};
}

Result<std::vector<std::string>> SqlRelationCatalog::primary_key(const Relation& relation) {
  TRY(const QueryResult answer, query(primary_key_sql, {std::to_string(relation.oid)}));
  std::vector<std::string> names;
  for (std::size_t row = 0; row < answer.rows(); ++row) {
    if (!answer.is_null(row, 0)) names.emplace_back(answer.text(row, 0));
  }
  if (answer.rows() > 0 && has_columns(relation, names)) return primary_keys_[relation.oid] = names;
  const auto known = primary_keys_.find(relation.oid);
  if (known != primary_keys_.end() && has_columns(relation, known->second)) return known->second;
  if (answer.rows() == 0)
    return std::vector<std::string>();  // dropped since: its rows are still whole
  return fail(
      Code::unsupported,
      fmt::format("{}.{}: a column of its primary key ({}) was renamed since this change was "
                  "logged, so that the row's key is not known",
                  relation.schema, relation.table, fmt::join(names, ", ")));
}

Result<Schema> SqlRelationCatalog::schema_of(const Relation& relation, const SentTypes& sent) {
  TRY_DO(look_up_types(relation, sent));
  std::vector<std::string> key;
  const bool by_flags = flags_are_the_key(relation.identity);
  if (!by_flags) {
    TRY(key, primary_key(relation));
  }
  Schema schema{relation.schema, relation.table, relation.identity, {}};
  for (const RelationColumn& from : relation.columns) {
    const TypeFacts& type = types_.at({from.type, from.type_modifier});
    const bool is_key = by_flags ? from.key : std::ranges::find(key, from.name) != key.end();
    schema.columns.push_back(
        {from.name, type.name, type.kind, is_key, from.type, from.type_modifier});
  }
  return schema;
}

}  // namespace tidelog::postgres
