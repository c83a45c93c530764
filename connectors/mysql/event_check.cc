#include "connectors/mysql/event_check.h"

#include <fmt/format.h>

#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

constexpr std::size_t flags_offset = 17;  // of the header's flags
// Of an offset's lower 32 bits: no server is silent for more than half of them.
constexpr std::uint32_t half_of_offsets = 0x8000'0000;

bool is_heartbeat(EventType type) {
  return type == EventType::heartbeat || type == EventType::heartbeat_v2;
}

// The smallest number from `least` on that is `low` modulo 2^32.
std::uint64_t extended(std::uint32_t low, std::uint64_t least) {
  constexpr std::uint64_t wrap = std::uint64_t{1} << 32;
  const std::uint64_t number = (least & ~(wrap - 1)) | low;
  return number >= least ? number : number + wrap;
}

bool fits(std::string_view content, std::uint32_t crc, std::string_view checksum) {
  return ByteReader(checksum).le<std::uint32_t>() == event_crc32(crc, content);
}

std::string_view checksum_of(std::string_view bytes) {
  return bytes.substr(bytes.size() - event_checksum_bytes);
}

std::string_view without_checksum(std::string_view bytes) {
  return bytes.substr(0, bytes.size() - event_checksum_bytes);
}

bool has_room_for_checksum(std::string_view bytes) {
  return bytes.size() >= event_header_bytes + event_checksum_bytes;
}

// The checksum was made before the file was in use, whose sign is a flag in this event.
bool format_checksum_fits(std::string_view bytes) {
  std::string header(bytes.substr(0, event_header_bytes));
  header[flags_offset] = static_cast<char>(header[flags_offset] & ~event_in_use);
  return fits(without_checksum(bytes).substr(event_header_bytes), event_crc32(0, header),
              checksum_of(bytes));
}

}  // namespace

Error EventCheck::error_at(const EventHeader& header, Code code, std::string_view what) const {
  const std::string_view name = name_of(header.type);
  return {code,
          fmt::format("binlog {} at {}: the event {} {}", file_.empty() ? "?" : file_, offset_,
                      name.empty() ? fmt::format("of type {}", static_cast<int>(header.type))
                                   : std::string(name),
                      what)};
}

std::size_t EventCheck::checksum_bytes() const {
  return has_format_ && format_.checksum == ChecksumAlgorithm::crc32 ? event_checksum_bytes : 0;
}

Error EventCheck::wrong_checksum(const PlacedEvent& event) const {
  return error_at(event.event.header, Code::corrupt, "does not fit its checksum");
}

Result<PlacedEvent> EventCheck::take(std::string_view bytes) {
  TRY(PlacedEvent placed, take_header(bytes));
  placed.is_whole = true;
  const EventHeader& header = placed.event.header;
  if (header.event_bytes != bytes.size()) {
    return tl::unexpected<Error>(error_at(
        header, Code::corrupt,
        fmt::format("says that it has {} bytes and has {}", header.event_bytes, bytes.size())));
  }
  TRY(placed.event, verify(bytes, header));
  TRY_DO(apply(placed));
  return placed;
}

Result<PlacedEvent> EventCheck::take_header(std::string_view bytes) const {
  const Result<EventHeader> header = read_event_header(bytes);
  if (!header) {
    return fail_in(fmt::format("binlog {} at {}", file_.empty() ? "?" : file_, offset_),
                   header.error());
  }
  if (!is_known(header->type) && !header->is_ignorable()) {
    return tl::unexpected<Error>(error_at(
        *header, Code::unsupported, "is none that tidelog knows, and may not be passed over"));
  }
  TRY(PlacedEvent placed, place(*header));
  placed.is_whole = false;
  return placed;
}

void EventCheck::take_end(const PlacedEvent& event) { offset_ = event.end_offset; }

Result<Event> EventCheck::verify(std::string_view bytes, const EventHeader& header) {
  if (header.type == EventType::format_description) return verify_format(bytes, header);
  if (!has_format_ && header.type != EventType::rotate && !is_heartbeat(header.type)) {
    return tl::unexpected<Error>(
        error_at(header, Code::corrupt, "comes before the format of its file was told"));
  }
  // What comes first says where the server begins; whether it has a checksum nobody has said yet.
  const bool shows_itself = !has_format_ && has_room_for_checksum(bytes) &&
                            fits(without_checksum(bytes), 0, checksum_of(bytes));
  std::string_view content = bytes;
  if (checksum_bytes() != 0 || shows_itself) {
    if (!has_room_for_checksum(bytes) || !fits(without_checksum(bytes), 0, checksum_of(bytes)))
      return tl::unexpected<Error>(error_at(header, Code::corrupt, "does not fit its checksum"));
    content = without_checksum(bytes);
  }
  return Event{header, content.substr(event_header_bytes)};
}

Result<Event> EventCheck::verify_format(std::string_view bytes, const EventHeader& header) {
  Result<FormatDescription> format = read_format_description(bytes.substr(event_header_bytes));
  if (!format)
    return tl::unexpected<Error>(error_at(header, format.error().code, format.error().what));
  // It always has one, which a server corrects, if at all, only where events have them: when it
  // sends from the midst of a file, it changes this event.
  const bool is_as_written =
      format->checksum == ChecksumAlgorithm::crc32 || header.next_offset != 0;
  if (is_as_written && !format_checksum_fits(bytes))
    return tl::unexpected<Error>(error_at(header, Code::corrupt, "does not fit its checksum"));
  format_ = *std::move(format);
  has_format_ = true;
  return Event{header, without_checksum(bytes).substr(event_header_bytes)};
}

Result<PlacedEvent> EventCheck::place(const EventHeader& header) const {
  PlacedEvent placed;
  placed.event.header = header;
  placed.file = file_;
  placed.offset = placed.end_offset = offset_;
  const bool is_in_no_file =
      header.is_artificial() || is_heartbeat(header.type) ||
      (header.type == EventType::format_description && header.next_offset == 0);
  if (is_in_no_file) return placed;
  placed.end_offset = offset_ + header.event_bytes;
  if (header.next_offset != 0) placed.end_offset = extended(header.next_offset, placed.end_offset);
  placed.offset = placed.end_offset - header.event_bytes;
  // The description of a file is sent first, also when the dump begins behind it.
  const bool may_skip = continuity_ == Continuity::some_events;
  if (placed.offset != offset_ && !may_skip) {
    return tl::unexpected<Error>(
        error_at(header, Code::corrupt,
                 fmt::format("says that it begins at {}: events are missing", placed.offset)));
  }
  return placed;
}

Status EventCheck::apply(PlacedEvent& placed) {
  offset_ = placed.end_offset;
  const EventHeader& header = placed.event.header;
  if (header.type == EventType::rotate) {
    const Result<Rotate> rotate = read_rotate(placed.event.body);
    if (!rotate)
      return tl::unexpected<Error>(error_at(header, rotate.error().code, rotate.error().what));
    file_before_.swap(file_);
    placed.file = file_before_;
    file_ = rotate->file;
    offset_ = rotate->offset;
  } else if (is_heartbeat(header.type)) {
    const Result<Heartbeat> heartbeat = read_heartbeat(placed.event);
    if (!heartbeat) {
      return tl::unexpected<Error>(
          error_at(header, heartbeat.error().code, heartbeat.error().what));
    }
    return take_heartbeat(header, *heartbeat);
  }
  return {};
}

// It says how far the server has come: where events are left out, farther than the last of them.
Status EventCheck::take_heartbeat(const EventHeader& header, const Heartbeat& heartbeat) {
  if (file_.empty()) return {};
  if (heartbeat.file != file_) {
    return tl::unexpected<Error>(
        error_at(header, Code::corrupt, fmt::format("is of the file {}", heartbeat.file)));
  }
  std::uint64_t reached = heartbeat.offset;
  if (header.type == EventType::heartbeat) {
    const auto low = static_cast<std::uint32_t>(heartbeat.offset);
    const std::uint32_t ahead = low - static_cast<std::uint32_t>(offset_);
    reached = offset_ + ahead;
    if (ahead > half_of_offsets) reached = low;  // behind
  }
  const bool may_skip = continuity_ == Continuity::some_events;
  if (reached < offset_ || (reached > offset_ && !may_skip)) {
    return tl::unexpected<Error>(error_at(
        header, Code::corrupt, fmt::format("says that the server has come to {}", reached)));
  }
  offset_ = reached;
  return {};
}

}  // namespace tidelog::mysql
