#include "app/expectation.h"

#include <fmt/format.h>

#include <charconv>

#include "core/application_event.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

std::string_view name_of(AppendConflict::Kind kind) {
  switch (kind) {
    case AppendConflict::Kind::revision:
      return "revision";
    case AppendConflict::Kind::other_event:
      return "other_event";
    case AppendConflict::Kind::partly_repeated:
      return "partly_repeated";
    case AppendConflict::Kind::tombstoned:
      return "tombstoned";
    case AppendConflict::Kind::beyond_end:
      return "beyond_end";
  }
  return "unknown";
}

}  // namespace

Result<ExpectedRevision> parse_expected(const std::string& text) {
  if (text == "any") return ExpectedRevision::any();
  if (text == "no-stream") return ExpectedRevision::no_stream();
  if (text == "exists") return ExpectedRevision::exists();
  std::uint64_t revision = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, revision);
  if (read.ec == std::errc() && read.ptr == end) return ExpectedRevision::exactly({revision});
  return fail(Code::misconfigured,
              fmt::format("--expected-revision: expected any, no-stream, exists or the revision of "
                          "the stream's last event, found `{}`",
                          text));
}

std::string print_json(const AppendConflict& conflict) {
  std::string out = "{\"stream\":";
  put_json_text(out, conflict.stream);
  out += fmt::format(
      R"(,"conflict":"{}","expected":"{}","actual":{})", name_of(conflict.kind),
      print(conflict.expected),
      conflict.actual ? fmt::format("{}", conflict.actual->value) : std::string("null"));
  if (conflict.status != StreamStatus::open)
    out += fmt::format(R"(,"status":"{}")", name_of(conflict.status));
  if (!conflict.event_id.empty()) {
    out += fmt::format(R"(,"id":"{}","position":{})", print_event_id(conflict.event_id),
                       conflict.position.value);
  }
  return out + "}";
}

}  // namespace tidelog
