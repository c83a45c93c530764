// The input of `tidelog append`: one event a line, as a JSON object.
//
//   type            text; the option --type stands in for it
//   data            JSON, kept letter for letter; with a content_type that is not JSON a string,
//                   whose text is stored
//   metadata        JSON, kept letter for letter
//   id              a UUID; made when it is missing
//   content_type    text; application/json when there is data
//   correlation_id, causation_id, key    text
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "eventstore/application_append.h"

namespace tidelog {

// Code::misconfigured says what is wrong with the line. `usual_type` is for lines without a type.
Result<NewEvent> parse_event_line(std::string_view line, const std::string& usual_type);

}  // namespace tidelog
