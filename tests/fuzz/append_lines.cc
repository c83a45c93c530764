// A line of `tidelog append`: what it takes is a request that a store takes, and is printed as JSON
// again.
#include "app/append_lines.h"

#include "core/application_event.h"
#include "formats/flat.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_judge.h"

namespace tidelog {
namespace {

Event stored(const NewEvent& given, std::string& attributes) {
  put_application_attributes(attributes, {given.type, given.id, given.content_type, given.metadata,
                                          given.correlation_id, given.causation_id});
  Event event;
  event.type = EventType::application;
  event.stream_name = "a.stream";
  event.key = given.key;
  event.body = given.data;
  event.attributes = attributes;
  return event;
}

void check_printed(const NewEvent& given) {
  std::string attributes;
  const Event event = stored(given, attributes);
  const ApplicationAttributes read = read_application_attributes(attributes);
  INVARIANT(read.type == given.type && read.id == given.id && read.metadata == given.metadata &&
                read.content_type == given.content_type &&
                read.correlation_id == given.correlation_id &&
                read.causation_id == given.causation_id,
            "what it says of itself is kept");
  std::string line;
  INVARIANT(put_flat(line, event, nullptr), "it can be printed");
  INVARIANT(fuzz::is_json(line) && line.find('\n') == std::string::npos, "as JSON on one line");
}

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(append_lines) {
  const auto event = parse_event_line(input, "Happened");
  if (!event) {
    INVARIANT(event.error().code == Code::misconfigured, "what is wrong is the line");
    return;
  }
  INVARIANT(fuzz::is_json(input), "a line that is taken is JSON");
  INVARIANT(!event->type.empty() && event->id.size() == event_id_bytes, "type and id are there");
  if (is_json_type(event->content_type) && !event->data.empty())
    INVARIANT(fuzz::is_json(event->data), "data of a JSON type is JSON");
  INVARIANT(event->metadata.empty() || fuzz::is_json(event->metadata), "metadata is JSON");
  INVARIANT(check_request(AppendRequest{{{"a.stream", ExpectedRevision::any(), {*event}}}}),
            "a store takes it");
  check_printed(*event);
}
