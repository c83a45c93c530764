// The jsonl target: each replayed event as one flat line (flat.h), to a file or to any stream of
// bytes. A file of lines cannot hold a checkpoint in step with its last line, so it never resumes:
// it is written from the start of the replay, and is whole only once the replay has ended.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/disk.h"
#include "core/target.h"

namespace tidelog {

class JsonLinesTarget : public Target {
 public:
  // Takes whole lines, newline included; many at a time.
  using Write = std::function<Status(std::string_view lines)>;
  explicit JsonLinesTarget(Write write);

  // Makes the file. Code::conflict when it exists: a replay never overwrites.
  static Result<std::unique_ptr<JsonLinesTarget>> open(Disk& disk, const std::string& path);

  Result<Checkpoint> begin(const std::vector<std::string>& streams) override;
  Status apply(const Event& event, const Schema* schema) override;
  // Writes what is left, and syncs a file.
  Status commit(const Checkpoint& checkpoint) override;

 private:
  Status write_out();

  Write write_;
  std::unique_ptr<File> file_;
  std::uint64_t file_offset_ = 0;
  std::string lines_;
};

}  // namespace tidelog
