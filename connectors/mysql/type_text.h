// The types of columns in SQL, made of what the log says: for schema events. As MySQL 8 and 9 print
// them (COLUMN_TYPE), so without the display widths that older servers and MariaDB add.
#pragma once

#include <string>

#include "connectors/mysql/column_format.h"
#include "connectors/mysql/table_map.h"

namespace tidelog::mysql {

// "int unsigned", "varchar(20)", "decimal(10,2)", "enum('a','b')", "datetime(6)", "mediumblob"
std::string type_text(const MappedColumn& column, const ColumnFormat& format);

}  // namespace tidelog::mysql
