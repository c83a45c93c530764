#include "app/append_lines.h"

#include "tests/fuzz/fuzz_target.h"

using namespace tidelog;

TIDELOG_FUZZ_TARGET(append_lines) {
  const auto event = parse_event_line(input, "Happened");
  if (!event) return;
  const AppendRequest request{{{"a.stream", ExpectedRevision::any(), {*event}}}};
  static_cast<void>(check_request(request));
}
