// The flat form of events: one JSON object a line, made without a tree (DESIGN.md section 9).
// `tidelog events --json`, `state --json` and the jsonl target print it.
//
//   every event     position, stream, revision, type, time, transaction (string or null), …, source
//   row events      key, before, after: objects or null. What a column held is left out of `after`
//   (or `before`) when the
//                   database did not send it; its name is then in "unchanged" (or
//                   "before_unchanged"). "before_is_key":true when `before` is only the old key.
//                   "moved":true on both halves of a key change.
//   schema          "schema":{table_schema, table, identity, columns:[{name, type, kind, key}]};
//                   "table_id", or "ended":true when the table is gone; and
//                   "asked":["types", "key"] for what may be of a later time
//   truncate        "truncate":{cascade, restart_identity}; "reason" when the table was not
//                   truncated, but dropped, renamed or replaced
//   message         "message":{prefix, content (base64)}
//   gap             "gap":{reason}
//   ddl             "ddl":text; "command" and "tables":[name], where they are known; otherwise
//                   "problem"
//   undecoded       "undecoded":base64
//   application     its own name as type; id, key, content_type, data, metadata, correlation_id,
//                   causation_id, as far as given. Data of a JSON content type, and metadata, are
//                   the JSON that they hold; other data is text
//   source          {name, lsn, ordinal, origin}, or null for an application event; "position" in
//   place of lsn for a
//                   source position of another kind
//
// Text that is not UTF-8 becomes {"base64":…}: nothing is replaced. Columns are named; a name that
// is not UTF-8 is Code::unsupported. Rows that do not fit their schema are Code::corrupt.
#pragma once

#include <string>
#include <string_view>

#include "core/event.h"
#include "core/result.h"
#include "core/schema.h"

namespace tidelog {

// Appends the event's line, without the newline. `schema` is the row's (event.schema), or null when
// the event has none. On error `out` is as it was.
Status put_flat(std::string& out, const Event& event, const Schema* schema);

// Appends the row, or a key, as an object. With `unchanged`, the names of the columns that are not
// known are appended there as a JSON list, or nothing when there are none.
Status print_row_json(std::string& out, std::string_view row, const Schema& schema,
                      std::string* unchanged);
Status print_key_json(std::string& out, std::string_view key, const Schema& schema);

}  // namespace tidelog
