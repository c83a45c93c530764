// PayloadReader: the events of a compressed transaction (MySQL Server documentation,
// "Transaction_payload_event"), out of the pieces of its body. Neither the payload nor what it
// becomes is ever held whole; one event is, in a buffer that is used again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "connectors/mysql/event_header.h"
#include "core/result.h"

struct ZSTD_DCtx_s;

namespace tidelog::mysql {

// One thread.
class PayloadReader {
 public:
  PayloadReader();

  // The body of a payload begins, whole or with its first piece. Unsupported: compressed in another
  // way than by zstd, or not.
  Status begin(std::string_view piece);
  // Another piece, once next() has given all of the one before. A piece must live as long as next()
  // gives something of it.
  void add(std::string_view piece) { in_ = piece; }

  // The next event, without a checksum, valid until the next call. Nothing: all of the piece was
  // given.
  Result<std::optional<Event>> next();

  // After the last piece. Corrupt: an event, or the payload, is not whole.
  Status end() const;

 private:
  enum class Compression : std::uint8_t { zstd, none };
  Result<bool> have(std::size_t bytes);
  Result<std::size_t> unpack(char* to, std::size_t room);
  void make_room(std::size_t bytes);

  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  Compression compression_ = Compression::none;
  std::string_view in_;         // of the piece, not yet unpacked
  std::uint64_t unpacked_ = 0;  // bytes so far
  std::uint64_t expected_ = 0;  // in all, as the payload says
  std::size_t frame_left_ = 0;  // zstd: it wants more to end a frame
  // Unpacked and not yet given: [begin_, end_).
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace tidelog::mysql
