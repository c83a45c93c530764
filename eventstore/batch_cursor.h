// BatchCursor: walks the batches of one segment or staging file in order, and verifies that each is
// what must stand there: its checksums, its file, its number, its place in the chain. Recovery,
// readers and verify all walk with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/format.h"

namespace tidelog {

// Bytes of a file, read ahead, also when they are asked for from its end on. A window is of the
// moment when it was read: forget() after the file has grown.
class FileWindow {
 public:
  explicit FileWindow(const File& file) : file_(&file) {}
  // The bytes at `offset`: `bytes` of them, or fewer at the end of the file. Borrowed until the
  // next call.
  Result<std::string_view> view(std::uint64_t offset, std::uint64_t bytes);
  void forget() { window_.clear(); }

 private:
  const File* file_;
  std::uint64_t offset_ = 0;
  std::string window_;
};

// One thread. The file must outlive it.
class BatchCursor {
 public:
  // What the next batch must say of itself.
  struct Expected {
    std::uint64_t file_id = 0;
    std::uint32_t generation = 0;
    bool staged = false;
    std::uint64_t file_offset = 0;
    std::uint64_t sequence = 0;
    std::uint32_t chain = 0;
    Position base;
  };

  // zeros: nothing was written here (or the file ends). bad: bytes that are not the batch that must
  // stand here; why() says.
  enum class Step : std::uint8_t { batch, zeros, bad };

  BatchCursor(const File& file, Expected next) : window_(file), next_(next) {}

  // Errors are the disk's, or Code::unsupported for a newer format: never about damaged bytes.
  Result<Step> next();
  const std::string& why() const { return why_; }

  // Of the batch that next() found.
  const format::BatchHeader& header() const { return header_; }
  const format::BatchExtension& extension() const { return extension_; }
  std::uint64_t file_offset() const { return batch_offset_; }
  std::uint64_t block_offset(std::size_t index) const { return block_offsets_[index]; }
  // Which batch it is, for messages: file, offset, number, positions.
  std::string batch_place() const;

  // The verified raw bytes of one of its blocks. Borrowed until the next call of anything here.
  Result<std::string_view> block(std::size_t index);
  // Verifies every block.
  Status verify_blocks();

  // What the batch after it must say.
  const Expected& expected() const { return next_; }
  // next() finds the batch that begins there: a place that expected() once told.
  void go_to(std::uint64_t file_offset, std::uint64_t sequence, Position base, std::uint32_t chain);
  void forget_window() { window_.forget(); }

 private:
  std::string place() const;  // for messages: where the next batch begins
  std::string place_at(std::uint64_t file_offset) const;
  Step bad(std::string why);
  Result<Step> read_header();
  Result<Step> read_extension();

  FileWindow window_;
  Expected next_;
  format::BatchHeader header_;
  format::BatchExtension extension_;
  std::uint64_t batch_offset_ = 0;
  std::vector<std::uint64_t> block_offsets_;
  std::string inflated_;
  std::string why_;
};

}  // namespace tidelog
