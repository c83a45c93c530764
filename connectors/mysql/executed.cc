#include "connectors/mysql/executed.h"

#include <utility>

namespace tidelog::mysql {

Result<Executed> executed_of(const MysqlResume& resume) {
  if (const auto* const at = std::get_if<MysqlResume::Place>(&resume.executed))
    return Executed(*at);
  const std::string& text = std::get<MysqlResume::Gtids>(resume.executed).text;
  if (resume.make == MysqlResume::Make::mariadb) {
    const auto position = MariadbGtidPosition::parse(text);
    if (!position) return fail(Code::corrupt, position.error().what);
    return Executed(*position);
  }
  const auto set = GtidSet::parse(text);
  if (!set) return fail(Code::corrupt, set.error().what);
  return Executed(*set);
}

void set_executed(MysqlResume& resume, const Executed& executed) {
  if (const auto* const at = std::get_if<MysqlResume::Place>(&executed)) {
    resume.executed = *at;
  } else if (const auto* const set = std::get_if<GtidSet>(&executed)) {
    resume.executed = MysqlResume::Gtids{set->print()};
  } else {
    resume.executed = MysqlResume::Gtids{std::get<MariadbGtidPosition>(executed).print()};
  }
}

DumpStart start_of(const Executed& executed) {
  if (const auto* const at = std::get_if<MysqlResume::Place>(&executed)) return at->place;
  if (const auto* const set = std::get_if<GtidSet>(&executed)) return *set;
  return std::get<MariadbGtidPosition>(executed);
}

}  // namespace tidelog::mysql
