#include "connectors/mysql/gtid_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tidelog::mysql {

namespace {

constexpr std::size_t tag_bytes_max = 32;

using Interval = GtidSet::Interval;
using Intervals = GtidSet::Intervals;

// -- text --

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// The part before the next separator, which is taken with it.
std::string_view take_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = trimmed(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_letter(char c) { return (small(c) >= 'a' && small(c) <= 'z') || c == '_'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool read_number(std::string_view text, std::uint64_t& number) {
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && next == end && number >= 1 && number <= GtidSet::number_max;
}

// "5", "5-7"
bool read_interval(std::string_view text, Interval& interval) {
  const std::size_t dash = text.find('-');
  if (!read_number(trimmed(text.substr(0, dash)), interval.first)) return false;
  interval.last = interval.first;
  if (dash == text.npos) return true;
  return read_number(trimmed(text.substr(dash + 1)), interval.last) &&
         interval.last >= interval.first;
}

// "uuid:1-5:tag:1"
bool read_source(std::string_view text, GtidSet& set) {
  GtidSource source;
  if (!read_uuid(take_part(text, ':'), source.uuid) || text.empty()) return false;
  bool has_interval = false;
  while (!text.empty()) {
    const std::string_view part = take_part(text, ':');
    if (part.empty()) return false;
    if (is_letter(part.front())) {
      if (!read_gtid_tag(part, source.tag)) return false;
      has_interval = false;
      continue;
    }
    Interval interval;
    if (!read_interval(part, interval)) return false;
    set.add(source, interval);
    has_interval = true;
  }
  return has_interval;
}

void print_intervals(std::string& out, const Intervals& intervals) {
  for (const auto& [first, last] : intervals) {
    out += fmt::format(":{}", first);
    if (last != first) out += fmt::format("-{}", last);
  }
}

// -- sets of numbers --

// The first interval that ends at `number` or later.
template <class List>
auto reaching(List& intervals, std::uint64_t number) {
  return std::lower_bound(
      intervals.begin(), intervals.end(), number,
      [](const Interval& interval, std::uint64_t n) { return interval.last < n; });
}

void add_interval(Intervals& intervals, Interval added) {
  // Those that touch it become one with it.
  const auto begin = reaching(intervals, added.first - 1);
  auto end = begin;
  for (; end != intervals.end() && end->first <= added.last + 1; ++end) {
    added.first = std::min(added.first, end->first);
    added.last = std::max(added.last, end->last);
  }
  if (begin == end) {
    intervals.insert(begin, added);
    return;
  }
  *begin = added;
  intervals.erase(begin + 1, end);
}

bool has_interval(const Intervals& intervals, const Interval& wanted) {
  const auto found = reaching(intervals, wanted.first);
  return found != intervals.end() && found->first <= wanted.first && found->last >= wanted.last;
}

}  // namespace

bool read_gtid_tag(std::string_view text, std::string& tag) {
  if (text.empty() || text.size() > tag_bytes_max || !is_letter(text.front())) return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c); }))
    return false;
  tag.assign(text);
  std::transform(tag.begin(), tag.end(), tag.begin(), small);
  return true;
}

bool read_uuid(std::string_view text, Uuid& uuid) {
  if (text.size() != uuid_text_bytes) return false;
  std::size_t at = 0;
  for (std::size_t i = 0; i < uuid_bytes; ++i) {
    if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-') return false;
    const char* const end = text.data() + at + 2;
    const auto [next, error] = std::from_chars(text.data() + at, end, uuid[i], 16);
    if (error != std::errc() || next != end) return false;
    at += 2;
  }
  return true;
}

std::string print_uuid(const Uuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid_bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

std::string print_gtid(const Gtid& gtid) {
  const GtidSource& source = gtid.source;
  if (source.tag.empty()) return fmt::format("{}:{}", print_uuid(source.uuid), gtid.number);
  return fmt::format("{}:{}:{}", print_uuid(source.uuid), source.tag, gtid.number);
}

Result<GtidSet> GtidSet::parse(std::string_view text) {
  GtidSet set;
  std::string_view left = trimmed(text);
  while (!left.empty()) {
    const std::string_view part = take_part(left, ',');
    if (!part.empty() && !read_source(part, set))
      return fail(Code::misconfigured, fmt::format("no set of GTIDs: '{}'", part));
  }
  return set;
}

std::string GtidSet::print() const {
  std::string text;
  const Uuid* last = nullptr;
  for (const auto& [source, intervals] : sources_) {
    if (last == nullptr || *last != source.uuid) {
      if (last != nullptr) text.push_back(',');
      text += print_uuid(source.uuid);
    }
    if (!source.tag.empty()) text += ':' + source.tag;
    print_intervals(text, intervals);
    last = &source.uuid;
  }
  return text;
}

void GtidSet::add(const Gtid& gtid) { add(gtid.source, {gtid.number, gtid.number}); }

void GtidSet::add(const GtidSet& other) {
  for (const auto& [source, intervals] : other.sources_) {
    for (const Interval& interval : intervals) add(source, interval);
  }
}

void GtidSet::add(const GtidSource& source, Interval interval) {
  Intervals& intervals = sources_[source];
  // Transactions come in order, mostly.
  if (!intervals.empty() && intervals.back().last + 1 == interval.first) {
    intervals.back().last = interval.last;
  } else {
    add_interval(intervals, interval);
  }
}

bool GtidSet::contains(const Gtid& gtid) const {
  const auto found = sources_.find(gtid.source);
  return found != sources_.end() && has_interval(found->second, {gtid.number, gtid.number});
}

bool GtidSet::is_subset_of(const GtidSet& other) const {
  return std::all_of(sources_.begin(), sources_.end(), [&](const auto& entry) {
    const auto found = other.sources_.find(entry.first);
    return found != other.sources_.end() &&
           std::all_of(entry.second.begin(), entry.second.end(), [&](const Interval& interval) {
             return has_interval(found->second, interval);
           });
  });
}

bool GtidSet::has_tags() const {
  return std::any_of(sources_.begin(), sources_.end(),
                     [](const auto& entry) { return !entry.first.tag.empty(); });
}

// -- bytes --

namespace {

// Of the first eight bytes: the form in the highest one, and with tags in the lowest one, too.
constexpr unsigned form_shift = 56;
constexpr std::uint64_t tagged_form = 1;
constexpr std::size_t source_bytes_min = uuid_bytes + 8;
constexpr std::size_t interval_bytes = 16;

Interval read_interval(ByteReader& in) {
  const auto first = in.le<std::uint64_t>();
  const auto end = in.le<std::uint64_t>();
  if (first < 1 || first >= end || end - 1 > GtidSet::number_max) in.fail();
  return {first, end - 1};
}

// Its size has the form of MySQL's serialization library; a tag's fits one byte, shifted.
std::string read_tag(ByteReader& in) {
  const auto size = in.le<std::uint8_t>();
  if ((size & 1) != 0) in.fail();
  std::string tag;
  const std::string_view text = in.bytes(size >> 1);
  if (!text.empty() && !read_gtid_tag(text, tag)) in.fail();
  return tag;
}

std::size_t bounded_count(ByteReader& in, std::uint64_t count, std::size_t bytes_min) {
  if (!in.failed() && count <= in.remaining() / bytes_min) return static_cast<std::size_t>(count);
  in.fail();
  return 0;
}

void read_intervals(ByteReader& in, const GtidSource& source, GtidSet& set) {
  for (std::size_t n = bounded_count(in, in.le<std::uint64_t>(), interval_bytes); n > 0; --n) {
    const Interval interval = read_interval(in);
    if (in.failed()) return;
    set.add(source, interval);
  }
}

}  // namespace

// u64 count | (uuid[16] | with tags: u8 size * 2, tag | u64 count | (u64 first | u64 end)*)*
void put_gtid_set(std::string& out, const GtidSet& set) {
  const bool tagged = set.has_tags();
  const std::uint64_t count = set.sources().size();
  put_le(out, tagged ? tagged_form << form_shift | count << 8 | tagged_form : count);
  for (const auto& [source, intervals] : set.sources()) {
    out.append(source.uuid.begin(), source.uuid.end());
    if (tagged) {
      out.push_back(static_cast<char>(source.tag.size() * 2));
      out += source.tag;
    }
    put_le<std::uint64_t>(out, intervals.size());
    for (const Interval& interval : intervals) {
      put_le(out, interval.first);
      put_le(out, interval.last + 1);
    }
  }
}

Result<GtidSet> read_gtid_set(std::string_view bytes) {
  ByteReader in(bytes);
  GtidSet set;
  const auto head = in.le<std::uint64_t>();
  const std::uint64_t form = head >> form_shift;
  const bool tagged = form == tagged_form;
  if (form > tagged_form || (tagged && (head & 0xFF) != tagged_form)) {
    return fail(Code::unsupported,
                fmt::format("a set of GTIDs of a form that is not known: {:#018x}", head));
  }
  const std::uint64_t count = tagged ? (head << 8) >> 16 : head;
  for (std::size_t n = bounded_count(in, count, source_bytes_min); n > 0; --n) {
    GtidSource source;
    const std::string_view uuid = in.bytes(uuid_bytes);
    std::copy(uuid.begin(), uuid.end(), source.uuid.begin());
    if (tagged) source.tag = read_tag(in);
    read_intervals(in, source, set);
  }
  return in.finish(std::move(set), "set of GTIDs");
}

}  // namespace tidelog::mysql
