#include "eventstore/verified_copy.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/crc32c.h"

namespace tidelog {
namespace {

constexpr std::uint64_t chunk_bytes = 1 << 20;

bool same_place(const BatchCursor::Expected& a, const BatchCursor::Expected& b) {
  return a.file_offset == b.file_offset && a.sequence == b.sequence && a.chain == b.chain &&
         a.base == b.base;
}

}  // namespace

Result<LogExtent> extent_of(const File& file, const BatchCursor::Expected& first,
                            std::uint64_t batches, std::uint64_t resume_offset) {
  LogExtent extent;
  BatchCursor cursor(file, first);
  for (;;) {
    if (cursor.expected().file_offset == resume_offset) extent.resume = cursor.expected();
    if (cursor.expected().sequence >= batches) break;
    TRY(const auto step, cursor.next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
    if (step == BatchCursor::Step::zeros) break;
    const auto& adopted = cursor.extension().adopted;
    extent.adopted.insert(extent.adopted.end(), adopted.begin(), adopted.end());
  }
  extent.end = cursor.expected();
  return extent;
}

Result<std::uint32_t> checksum_of_headers(const File& file, const BatchCursor::Expected& first,
                                          std::uint64_t batches) {
  TRY(std::uint32_t crc, checksum_of(file, first.file_offset));
  BatchCursor cursor(file, first);
  while (cursor.expected().sequence < batches) {
    TRY(const auto step, cursor.next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
    if (step == BatchCursor::Step::zeros) break;
    format::BatchHeader header = cursor.header();
    crc = crc32c(format::encode(header, cursor.extension()), crc);
  }
  return crc;
}

Result<std::uint32_t> copy_bytes(const File& from, File& to, std::uint64_t begin, std::uint64_t end,
                                 std::uint32_t crc, const OnBytes& on_bytes) {
  std::string chunk;
  for (std::uint64_t offset = begin; offset < end; offset += chunk.size()) {
    TRY_DO(from.read(offset, std::min(chunk_bytes, end - offset), chunk));
    if (chunk.empty())
      return fail(Code::corrupt, fmt::format("it ends at byte {} instead of {}", offset, end));
    crc = crc32c(chunk, crc);
    TRY_DO(to.write(offset, chunk));
    on_bytes(chunk.size());
  }
  return crc;
}

Result<std::uint32_t> checksum_of(const File& file, std::uint64_t bytes) {
  return checksum_of(file, bytes, [](std::uint64_t) {});
}

Result<std::uint32_t> checksum_of(const File& file, std::uint64_t bytes, const OnBytes& on_bytes) {
  std::uint32_t crc = 0;
  std::string chunk;
  for (std::uint64_t offset = 0; offset < bytes; offset += chunk.size()) {
    TRY_DO(file.read(offset, std::min(chunk_bytes, bytes - offset), chunk));
    if (chunk.empty())
      return fail(Code::corrupt, fmt::format("it ends at byte {} instead of {}", offset, bytes));
    crc = crc32c(chunk, crc);
    on_bytes(chunk.size());
  }
  return crc;
}

Result<std::string> path_of_listed(Disk& disk, const std::string& folder,
                                   const BackupFile& listed) {
  const std::string path = folder + "/" + listed.name;
  const std::string replacement = path + std::string(replacement_end);
  const auto file = disk.open_read(replacement);
  if (!file && file.error().code == Code::not_found) return path;
  if (!file) return error_of(file);
  TRY(const std::uint64_t bytes, (*file)->size());
  if (bytes != listed.bytes) return path;
  TRY(const std::uint32_t crc, checksum_of(**file, bytes));
  return crc == listed.crc ? replacement : path;
}

Status verify_batches(const File& file, const BatchCursor::Expected& first,
                      const BatchCursor::Expected& end) {
  BatchCursor cursor(file, first);
  while (cursor.expected().file_offset < end.file_offset) {
    TRY(const auto step, cursor.next());
    if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
    if (step == BatchCursor::Step::zeros) break;
    TRY_DO(cursor.verify_blocks());
  }
  if (same_place(cursor.expected(), end)) return {};
  return fail(
      Code::corrupt,
      fmt::format("it ends at byte {} with {} batches before position {}, expected {}, {} "
                  "and {}",
                  cursor.expected().file_offset, cursor.expected().sequence,
                  cursor.expected().base.value, end.file_offset, end.sequence, end.base.value));
}

BatchCursor::Expected begin_of(const format::AdoptedFile& file) {
  BatchCursor::Expected first;
  first.file_id = file.staging_id;
  first.generation = file.generation;
  first.staged = true;
  return first;
}

BatchCursor::Expected end_of(const format::AdoptedFile& file) {
  BatchCursor::Expected end = begin_of(file);
  end.file_offset = file.file_bytes;
  end.sequence = file.batch_count;
  end.chain = file.chain;
  end.base.value = file.event_count;
  return end;
}

}  // namespace tidelog
