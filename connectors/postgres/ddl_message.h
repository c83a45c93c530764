// What the event triggers of ddl_triggers.h say of a statement that changed tables or types: a
// logical message of the statement's own transaction, so that it lies in the log between the rows
// before and the rows after. It describes each table that was touched as it was just then. Read by
// the change decoder; descriptions alone are read by the relation catalog, too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/postgres/pgoutput.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog::postgres {

inline constexpr std::string_view ddl_prefix = "tidelog.ddl";

struct DescribedColumn {
  std::string name;
  std::uint32_t type = 0;
  std::int32_t type_modifier = -1;
  std::string type_name;          // as format_type prints it
  std::uint32_t bottom_type = 0;  // what a domain is over; of others the type itself
  bool is_enum = false;           // at its bottom
  bool not_null = false;
  bool primary_key = false;     // of one that is not deferrable
  bool identity_index = false;  // of the index that is the replica identity
  bool generated = false;
};

struct TableDescription {
  std::uint32_t oid = 0;
  std::string schema;
  std::string table;
  ReplicaIdentity identity = ReplicaIdentity::primary_key;
  std::vector<DescribedColumn> columns;
};

struct TouchedTable {
  std::string was_schema;  // its name before; empty: it is new to the triggers
  std::string was_table;
  TableDescription now;
};

struct DroppedTable {
  std::uint32_t oid = 0;
  std::string schema;
  std::string table;
};

struct DdlMessage {
  std::string token;    // which only the triggers and their readers know
  std::string problem;  // why nothing is described; empty: everything is
  std::string command;  // "ALTER TABLE"
  // The client's text, which may hold more than this one, and is cut behind 65,536 characters.
  std::string statement;
  std::vector<TouchedTable> touched;
  std::vector<DroppedTable> dropped;
};

// The token of what looks like their message; empty: it does not. Nothing else of it is looked at.
std::string_view token_of(std::string_view content);

// Fields are text in UTF-8: the number of bytes in decimal, a colon, the bytes.
// message: "1" | token | problem | command | statement | n | n * (touched or dropped)
// touched: "table" | schema before | table before | description
// dropped: "dropped" | oid | schema | table
Result<DdlMessage> read_ddl_message(std::string_view content);

// description: oid | schema | table | identity: d, i, f or n | n | n * column
// column: name | type oid | type modifier | type's name | bottom type's oid
//         | flags: e enum, n not null, p primary key, i identity index, g generated
Result<TableDescription> read_table_description(std::string_view text);

// Whether the description is of what the relation was when it was sent. A relation may leave out
// columns.
bool fits(const TableDescription& description, const Relation& relation);

}  // namespace tidelog::postgres
