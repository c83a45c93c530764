#include "core/finding.h"

#include <optional>
#include <utility>

namespace tidelog {

namespace {

int weight(Code code) {
  if (action_for(code) == Action::retry) return 2;
  return code == Code::history_lost ? 1 : 0;
}

}  // namespace

Status first_error(const std::vector<Finding>& findings) {
  std::string all;
  std::optional<Code> code;
  for (const Finding& finding : findings) {
    if (finding.severity != Finding::Severity::error) continue;
    if (!code || weight(finding.code) > weight(*code)) code = finding.code;
    if (!all.empty()) all += "; ";
    all += finding.what;
    if (!finding.mend.empty()) all += ". To mend it: " + finding.mend;
  }
  if (!code) return {};
  return fail(*code, std::move(all));
}

}  // namespace tidelog
