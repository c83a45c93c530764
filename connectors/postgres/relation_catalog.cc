#include "connectors/postgres/relation_catalog.h"

#include <fmt/format.h>

#include <algorithm>

#include "connectors/postgres/types.h"
#include "connectors/tables/table_pattern.h"
#include "core/invariant.h"
#include "core/source_position.h"

namespace tidelog::postgres {

namespace {

// How many types and keys are remembered. What is forgotten is asked again; only of a type or table
// that was dropped since, more than so many others ago, nothing is known but what was sent.
constexpr std::size_t remembered_types = 20'000;
constexpr std::size_t remembered_keys = 20'000;

// A row for each type that is asked for, in their order. A domain is read as the type at its
// bottom.
//
// Then, of the table, a row for each column of its primary key. No row: the table is gone. A null:
// it has no primary key, or one that is deferrable: within a transaction two rows may have the
// same, so that it does not tell rows apart.
constexpr const char* facts_sql = R"(
with recursive wanted as (
  select w.oid, w.mod, w.place
    from unnest($1::oid[], $2::int4[]) with ordinality as w(oid, mod, place)),
bottom as (
  select place, oid as type from wanted
  union all
  select b.place, t.typbasetype from bottom b join pg_type t on t.oid = b.type and t.typtype = 'd')
select w.place, case when t.oid is null then null else format_type(w.oid, w.mod) end,
       u.oid, u.typtype::text
  from wanted w
  left join pg_type t on t.oid = w.oid
  left join (bottom b join pg_type u on u.oid = b.type and u.typtype <> 'd') on b.place = w.place
union all
select null, a.attname::text, null, null
  from pg_class c
  left join pg_index i on i.indrelid = c.oid and i.indisprimary and i.indimmediate
  left join pg_attribute a
    on a.attrelid = c.oid and a.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])
 where c.oid = $3::oid
 order by 1 nulls last)";

constexpr const char* history_sql = R"(
select description from tidelog.table_history
 where table_oid = $1::oid and lsn <= $2::pg_lsn and xid is distinct from $3::xid
   and lsn >= coalesce((select max(lsn) from tidelog.table_history
                         where table_oid = 0 and lsn <= $2::pg_lsn), '0/0')
 order by lsn desc limit 100)";

// Anyone with the right to make a schema may make one of this name. The triggers' own has an owner
// who can own event triggers: no ordinary role.
constexpr const char* has_history_sql = R"(
select count(*) = 2
       and coalesce(bool_and(has_schema_privilege(n.oid, 'USAGE')
                             and has_table_privilege(c.oid, 'SELECT')
                             and c.relowner = n.nspowner
                             and (c.relname = 'installation'
                                  or exists (select from pg_attribute a
                                              where a.attrelid = c.oid and a.attname = 'xid'))
                             and 2 = (select count(*) from pg_event_trigger e
                                       where e.evtname in ('tidelog_ddl', 'tidelog_drop')
                                         and e.evtowner = n.nspowner)), false)
  from pg_namespace n join pg_class c on c.relnamespace = n.oid
 where n.nspname = 'tidelog' and c.relname in ('table_history', 'installation'))";

constexpr const char* is_unpublished_sql = R"(
select exists (select from pg_class where oid = $1::oid)
       and not exists (
         select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
          where p.pubname = $2
            and (r.prrelid = $1::oid
                 or r.prrelid in (select relid from pg_partition_ancestors($1::oid::regclass)))))";

// The list of what is published is only made when there is such a table.
constexpr const char* has_successor_sql = R"(
select exists (
  select from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where n.nspname = $1 and c.relname = $2 and c.oid <> $3::oid and c.relkind in ('r', 'p')
     and exists (select from pg_publication_tables p
                  where p.pubname = $4 and p.schemaname = $1 and p.tablename = $2)))";

bool is_of_user(const RelationColumn& column) { return column.type >= first_user_oid; }

bool has_column(const Relation& relation, const std::string& name) {
  return std::ranges::any_of(relation.columns,
                             [&](const RelationColumn& column) { return column.name == name; });
}

// Whether the server sends this column of every old row that it sends. Where it flags no column it
// sends none.
bool sends_of_old_rows(const Relation& relation, const std::string& name) {
  if (!flags_are_the_key(relation.identity)) return true;
  const bool none =
      std::ranges::none_of(relation.columns, [](const RelationColumn& c) { return c.key; });
  return none || std::ranges::any_of(relation.columns, [&](const RelationColumn& column) {
           return column.key && column.name == name;
         });
}

std::vector<std::string> primary_key_of(const TableDescription& table) {
  std::vector<std::string> names;
  for (const DescribedColumn& column : table.columns) {
    if (column.primary_key) names.push_back(column.name);
  }
  return names;
}

bool has_columns(const Relation& relation, const std::vector<std::string>& names) {
  return std::ranges::all_of(names,
                             [&](const std::string& name) { return has_column(relation, name); });
}

}  // namespace

bool flags_are_the_key(ReplicaIdentity identity) {
  return identity == ReplicaIdentity::primary_key || identity == ReplicaIdentity::index;
}

SqlRelationCatalog::SqlRelationCatalog(const PostgresOptions& options)
    : options_(options), types_(remembered_types), primary_keys_(remembered_keys) {}

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

// Null: the key is that of the replica identity.
Result<const SqlRelationCatalog::Names*> SqlRelationCatalog::configured_key(
    const Relation& relation) const {
  TRY(const KeyOverride* const chosen,
      first_that_fits(options_.keys, relation.schema, relation.table));
  if (chosen == nullptr) return nullptr;
  for (const std::string& name : chosen->columns) {
    if (!has_column(relation, name)) {
      return fail(Code::misconfigured,
                  fmt::format("the key of {}.{} is configured to have the column {}, which the "
                              "table has not, or does not publish: correct `keys`",
                              relation.schema, relation.table, name));
    }
    if (sends_of_old_rows(relation, name)) continue;
    return fail(Code::misconfigured,
                fmt::format("the key of {0}.{1} is configured to have the column {2}, which the "
                            "server does not log of old rows: ALTER TABLE {3}.{4} REPLICA "
                            "IDENTITY FULL; or leave the table out of `keys`",
                            relation.schema, relation.table, name,
                            quote_identifier(relation.schema), quote_identifier(relation.table)));
  }
  return &chosen->columns;
}

SqlRelationCatalog::Question SqlRelationCatalog::question_of(const Relation& relation) {
  Question question;
  for (const RelationColumn& column : relation.columns) {
    const TypeKey key{column.type, column.type_modifier};
    const bool is_final = column.type < first_user_oid && types_.find(key) != nullptr;
    if (!is_final && std::ranges::find(question.types, key) == question.types.end())
      question.types.push_back(key);
  }
  return question;
}

Status SqlRelationCatalog::ask(const Relation& relation, const SentTypes& sent,
                               Question& question) {
  if (question.types.empty() && !question.key) return {};
  std::string oids;
  std::string modifiers;
  for (const auto& [oid, modifier] : question.types) {
    oids += fmt::format("{}{}", oids.empty() ? "" : ",", oid);
    modifiers += fmt::format("{}{}", modifiers.empty() ? "" : ",", modifier);
  }
  TRY(const QueryResult answer,
      query(facts_sql, {"{" + oids + "}", "{" + modifiers + "}",
                        question.key ? std::to_string(relation.oid) : "0"}));
  for (std::size_t row = 0; row < answer.rows(); ++row) {
    if (row < question.types.size()) {
      const TypeKey key = question.types[row];
      TRY(TypeFacts facts, facts_of(answer, row, key, relation, sent));
      types_.put(key, std::move(facts));
    } else {
      question.table_exists = true;
      if (!answer.is_null(row, 1)) question.key_columns.emplace_back(answer.text(row, 1));
    }
  }
  return {};
}

Result<SqlRelationCatalog::TypeFacts> SqlRelationCatalog::facts_of(const QueryResult& answer,
                                                                   std::size_t row, TypeKey key,
                                                                   const Relation& relation,
                                                                   const SentTypes& sent) {
  TypeFacts facts;
  if (!answer.is_null(row, 1)) {
    facts.name = answer.text(row, 1);
    if (answer.is_null(row, 2)) return facts;
    TRY(const std::int64_t bottom, answer.integer(row, 2));
    facts.kind = answer.text(row, 3) == "e" ? ValueKind::enumeration
                                            : kind_of_type(static_cast<std::uint32_t>(bottom));
    return facts;
  }
  if (const TypeFacts* known = types_.find(key)) return *known;
  const auto named = sent.find(key.first);
  if (named == sent.end()) {
    return fail(Code::unsupported,
                fmt::format("{}.{}: the type {} of a column is not in the catalog", relation.schema,
                            relation.table, key.first));
  }
  facts.name = named->second;
  return facts;
}

Result<SqlRelationCatalog::Names> SqlRelationCatalog::key_of(const Relation& relation,
                                                             const Question& answered) {
  if (answered.table_exists && has_columns(relation, answered.key_columns))
    return primary_keys_.put(relation.oid, answered.key_columns);
  const Names* known = primary_keys_.find(relation.oid);
  if (known != nullptr && has_columns(relation, *known)) return *known;
  if (!answered.table_exists) return Names();  // dropped since: its rows are still whole
  return fail(
      Code::unsupported,
      fmt::format("{}.{}: a column of its primary key ({}) was renamed since this change was "
                  "logged, so that the row's key is not known",
                  relation.schema, relation.table, fmt::join(answered.key_columns, ", ")));
}

// `table` fits the relation that the column is of.
void SqlRelationCatalog::note_type(const TableDescription& table, const RelationColumn& column) {
  const auto found = std::ranges::find(table.columns, column.name, &DescribedColumn::name);
  INVARIANT(found != table.columns.end(), "a description that fits has all columns");
  types_.put({column.type, column.type_modifier},
             {found->type_name,
              found->is_enum ? ValueKind::enumeration : kind_of_type(found->bottom_type)});
}

Result<bool> SqlRelationCatalog::has_history() {
  if (!has_history_) {
    TRY(const QueryResult answer, query(has_history_sql, {}));
    has_history_ = answer.boolean(0, 0);
  }
  return *has_history_;
}

Result<bool> SqlRelationCatalog::is_of_triggers(std::string_view token) {
  if (!token_.empty() && token == token_) return true;
  has_history_.reset();  // they may just have been installed
  TRY(const bool is_there, has_history());
  if (!is_there) return false;
  TRY(const QueryResult answer, query("select token from tidelog.installation", {}));
  if (answer.rows() != 0) token_ = answer.text(0, 0);
  return !token_.empty() && token == token_;
}

Result<bool> SqlRelationCatalog::is_unpublished(std::uint32_t oid) {
  if (!owns_publication(options_)) return false;
  TRY(const QueryResult answer,
      query(is_unpublished_sql, {std::to_string(oid), publication_name(options_)}));
  return answer.boolean(0, 0);
}

Result<bool> SqlRelationCatalog::has_successor(const DroppedTable& over) {
  TRY(const QueryResult answer,
      query(has_successor_sql,
            {over.schema, over.table, std::to_string(over.oid), publication_name(options_)}));
  return answer.boolean(0, 0);
}

// Nothing: the triggers were not there, or did not see what made it what it is.
Result<std::optional<TableDescription>> SqlRelationCatalog::description_of(const Relation& relation,
                                                                           RelationTime time) {
  if (time.told != nullptr && fits(*time.told, relation)) return std::optional(*time.told);
  TRY(const bool is_there, has_history());
  if (!is_there) return std::optional<TableDescription>();
  const auto answer = query(
      history_sql, {std::to_string(relation.oid), print_lsn(time.at), std::to_string(time.xid)});
  if (!answer) {
    has_history_.reset();  // they may just have been removed
    TRY(const bool is_still_there, has_history());
    if (is_still_there) return tl::unexpected<Error>(answer.error());
    return std::optional<TableDescription>();
  }
  for (std::size_t row = 0; row < answer->rows(); ++row) {
    auto description = read_table_description(answer->text(row, 0));  // of another version, perhaps
    if (description && fits(*description, relation)) return std::optional(*std::move(description));
  }
  return std::optional<TableDescription>();
}

Result<Schema> SqlRelationCatalog::schema_of(const Relation& relation, const SentTypes& sent,
                                             RelationTime time) {
  TRY(const Names* const configured, configured_key(relation));
  Question question = question_of(relation);
  const bool by_flags = configured == nullptr && flags_are_the_key(relation.identity);
  question.key = configured == nullptr && !by_flags;
  const bool has_user_types = std::ranges::any_of(relation.columns, is_of_user);
  std::optional<TableDescription> described;
  if (has_user_types || question.key) {
    TRY(described, description_of(relation, time));
  }
  if (described && question.key && !has_columns(relation, primary_key_of(*described)))
    described.reset();
  if (!described) TRY_DO(ask(relation, sent, question));
  Names key;
  if (configured != nullptr) {
    key = *configured;
  } else if (!by_flags && described) {
    key = primary_key_of(*described);
  } else if (!by_flags) {
    TRY(key, key_of(relation, question));
  }
  Schema schema{relation.schema, relation.table, relation.identity, {}};
  schema.table_id = relation.oid;
  schema.types_asked = has_user_types && !described;
  schema.key_asked = question.key && !described;
  for (const RelationColumn& from : relation.columns) {
    if (described) note_type(*described, from);
    const TypeFacts* type = types_.find({from.type, from.type_modifier});
    INVARIANT(type != nullptr, "a relation has fewer types than are remembered");
    const bool is_key = by_flags ? from.key : std::ranges::find(key, from.name) != key.end();
    schema.columns.push_back(
        {from.name, type->name, type->kind, is_key, from.type, from.type_modifier});
  }
  TRY(const std::unique_ptr<RowTransform> transform, rules_for(relation));
  if (transform) return transform->schema_of(schema);
  return schema;
}

// Also of a relation of which it only says that columns are kept as they are.
Result<std::unique_ptr<RowTransform>> SqlRelationCatalog::rules_for(const Relation& relation) {
  if (options_.transforms.empty()) return nullptr;
  if (!rules_) {
    TRY(rules_, TransformRules::parse(options_.transforms));
  }
  std::vector<std::string_view> names;
  for (const RelationColumn& column : relation.columns) names.emplace_back(column.name);
  TRY_DO(rules_->check_named(relation.schema, relation.table, names));
  std::unique_ptr<RowTransform> transform = RowTransform::of(*rules_, relation);
  TRY_DO(check_name(relation, transform && transform->changes_rows()));
  return transform;
}

// A table that gets another name goes on, and must not lose what was said of it under the old one.
Status SqlRelationCatalog::check_name(const Relation& relation, bool is_transformed) {
  const std::string name = relation.schema + "." + relation.table;
  if (is_transformed) {
    transformed_[relation.oid] = name;
    return {};
  }
  const auto known = transformed_.find(relation.oid);
  if (known == transformed_.end() || known->second == name) return {};
  return fail(Code::misconfigured,
              fmt::format("the table {} is called {} now, and no rule of `transforms` is for that: "
                          "its columns would be stored as they are. Name it there",
                          known->second, name));
}

Result<BinaryColumns> SqlRelationCatalog::binary_columns_of(const Relation& relation) {
  std::vector<std::uint32_t> types;
  for (const RelationColumn& column : relation.columns) types.push_back(column.type);
  return binary_types_.of_columns(
      types, [this](const std::string& sql, const std::vector<std::string>& parameters) {
        return query(sql, parameters);
      });
}

Result<std::unique_ptr<RowTransform>> SqlRelationCatalog::transform_of(const Relation& relation) {
  TRY(std::unique_ptr<RowTransform> transform, rules_for(relation));
  if (transform && !transform->changes_rows()) transform.reset();
  return transform;
}

}  // namespace tidelog::postgres
