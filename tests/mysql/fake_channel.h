// Bytes as a server's connection gives them: so many at a time.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "connectors/mysql/byte_channel.h"

namespace tidelog::testing {

class FakeChannel final : public mysql::ByteChannel {
 public:
  // Gives at most `chunk` bytes at once, and each other time none.
  FakeChannel(std::string bytes, std::size_t chunk) : bytes_(std::move(bytes)), chunk_(chunk) {}

  Result<std::size_t> receive(char* to, std::size_t room) override {
    has_paused_ = !has_paused_;
    if (has_paused_) return std::size_t{0};
    const std::size_t size = std::min({room, chunk_, bytes_.size() - given_});
    std::copy_n(bytes_.data() + given_, size, to);
    given_ += size;
    return size;
  }
  int socket() const override { return -1; }
  bool is_empty() const { return given_ == bytes_.size(); }

 private:
  std::string bytes_;
  std::size_t chunk_;
  std::size_t given_ = 0;
  bool has_paused_ = false;
};

}  // namespace tidelog::testing
