// Where a command prints: standard output or standard error, buffered; in tests, a string.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "core/result.h"

namespace tidelog {

// One thread.
class Output {
 public:
  // Borrows the file; null keeps everything in text().
  Output(std::FILE* file, std::string name) : file_(file), name_(std::move(name)) {}

  // Appends to the buffer, and writes it out when it is large. A reader that went away or a full
  // disk is an error, so that nobody takes half of an answer for the whole.
  Status write(std::string_view text);
  Status line(std::string_view text);
  Status flush();

  // What has not been written out yet.
  const std::string& text() const { return buffer_; }

 private:
  std::FILE* file_;
  std::string name_;
  std::string buffer_;
};

}  // namespace tidelog
