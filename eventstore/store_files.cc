#include "eventstore/store_files.h"

#include <fmt/format.h>

#include <charconv>

namespace tidelog {
namespace {

// Words of the durable page: two slots of {batches, durable, changed batches, check}, used in turn,
// and the number of the slot that counts.
enum Word : std::size_t { word_current = 0, word_slots = 1 };
constexpr std::size_t words_per_slot = 4;

std::uint64_t check_of(const DurablePage::Value& value) {
  constexpr std::uint64_t salt = 0x7469'6465'6C6F'6731;
  constexpr std::uint64_t odd = 0x9E37'79B9'7F4A'7C15;
  return ((value.changed_batches * odd + value.durable.value) * odd) ^
         (value.durable_batches + salt);
}

std::optional<std::uint64_t> number_between(std::string_view name, std::string_view before,
                                            std::string_view after) {
  if (!name.starts_with(before) || !name.ends_with(after) ||
      name.size() < before.size() + after.size())
    return {};
  const std::string_view digits =
      name.substr(before.size(), name.size() - before.size() - after.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  return number;
}

}  // namespace

StorePaths::StorePaths(std::string directory_name)
    : directory(std::move(directory_name)),
      segments(directory + "/segments"),
      staging(directory + "/staging"),
      lock(directory + "/lock"),
      manifest(directory + "/manifest"),
      superblock(directory + "/superblock"),
      durable_page(directory + "/durable"),
      erasures(directory + "/erasures"),
      spare(segments + "/spare") {}

std::string StorePaths::segment(std::uint64_t id, std::uint32_t generation) const {
  return fmt::format("{}/{:08}-{}.log", segments, id, generation);
}

std::string StorePaths::index(std::uint64_t segment_id, std::uint32_t generation) const {
  return fmt::format("{}/{:08}-{}.index", segments, segment_id, generation);
}

std::string StorePaths::staged(std::uint64_t staging_id) const {
  return fmt::format("{}/{:08}.staging", staging, staging_id);
}

std::string StorePaths::held(std::uint64_t staging_id) const {
  return fmt::format("{}/{:08}.held", staging, staging_id);
}

std::string StorePaths::kept(std::uint64_t staging_id, SourceId source) const {
  return fmt::format("{}/{:08}.{}.kept", staging, staging_id, source.value);
}

std::string StorePaths::adopted(std::uint64_t segment_id, std::uint64_t staging_id,
                                std::uint32_t generation) const {
  return fmt::format("{}/{:08}.{:08}-{}.adopted", segments, segment_id, staging_id, generation);
}

std::optional<SegmentFile> segment_file_named(std::string_view file_name) {
  const std::size_t dash = file_name.find('-');
  const std::size_t end = file_name.rfind('.');
  if (dash == std::string_view::npos || end == std::string_view::npos || end < dash) return {};
  const auto generation = number_between(file_name.substr(dash + 1, end - dash - 1), "", "");
  if (!generation || *generation > UINT32_MAX) return {};
  SegmentFile file;
  file.generation = static_cast<std::uint32_t>(*generation);
  std::string_view ids = file_name.substr(0, dash);
  const std::string_view extension = file_name.substr(end);
  const std::size_t dot = ids.find('.');
  if (extension == ".adopted" && dot != std::string_view::npos) {
    file.kind = SegmentFile::Kind::adopted;
    const auto staging_id = number_between(ids.substr(dot + 1), "", "");
    if (!staging_id) return {};
    file.staging_id = *staging_id;
    ids = ids.substr(0, dot);
  } else if (extension == ".index") {
    file.kind = SegmentFile::Kind::index;
  } else if (extension != ".log") {
    return {};
  }
  const auto segment_id = number_between(ids, "", "");
  if (!segment_id) return {};
  file.segment_id = *segment_id;
  return file;
}

std::optional<std::uint64_t> id_of_staged(std::string_view file_name) {
  return number_between(file_name, "", ".staging");
}

std::optional<KeptFile> kept_file_named(std::string_view file_name) {
  const std::size_t dot = std::min(file_name.find('.'), file_name.size());
  const auto id = number_between(file_name.substr(0, dot), "", "");
  const auto source = number_between(file_name.substr(dot), ".", ".kept");
  if (!id || !source || *source > UINT32_MAX) return {};
  return KeptFile{*id, {static_cast<std::uint32_t>(*source)}};
}

Result<std::unique_ptr<File>> open_named(Disk& disk, const std::string& path) {
  auto file = disk.open_read(path);
  if (file || file.error().code != Code::not_found) return file;
  return fail(Code::corrupt, fmt::format("{} is missing, and the store names it", path));
}

Result<std::unique_ptr<File>> open_segment(Disk& disk, const StorePaths& paths,
                                           const format::ManifestSegment& segment) {
  const std::string path = paths.segment(segment.id, segment.generation);
  auto file = disk.open_read(path);
  if (file || file.error().code != Code::not_found) return file;
  return fail(Code::corrupt, fmt::format("{} is missing: events from position {} on are not here",
                                         path, segment.base.value));
}

Result<format::Manifest> read_manifest(Disk& disk, const StorePaths& paths) {
  TRY(const std::string bytes, read_file(disk, paths.manifest));
  auto manifest = format::read_manifest(bytes);
  if (!manifest) return fail_in(paths.manifest, manifest.error());
  return manifest;
}

Status write_manifest(Disk& disk, const StorePaths& paths, const format::Manifest& manifest) {
  return replace_file(disk, paths.directory, "manifest", format::encode(manifest));
}

Result<std::optional<format::Superblock>> read_superblock(Disk& disk, const StorePaths& paths) {
  std::optional<format::Superblock> newest;
  auto file = disk.open_read(paths.superblock);
  if (!file && file.error().code == Code::not_found) return newest;
  if (!file) return error_of(file);
  for (const std::uint64_t offset : format::superblock_slot_offsets) {
    std::string slot;
    TRY_DO((*file)->read(offset, format::superblock_slot_bytes, slot));
    auto read = format::read_superblock(slot);
    if (!read && read.error().code == Code::unsupported) return error_of(read);
    if (read && (!newest || read->counter > newest->counter)) newest = *read;
  }
  return newest;
}

Result<std::size_t> damaged_superblock_slots(Disk& disk, const StorePaths& paths) {
  TRY(const auto file, open_named(disk, paths.superblock));
  std::size_t damaged = 0;
  for (const std::uint64_t offset : format::superblock_slot_offsets) {
    std::string slot;
    TRY_DO(file->read(offset, format::superblock_slot_bytes, slot));
    const bool is_new = slot.find_first_not_of('\0') == std::string::npos;
    if (!is_new && !format::read_superblock(slot)) ++damaged;
  }
  return damaged;
}

Status write_superblock(Disk& disk, const StorePaths& paths, const format::Superblock& superblock) {
  auto file = disk.open_write(paths.superblock);
  // Somebody took it away: no more than a bound is lost.
  const bool is_missing = !file && file.error().code == Code::not_found;
  if (is_missing) file = disk.create(paths.superblock);
  if (!file) return error_of(file);
  TRY_DO((*file)->write(format::superblock_slot_offsets[superblock.counter % 2],
                        format::encode(superblock)));
  TRY_DO((*file)->sync());
  if (is_missing) return disk.sync_directory(paths.directory);
  return {};
}

Result<DurablePage> DurablePage::open(Disk& disk, const StorePaths& paths, bool writable) {
  TRY(auto page, disk.map_page(paths.durable_page, writable));
  return DurablePage(std::move(page));
}

std::optional<DurablePage::Value> DurablePage::load() const {
  // The writer fills the slot that does not count, then makes it count. It may lap a slow reader,
  // whose check then fails.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::uint64_t current = page_->word(word_current).load(std::memory_order_acquire);
    const std::size_t slot = word_slots + (current % 2) * words_per_slot;
    Value value;
    value.durable_batches = page_->word(slot).load(std::memory_order_acquire);
    value.durable.value = page_->word(slot + 1).load(std::memory_order_acquire);
    value.changed_batches = page_->word(slot + 2).load(std::memory_order_acquire);
    if (page_->word(slot + 3).load(std::memory_order_acquire) == check_of(value)) return value;
    if (current == 0) return {};
  }
  return {};
}

bool DurablePage::is_new() const {
  for (std::size_t n = 0; n < SharedPage::word_count; ++n) {
    if (page_->word(n).load(std::memory_order_acquire) != 0) return false;
  }
  return true;
}

void DurablePage::store(const Value& value) {
  const std::uint64_t next = page_->word(word_current).load(std::memory_order_relaxed) + 1;
  const std::size_t slot = word_slots + (next % 2) * words_per_slot;
  page_->word(slot + 3).store(0, std::memory_order_release);
  page_->word(slot).store(value.durable_batches, std::memory_order_release);
  page_->word(slot + 1).store(value.durable.value, std::memory_order_release);
  page_->word(slot + 2).store(value.changed_batches, std::memory_order_release);
  page_->word(slot + 3).store(check_of(value), std::memory_order_release);
  page_->word(word_current).store(next, std::memory_order_release);
}

DurablePage::Value bound_of(const format::Superblock& superblock) {
  return {superblock.durable, superblock.durable_batches, superblock.durable_batches};
}

Result<DurablePage::Value> read_durable_end(Disk& disk, const StorePaths& paths) {
  DurablePage::Value end;
  if (const auto page = DurablePage::open(disk, paths, false)) end = page->load().value_or(end);
  TRY(const auto superblock, read_superblock(disk, paths));
  if (!superblock || superblock->durable_batches <= end.durable_batches) return end;
  return bound_of(*superblock);
}

}  // namespace tidelog
