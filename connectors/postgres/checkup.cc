#include "connectors/postgres/checkup.h"

#include <utility>

namespace tidelog::postgres {

Checkup::Checkup(const PostgresOptions& postgres_options,
                 const std::optional<PostgresResume>& stored_resume, std::int64_t last_walsender)
    : options(postgres_options),
      stored(stored_resume),
      last_reader(last_walsender),
      slot(slot_name(options)),
      publication(publication_name(options)),
      is_streaming(stored && stored->phase == PostgresResume::Phase::streaming) {}

void Checkup::add(Finding::Severity severity, Code code, std::string what, std::string mend) {
  found.findings.push_back({severity, code, std::move(what), std::move(mend)});
}

void Checkup::error(Code code, std::string what, std::string mend) {
  add(Finding::Severity::error, code, std::move(what), std::move(mend));
}

void Checkup::misconfigured(std::string what, std::string mend) {
  error(Code::misconfigured, std::move(what), std::move(mend));
}

void Checkup::warning(std::string what, std::string mend) {
  add(Finding::Severity::warning, Code::misconfigured, std::move(what), std::move(mend));
}

void Checkup::lost(const std::string& what, const std::string& mend) {
  const bool is_copy = found.slot && found.slot->synced;
  const bool is_certain = !found.is_standby || (stored->is_standby && !is_copy);
  if (is_certain) {
    const std::string more = mend.empty() ? "" : "; then: " + mend;
    error(Code::history_lost, what, std::string(begin_again) + more);
  } else {
    error(Code::unavailable, what + "; but the server is a standby: a fail-over may be under way",
          "connect to the primary: add target_session_attrs=read-write to the connection");
  }
}

Code Checkup::transient_once_streaming() const {
  return is_streaming ? Code::unavailable : Code::misconfigured;
}

}  // namespace tidelog::postgres
