#include "formats/json_lines_target.h"

#include <utility>

#include "formats/flat.h"

namespace tidelog {
namespace {

constexpr std::size_t lines_bytes_max = 1 << 18;

// A file's name is only durable once its directory is.
std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

JsonLinesTarget::JsonLinesTarget(Write write) : write_(std::move(write)) {}

Result<std::unique_ptr<JsonLinesTarget>> JsonLinesTarget::open(Disk& disk,
                                                               const std::string& path) {
  TRY(const bool exists, disk.exists(path));
  if (exists) {
    return fail(
        Code::conflict,
        path + " exists: JSON lines are always written anew; remove it or choose another name");
  }
  auto target = std::make_unique<JsonLinesTarget>(nullptr);
  TRY(target->file_, disk.create(path));
  TRY_DO(disk.sync_directory(directory_of(path)));
  target->write_ = [self = target.get()](std::string_view lines) -> Status {
    TRY_DO(self->file_->write(self->file_offset_, lines));
    self->file_offset_ += lines.size();
    return {};
  };
  return target;
}

Result<Checkpoint> JsonLinesTarget::begin(const std::vector<std::string>&) { return Checkpoint{}; }

Status JsonLinesTarget::apply(const Event& event, const Schema* schema) {
  TRY_DO(put_flat(lines_, event, schema));
  lines_ += '\n';
  if (lines_.size() >= lines_bytes_max) TRY_DO(write_out());
  return {};
}

Status JsonLinesTarget::commit(const Checkpoint&) {
  TRY_DO(write_out());
  if (file_) TRY_DO(file_->sync());
  return {};
}

Status JsonLinesTarget::write_out() {
  if (lines_.empty()) return {};
  TRY_DO(write_(lines_));
  lines_.clear();
  return {};
}

}  // namespace tidelog
