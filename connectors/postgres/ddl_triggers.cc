#include "connectors/postgres/ddl_triggers.h"

#include <fmt/format.h>

#include <utility>

namespace tidelog::postgres {

namespace {

// `pg_catalog, pg_temp` as the search path keeps what others make in their schemas from being
// called with the rights of the owner. They write their table as its owner, whoever's statement it
// is. Who owns the schema, or anything in it, can replace what they run.
constexpr const char* install_sql = R"sql(SET LOCAL search_path = pg_catalog, pg_temp;
DO $$
declare
  me oid := (select oid from pg_roles where rolname = current_user);
  ours oid := (select oid from pg_namespace where nspname = 'tidelog');
begin
  if exists (select from pg_namespace where oid = ours and nspowner <> me)
     or exists (select from pg_class where relnamespace = ours and relowner <> me)
     or exists (select from pg_proc where pronamespace = ours and proowner <> me)
     or exists (select from pg_type where typnamespace = ours and typowner <> me) then
    raise exception 'the schema tidelog, or something in it, is of another role than %', current_user
      using errcode = 'insufficient_privilege',
            hint = 'Install as the role that owns it, or remove it: DROP SCHEMA tidelog CASCADE';
  end if;
end
$$;
CREATE SCHEMA IF NOT EXISTS tidelog;
REVOKE ALL ON SCHEMA tidelog FROM PUBLIC;

-- Only what carries the token is believed: anyone may write a logical message.
CREATE TABLE IF NOT EXISTS tidelog.installation (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), version int NOT NULL, token text NOT NULL);
INSERT INTO tidelog.installation (version, token) VALUES (2, pg_catalog.gen_random_uuid()::text)
  ON CONFLICT (one) DO UPDATE SET version = excluded.version;

-- What each table was from a place in the log on. Table 0: from here on nothing before is valid.
CREATE TABLE IF NOT EXISTS tidelog.table_history (
  table_oid oid, lsn pg_lsn, schema_name name, table_name name, description text NOT NULL,
  dropped pg_lsn, PRIMARY KEY (table_oid, lsn));
-- Of the transaction that wrote it, of whose own rows it need not be the description.
ALTER TABLE tidelog.table_history ADD COLUMN IF NOT EXISTS xid xid
  DEFAULT pg_catalog.pg_current_xact_id()::xid;
CREATE INDEX IF NOT EXISTS table_history_dropped ON tidelog.table_history (dropped)
  WHERE dropped IS NOT NULL;

CREATE OR REPLACE FUNCTION tidelog.field(value text) RETURNS text LANGUAGE sql AS $$
  select pg_catalog.octet_length(pg_catalog.convert_to(coalesce(value, ''), 'UTF8'))::text || ':'
         || coalesce(value, '')
$$;

CREATE OR REPLACE FUNCTION tidelog.describe(wanted oid) RETURNS text LANGUAGE sql
  SET search_path = pg_catalog, pg_temp AS $$
  select tidelog.field(c.oid::text) || tidelog.field(n.nspname::text)
         || tidelog.field(c.relname::text) || tidelog.field(c.relreplident::text)
         || tidelog.field(count(a.attnum)::text)
         || coalesce(string_agg(
              tidelog.field(a.attname::text) || tidelog.field(a.atttypid::text)
              || tidelog.field(a.atttypmod::text)
              || tidelog.field(format_type(a.atttypid, a.atttypmod))
              || tidelog.field(bottom.oid::text)
              || tidelog.field(concat(
                   case when bottom.typtype = 'e' then 'e' end,
                   case when a.attnotnull then 'n' end,
                   case when a.attnum = any (k.primary_key) then 'p' end,
                   case when a.attnum = any (k.identity_index) then 'i' end,
                   case when a.attgenerated <> '' then 'g' end)),
              '' order by a.attnum), '')
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral (
      select max((i.indkey::int2[])[0:i.indnkeyatts - 1]) filter (where i.indisprimary and i.indimmediate) as primary_key,
             max((i.indkey::int2[])[0:i.indnkeyatts - 1]) filter (where i.indisreplident) as identity_index
        from pg_index i where i.indrelid = c.oid) k
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join lateral (
      with recursive below (oid) as (
        select a.atttypid
        union all
        select t.typbasetype from below b join pg_type t on t.oid = b.oid and t.typtype = 'd')
      select t.oid, t.typtype from below b join pg_type t on t.oid = b.oid where t.typtype <> 'd'
    ) bottom on true
   where c.oid = wanted
   group by c.oid, n.nspname, c.relname, c.relreplident
$$;

DROP FUNCTION IF EXISTS tidelog.emit(text, text, int, text);
CREATE OR REPLACE FUNCTION tidelog.emit(
  problem text, command text, statement text, count int, objects text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  select pg_logical_emit_message(true, 'tidelog.ddl', convert_to(
           tidelog.field('1') || tidelog.field(i.token) || tidelog.field(problem)
           || tidelog.field(command) || tidelog.field(statement)
           || tidelog.field(count::text) || objects, 'UTF8'))
    from tidelog.installation i
$$;

-- The client's whole text, which each of its statements would repeat: not more than 65536 characters.
CREATE OR REPLACE FUNCTION tidelog.statement() RETURNS text
  LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  select case when length(current_query()) > 65536 then left(current_query(), 65536) || ' …'
              else current_query() end
$$;

-- What was not understood must not be taken for unchanged. The statement itself goes on, also when
-- this cannot be noted or told.
CREATE OR REPLACE FUNCTION tidelog.failed(problem text, command text) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
begin
  raise warning 'tidelog could not describe this statement to its reader: %', problem;
  begin
    insert into tidelog.table_history values (0, pg_current_wal_insert_lsn(), '', '', '')
      on conflict do nothing;
  exception when others then
    raise warning 'tidelog could not note that: %', sqlerrm;
  end;
  begin
    perform tidelog.emit(problem, command, '', 0, '');
  exception when others then
    raise warning 'tidelog could not tell that: %', sqlerrm;
  end;
end
$$;

-- Describes these tables, and those that inherit from them; what is over for every reader goes.
CREATE OR REPLACE FUNCTION tidelog.note(touched oid[], made oid[]) RETURNS text[]
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
declare
  here pg_lsn := pg_current_wal_insert_lsn();
  -- A table that is made was never another one: what it is holds from the beginning on.
  since pg_lsn := coalesce((select max(h.lsn) from tidelog.table_history h where h.table_oid = 0),
                           '0/0');
  behind pg_lsn;
  one record;
  was_schema name;
  was_table name;
  objects text[] := '{}';
begin
  for one in
    with recursive family (oid) as (
      select unnest(touched)
      union
      select i.inhrelid from family f join pg_inherits i on i.inhparent = f.oid)
    select c.oid, n.nspname, c.relname, tidelog.describe(c.oid) as description
      from family f join pg_class c on c.oid = f.oid join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and c.relpersistence = 'p' and n.nspname <> 'tidelog'
     order by c.oid
  loop
    select h.schema_name, h.table_name into was_schema, was_table
      from tidelog.table_history h where h.table_oid = one.oid order by h.lsn desc limit 1;
    objects := objects || (
      tidelog.field('table') || tidelog.field(was_schema::text) || tidelog.field(was_table::text)
      || one.description);
    insert into tidelog.table_history
      values (one.oid, case when one.oid = any (made) then since else here end, one.nspname,
              one.relname, one.description)
      on conflict (table_oid, lsn) do update
        set schema_name = excluded.schema_name, table_name = excluded.table_name,
            description = excluded.description, dropped = null, xid = excluded.xid;
  end loop;
  select coalesce(min(s.restart_lsn), here) into behind
    from pg_replication_slots s where s.database = current_database() and s.slot_type = 'logical';
  delete from tidelog.table_history where ctid in (
    select h.ctid from tidelog.table_history h where h.dropped < behind for update skip locked);
  delete from tidelog.table_history where ctid in (
    select h.ctid from tidelog.table_history h
     where h.table_oid = any (touched) and exists (
             select from tidelog.table_history n
              where n.table_oid = h.table_oid and n.lsn > h.lsn and n.lsn < behind)
       for update skip locked);
  return objects;
end
$$;

CREATE OR REPLACE FUNCTION tidelog.on_ddl() RETURNS event_trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
declare
  touched oid[];
  made oid[];
  other boolean;
  objects text[];
begin
  with recursive commands as materialized (
    select c.classid, c.objid, c.command_tag from pg_event_trigger_ddl_commands() c),
  types (oid) as (
    select objid from commands where classid = 'pg_type'::regclass
    union
    select r.reltype from commands c join pg_class r on r.oid = c.objid
     where c.classid = 'pg_class'::regclass and r.relkind = 'c'
    union
    select u.oid
      from types t
      cross join lateral (
        select d.objid as oid from pg_depend d
         where d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid
           and d.classid = 'pg_type'::regclass
        union all
        select r.reltype from pg_depend d join pg_class r on r.oid = d.objid and r.relkind = 'c'
         where d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid
           and d.classid = 'pg_class'::regclass) u),
  tables (oid) as (
    select c.objid from commands c join pg_class r on r.oid = c.objid
     where c.classid = 'pg_class'::regclass and r.relkind in ('r', 'p')
    union
    select r.oid from commands c join pg_class r on r.relnamespace = c.objid
     where c.classid = 'pg_namespace'::regclass and c.command_tag = 'ALTER SCHEMA'
    union
    select d.objid from types t join pg_depend d
        on d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid
       and d.classid = 'pg_class'::regclass and d.objsubid > 0)
  select (select array_agg(distinct t.oid) from tables t),
         (select array_agg(distinct c.objid) from commands c
           where c.classid = 'pg_class'::regclass
             and c.command_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')),
         exists (select from commands c
                  where c.classid in ('pg_type'::regclass, 'pg_namespace'::regclass))
    into touched, made, other;
  if touched is null and not other then return; end if;
  objects := tidelog.note(coalesce(touched, '{}'), coalesce(made, '{}'));
  if objects = '{}' and not other then return; end if;
  perform tidelog.emit('', tg_tag, tidelog.statement(), cardinality(objects),
                       array_to_string(objects, ''));
exception when others then
  perform tidelog.failed(sqlerrm, tg_tag);
end
$$;

CREATE OR REPLACE FUNCTION tidelog.on_drop() RETURNS event_trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
declare
  dropped text[];
  gone oid[];
  touched oid[];
  other boolean;
  objects text[] := '{}';
begin
  select array_agg(tidelog.field('dropped') || tidelog.field(o.objid::text)
                   || tidelog.field(o.schema_name) || tidelog.field(o.object_name))
           filter (where o.object_type = 'table' and o.objsubid = 0),
         array_agg(o.objid) filter (where o.object_type = 'table' and o.objsubid = 0),
         array_agg(distinct o.objid) filter (
           where o.object_type = 'table column' and tg_tag <> 'ALTER TABLE'),
         coalesce(bool_or(o.object_type in ('type', 'domain', 'schema') and o.original), false)
    into dropped, gone, touched, other
    from pg_event_trigger_dropped_objects() o
   where not o.is_temporary and o.schema_name is distinct from 'tidelog';
  if dropped is null and touched is null and not other then return; end if;
  update tidelog.table_history set dropped = pg_current_wal_insert_lsn()
   where table_oid = any (gone);
  if touched is not null then objects := tidelog.note(touched, '{}'); end if;
  objects := objects || coalesce(dropped, '{}');
  if objects = '{}' and not other then return; end if;
  perform tidelog.emit('', tg_tag, tidelog.statement(), cardinality(objects),
                       array_to_string(objects, ''));
exception when others then
  perform tidelog.failed(sqlerrm, tg_tag);
end
$$;

-- What there is now.
INSERT INTO tidelog.table_history
  SELECT c.oid, pg_catalog.pg_current_wal_insert_lsn(), n.nspname, c.relname, tidelog.describe(c.oid)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg\_%'
     AND n.nspname NOT IN ('information_schema', 'tidelog')
  ON CONFLICT (table_oid, lsn) DO NOTHING;

DROP EVENT TRIGGER IF EXISTS tidelog_ddl;
CREATE EVENT TRIGGER tidelog_ddl ON ddl_command_end WHEN TAG IN (
    'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE TYPE', 'ALTER TYPE',
    'CREATE DOMAIN', 'ALTER DOMAIN', 'CREATE SCHEMA', 'ALTER SCHEMA', 'CREATE EXTENSION',
    'ALTER EXTENSION')
  EXECUTE FUNCTION tidelog.on_ddl();
ALTER EVENT TRIGGER tidelog_ddl ENABLE ALWAYS;
DROP EVENT TRIGGER IF EXISTS tidelog_drop;
CREATE EVENT TRIGGER tidelog_drop ON sql_drop EXECUTE FUNCTION tidelog.on_drop();
ALTER EVENT TRIGGER tidelog_drop ENABLE ALWAYS;
)sql";

constexpr const char* remove_sql = R"sql(BEGIN;
DROP EVENT TRIGGER IF EXISTS tidelog_ddl;
DROP EVENT TRIGGER IF EXISTS tidelog_drop;
DROP FUNCTION IF EXISTS tidelog.on_ddl();
DROP FUNCTION IF EXISTS tidelog.on_drop();
DROP FUNCTION IF EXISTS tidelog.note(oid[], oid[]);
DROP FUNCTION IF EXISTS tidelog.failed(text, text);
DROP FUNCTION IF EXISTS tidelog.emit(text, text, int, text);
DROP FUNCTION IF EXISTS tidelog.emit(text, text, text, int, text);
DROP FUNCTION IF EXISTS tidelog.statement();
DROP FUNCTION IF EXISTS tidelog.describe(oid);
DROP FUNCTION IF EXISTS tidelog.field(text);
DROP TABLE IF EXISTS tidelog.table_history;
DROP TABLE IF EXISTS tidelog.installation;
DROP SCHEMA IF EXISTS tidelog;
COMMIT;
)sql";

// Of catalogs that everybody may read, so that no right is missing to find out which are. Only
// what is all of one owner is ours: no ordinary role can own an event trigger.
constexpr const char* find_sql = R"(
select count(*) filter (where c.relowner = n.nspowner),
       coalesce(bool_and(has_schema_privilege(n.oid, 'USAGE')
                         and has_table_privilege(c.oid, 'SELECT')), false),
       (select count(*) from pg_event_trigger e
         where e.evtname in ('tidelog_ddl', 'tidelog_drop') and e.evtenabled = 'A'
           and e.evtowner = (select o.nspowner from pg_namespace o where o.nspname = 'tidelog'))
  from pg_namespace n join pg_class c on c.relnamespace = n.oid
 where n.nspname = 'tidelog' and c.relname in ('table_history', 'installation'))";

}  // namespace

std::string install_ddl_triggers_sql(std::string_view reader) {
  const std::string role = quote_identifier(reader);
  return fmt::format(
      "BEGIN;\n{}\n-- The source reads what they write down.\nGRANT USAGE ON SCHEMA tidelog TO "
      "{};\n"
      "GRANT SELECT ON tidelog.installation, tidelog.table_history TO {};\nCOMMIT;\n",
      install_sql, role, role);
}

std::string remove_ddl_triggers_sql() { return remove_sql; }

std::string_view name_of(DdlTriggers state) {
  switch (state) {
    case DdlTriggers::absent:
      return "absent";
    case DdlTriggers::outdated:
      return "outdated";
    case DdlTriggers::disabled:
      return "disabled";
    case DdlTriggers::unreadable:
      return "unreadable";
    case DdlTriggers::installed:
      return "installed";
  }
  return "unknown";
}

Result<DdlTriggers> find_ddl_triggers(Connection& connection) {
  TRY(const QueryResult found, connection.query(find_sql, {}));
  TRY(const std::int64_t tables, found.integer(0, 0));
  TRY(const std::int64_t triggers, found.integer(0, 2));
  if (tables == 0 && triggers == 0) return DdlTriggers::absent;
  if (tables != 2 || triggers != 2) return DdlTriggers::disabled;
  if (!found.boolean(0, 1)) return DdlTriggers::unreadable;
  TRY(const QueryResult installed,
      connection.query("select version from tidelog.installation", {}));
  if (installed.rows() == 0) return DdlTriggers::outdated;
  TRY(const std::int64_t version, installed.integer(0, 0));
  return version == ddl_triggers_version ? DdlTriggers::installed : DdlTriggers::outdated;
}

}  // namespace tidelog::postgres

namespace tidelog {

Result<DdlTriggersState> look_at_ddl_triggers(const PostgresOptions& options) {
  TRY(postgres::Connection connection,
      postgres::Connection::open(options, postgres::Connection::Kind::sql));
  TRY(const postgres::DdlTriggers found, postgres::find_ddl_triggers(connection));
  DdlTriggersState state;
  state.state = postgres::name_of(found);
  state.is_installed = found == postgres::DdlTriggers::installed;
  state.role = connection.user();
  state.install_sql = postgres::install_ddl_triggers_sql(state.role);
  state.remove_sql = postgres::remove_ddl_triggers_sql();
  return state;
}

Status run_ddl_triggers_sql(const PostgresOptions& options, const std::string& sql) {
  TRY(postgres::Connection connection,
      postgres::Connection::open(options, postgres::Connection::Kind::sql));
  TRY_DO(connection.command(sql));
  return {};
}

}  // namespace tidelog
