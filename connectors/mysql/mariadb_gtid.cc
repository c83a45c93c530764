#include "connectors/mysql/mariadb_gtid.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tidelog::mysql {

namespace {

// Digits, and then `end`, unless it is 0: the text's end.
template <class Number>
bool take_number(std::string_view& text, char end, Number& number) {
  const char* const last = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), last, number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(next - text.data()));
  if (end == '\0') return text.empty();
  if (text.empty() || text.front() != end) return false;
  text.remove_prefix(1);
  return true;
}

bool read_gtid(std::string_view text, MariadbGtid& gtid) {
  return take_number(text, '-', gtid.domain) && take_number(text, '-', gtid.server_id) &&
         take_number(text, '\0', gtid.sequence);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

std::string print_gtid(const MariadbGtid& gtid) {
  return fmt::format("{}-{}-{}", gtid.domain, gtid.server_id, gtid.sequence);
}

Result<MariadbGtidPosition> MariadbGtidPosition::parse(std::string_view text) {
  MariadbGtidPosition position;
  text = trimmed(text);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    MariadbGtid gtid;
    if (!read_gtid(part, gtid) || position.domains_.contains(gtid.domain))
      return fail(Code::misconfigured, fmt::format("no position of MariaDB GTIDs: '{}'", part));
    position.set(gtid);
  }
  return position;
}

std::string MariadbGtidPosition::print() const {
  std::string text;
  for (const auto& [domain, gtid] : domains_) {
    if (!text.empty()) text.push_back(',');
    text += print_gtid(gtid);
  }
  return text;
}

bool MariadbGtidPosition::contains(const MariadbGtid& gtid) const {
  const auto found = domains_.find(gtid.domain);
  if (found == domains_.end() || found->second.sequence < gtid.sequence) return false;
  return found->second.sequence > gtid.sequence || found->second.server_id == gtid.server_id;
}

bool MariadbGtidPosition::is_reached_by(const MariadbGtidPosition& other) const {
  return std::all_of(domains_.begin(), domains_.end(),
                     [&](const auto& entry) { return other.contains(entry.second); });
}

}  // namespace tidelog::mysql
