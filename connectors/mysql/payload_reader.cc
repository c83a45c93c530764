#include "connectors/mysql/payload_reader.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <utility>

#include "connectors/mysql/packed_integer.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

constexpr std::size_t usual_bytes = 512 << 10;

enum Field : std::uint64_t { header_end = 0, payload_size = 1, compression = 2, unpacked_size = 3 };
constexpr std::uint64_t by_zstd = 0;
constexpr std::uint64_t not_at_all = 255;

Error corrupt(std::string_view what) {
  return {Code::corrupt, fmt::format("Transaction_payload: {}", what)};
}

}  // namespace

void PayloadReader::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

PayloadReader::PayloadReader() : context_(ZSTD_createDCtx()) {}

// (packed field | packed size | packed value)* | packed 0 | payload
Status PayloadReader::begin(std::string_view piece) {
  ByteReader in(piece);
  std::uint64_t how = by_zstd;
  std::optional<std::uint64_t> packed;
  std::optional<std::uint64_t> unpacked;
  for (std::uint64_t field = packed_integer(in); field != header_end; field = packed_integer(in)) {
    ByteReader value(packed_bytes(in));
    const std::uint64_t number = packed_integer(value);
    if (value.failed()) return tl::unexpected<Error>(corrupt("its header is cut off"));
    if (field == compression) how = number;
    if (field == payload_size) packed = number;
    if (field == unpacked_size) unpacked = number;
  }
  if (in.failed()) return tl::unexpected<Error>(corrupt("its header is cut off"));
  if (how != by_zstd && how != not_at_all)
    return fail(Code::unsupported, fmt::format("Transaction_payload: compressed in way {}", how));
  if (!unpacked && how == not_at_all) unpacked = packed;
  if (!unpacked) return tl::unexpected<Error>(corrupt("it does not say what size it becomes"));
  compression_ = how == by_zstd ? Compression::zstd : Compression::none;
  ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only);
  in_ = in.rest();
  unpacked_ = 0;
  expected_ = *unpacked;
  frame_left_ = 0;
  begin_ = end_ = 0;
  return {};
}

Result<std::optional<Event>> PayloadReader::next() {
  TRY(const bool has_header, have(event_header_bytes));
  if (!has_header) return std::optional<Event>();
  TRY(const EventHeader header, read_event_header({buffer_.get() + begin_, event_header_bytes}));
  if (header.event_bytes > end_ - begin_ + (expected_ - unpacked_))
    return tl::unexpected<Error>(corrupt("an event in it is larger than it"));
  TRY(const bool has_all, have(header.event_bytes));
  if (!has_all) return std::optional<Event>();
  const bool is_nested = header.type == EventType::transaction_payload;
  if (is_nested || (!is_known(header.type) && !header.is_ignorable())) {
    return fail(Code::unsupported,
                fmt::format("Transaction_payload: an event of type {} ({}) in it",
                            static_cast<int>(header.type), name_of(header.type)));
  }
  const std::string_view bytes(buffer_.get() + begin_, header.event_bytes);
  begin_ += header.event_bytes;
  return std::optional(Event{header, bytes.substr(event_header_bytes)});
}

Status PayloadReader::end() const {
  if (!in_.empty() || begin_ != end_ || unpacked_ != expected_ || frame_left_ != 0)
    return tl::unexpected<Error>(corrupt("it ends in the midst of an event"));
  return {};
}

// Whether so many bytes are in the buffer, after unpacking what there is.
Result<bool> PayloadReader::have(std::size_t bytes) {
  while (end_ - begin_ < bytes) {
    make_room(bytes);
    TRY(const std::size_t more, unpack(buffer_.get() + end_, capacity_ - end_));
    if (more == 0) return false;
    end_ += more;
    unpacked_ += more;
    if (unpacked_ > expected_) return tl::unexpected<Error>(corrupt("it is longer than it says"));
  }
  return true;
}

// What was not given moves to the front when there is no room behind it.
void PayloadReader::make_room(std::size_t bytes) {
  if (begin_ == end_) begin_ = end_ = 0;
  const std::size_t wanted = std::max(bytes, usual_bytes);
  const bool is_too_large = capacity_ > usual_bytes && end_ - begin_ + bytes <= usual_bytes;
  if (wanted > capacity_ || is_too_large) {
    auto larger = std::make_unique_for_overwrite<char[]>(wanted);
    std::copy(buffer_.get() + begin_, buffer_.get() + end_, larger.get());
    buffer_ = std::move(larger);
    capacity_ = wanted;
    end_ -= std::exchange(begin_, 0);
  } else if (begin_ + bytes > capacity_ || end_ == capacity_) {
    std::copy(buffer_.get() + begin_, buffer_.get() + end_, buffer_.get());
    end_ -= std::exchange(begin_, 0);
  }
}

// 0: nothing is left of the piece.
Result<std::size_t> PayloadReader::unpack(char* to, std::size_t room) {
  if (compression_ == Compression::none) {
    const std::size_t taken = std::min(room, in_.size());
    std::copy_n(in_.data(), taken, to);
    in_.remove_prefix(taken);
    return taken;
  }
  if (in_.empty() && frame_left_ == 0) return std::size_t{0};  // otherwise a new frame would begin
  ZSTD_outBuffer out{to, room, 0};
  ZSTD_inBuffer in{in_.data(), in_.size(), 0};
  do {
    const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in);
    if (ZSTD_isError(left) != 0) return tl::unexpected<Error>(corrupt(ZSTD_getErrorName(left)));
    frame_left_ = left;
  } while (out.pos == 0 && in.pos < in.size);
  in_.remove_prefix(in.pos);
  return out.pos;
}

}  // namespace tidelog::mysql
