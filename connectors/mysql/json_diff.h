// What an update of a part of a JSON document is logged as (MySQL, binlog_row_value_options =
// PARTIAL_JSON; MySQL source, sql-common/json_diff.h): which places change, and to what. Applied to
// the printed document, without making a tree of it.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog::mysql {

// Changes `text`, a document as append_json_text() prints it, by the diffs in their order. No diffs
// leave it as it is. Corrupt: bytes that are no diffs, or diffs that do not fit the document, as
// they would not on a replica; then what is in `text` is of no use.
Status apply_json_diffs(std::string& text, std::string_view diffs);

}  // namespace tidelog::mysql
