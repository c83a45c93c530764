// StoreFiles: where the files of a store lie, and the small ones among them: manifest, superblock,
// durable page.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/format.h"

namespace tidelog {

struct StorePaths {
  explicit StorePaths(std::string directory_name);
  std::string directory, segments, staging;
  std::string lock, manifest, superblock, durable_page, erasures, spare;

  std::string segment(std::uint64_t id, std::uint32_t generation) const;
  std::string index(std::uint64_t segment_id, std::uint32_t generation) const;
  // A staging file before and after its adoption by a commit batch in segment `segment_id`.
  std::string staged(std::uint64_t staging_id) const;
  // What a source holds of a transaction that has not ended, before and after it is kept.
  std::string held(std::uint64_t staging_id) const;
  std::string kept(std::uint64_t staging_id, SourceId source) const;
  std::string adopted(std::uint64_t segment_id, std::uint64_t staging_id,
                      std::uint32_t generation) const;
};

// What the name of a file in `segments` says; nothing for another name than those above.
struct SegmentFile {
  enum class Kind : std::uint8_t { log, adopted, index };
  Kind kind = Kind::log;
  std::uint64_t segment_id = 0;
  std::uint64_t staging_id = 0;  // of an adopted file
  std::uint32_t generation = 0;
};
std::optional<SegmentFile> segment_file_named(std::string_view file_name);
std::optional<std::uint64_t> id_of_staged(std::string_view file_name);
struct KeptFile {
  std::uint64_t staging_id = 0;
  SourceId source;
};
std::optional<KeptFile> kept_file_named(std::string_view file_name);

// A file that the manifest or a batch names: when it is missing, the store is damaged.
Result<std::unique_ptr<File>> open_named(Disk& disk, const std::string& path);
// The same of a segment's own file, whose positions are told.
Result<std::unique_ptr<File>> open_segment(Disk& disk, const StorePaths& paths,
                                           const format::ManifestSegment& segment);

Result<format::Manifest> read_manifest(Disk& disk, const StorePaths& paths);
Status write_manifest(Disk& disk, const StorePaths& paths, const format::Manifest& manifest);

// The newer valid slot; nothing when neither is valid (both torn, or damaged): then it bounds
// nothing.
Result<std::optional<format::Superblock>> read_superblock(Disk& disk, const StorePaths& paths);
// How many of its slots hold bytes that are no superblock: torn by a crash, or damaged.
// Code::corrupt when there is no such file: a store is made with one.
Result<std::size_t> damaged_superblock_slots(Disk& disk, const StorePaths& paths);
// Writes and syncs the other slot than the newest.
Status write_superblock(Disk& disk, const StorePaths& paths, const format::Superblock& superblock);

// The durable end, for readers in other processes. Stored only after the sync that makes it true,
// so any value ever seen in it is a lower bound, also after a power loss that brought an old page
// back.
class DurablePage {
 public:
  struct Value {
    Position durable;
    std::uint64_t durable_batches = 0;
    // 0: no stream was ever truncated or ended. Otherwise every durable batch that did so has a
    // smaller sequence.
    std::uint64_t changed_batches = 0;
  };
  static Result<DurablePage> open(Disk& disk, const StorePaths& paths, bool writable);
  // Nothing when the page is new or damaged.
  std::optional<Value> load() const;
  bool is_new() const;  // nothing was stored yet
  void store(const Value& value);

 private:
  explicit DurablePage(std::unique_ptr<SharedPage> page) : page_(std::move(page)) {}
  std::unique_ptr<SharedPage> page_;
};

// What a superblock bounds. It does not tell where streams' lives changed: anywhere.
DurablePage::Value bound_of(const format::Superblock& superblock);

// The durable end, for one look at it: of the page and the superblock the larger. Both are lower
// bounds, and after a power loss the page may be the older one.
Result<DurablePage::Value> read_durable_end(Disk& disk, const StorePaths& paths);

}  // namespace tidelog
