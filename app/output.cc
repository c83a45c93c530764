#include "app/output.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace tidelog {
namespace {

constexpr std::size_t buffer_bytes_max = 64 << 10;

}  // namespace

Status Output::write(std::string_view text) {
  buffer_ += text;
  if (file_ == nullptr || (is_held_back_ && buffer_.size() < buffer_bytes_max)) return {};
  return flush();
}

Status Output::line(std::string_view text) {
  buffer_ += text;
  return write("\n");
}

Status Output::flush() {
  if (file_ == nullptr || buffer_.empty()) return {};
  const std::size_t written = std::fwrite(buffer_.data(), 1, buffer_.size(), file_);
  const bool whole = written == buffer_.size() && std::fflush(file_) == 0;
  const int error = errno;
  buffer_.clear();
  if (whole) return {};
  return fail(Code::failed,
              fmt::format("cannot write to {}: {}", name_, std::generic_category().message(error)));
}

}  // namespace tidelog
