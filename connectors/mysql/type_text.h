// The types of columns in SQL: made of what the log says, for schema events, and taken apart where
// the catalog has to say what the log does not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/table_map.h"

namespace tidelog::mysql {

// As MySQL 8 and 9 print it (COLUMN_TYPE), so without the display widths that older servers and
// MariaDB add: "int unsigned", "varchar(20)", "decimal(10,2)", "enum('a','b')", "datetime(6)",
// "mediumblob"
std::string type_text(const MappedColumn& column, const ColumnFormat& format);

// Whether a column with the catalog's type, as any server prints it, may be logged as one that
// type_text() prints so. Signs and labels are left to who knows more of them than a text.
bool is_same_type(std::string_view catalog, std::string_view logged);

// The labels of an enum or set as a server prints it. Nothing: it is neither.
std::optional<std::vector<std::string>> labels_of_type(std::string_view type);

// The number in brackets behind the type's word; 0: there is none.
unsigned number_in_brackets(std::string_view type);

// Which geometry_type (table_map.h) a word is, also an older server's. Nothing: it is none.
std::optional<std::uint32_t> geometry_type_of(std::string_view word);

}  // namespace tidelog::mysql
