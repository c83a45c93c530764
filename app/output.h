// Where a command prints: standard output, buffered, or standard error; in tests, a string.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog {

// One thread.
class Output {
 public:
  // An answer goes out when it is large or whole. Notes go out line by line: whoever waits for the
  // answer has them, and no end of a command has to think of them.
  enum class For : std::uint8_t { answers, notes };
  // Borrows the file; null keeps everything in text().
  Output(std::FILE* file, std::string name, For use)
      : file_(file), name_(std::move(name)), is_held_back_(use == For::answers) {}

  // A reader that went away or a full
  // disk is an error, so that nobody takes half of an answer for the whole.
  Status write(std::string_view text);
  Status line(std::string_view text);
  Status flush();

  // What has not been written out yet.
  const std::string& text() const { return buffer_; }

 private:
  std::FILE* file_;
  std::string name_;
  bool is_held_back_;
  std::string buffer_;
};

}  // namespace tidelog
