#include "eventstore/erasure.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/bytes.h"
#include "core/crc32c.h"
#include "eventstore/rewrite.h"
#include "eventstore/row_lives.h"

namespace tidelog {
namespace {

constexpr std::uint32_t erasures_magic = 0x45474C54;  // "TLGE"
constexpr std::uint32_t erasures_version = 1;
constexpr std::size_t crc_bytes = 4;

// u32 magic | u32 version | list<sized stream | list<sized key | varint before> | list<varint
// position, less the one before>> | u32 crc of all before
std::string encode(const std::vector<Erasure>& erasures) {
  std::string out;
  put_le(out, erasures_magic);
  put_le(out, erasures_version);
  put_varint(out, erasures.size());
  for (const Erasure& erasure : erasures) {
    put_sized(out, erasure.stream);
    put_varint(out, erasure.keys.size());
    for (const SavedKey& key : erasure.keys) {
      put_sized(out, key.key);
      put_varint(out, key.before.value);
    }
    put_varint(out, erasure.events.size());
    Position last;
    for (const Position position : erasure.events) {
      put_varint(out, position.value - last.value);
      last = position;
    }
  }
  put_le(out, crc32c(out));
  return out;
}

Result<std::vector<Erasure>> read_erasures(std::string_view bytes) {
  constexpr std::size_t shortest = 4 + 4 + 1 + crc_bytes;
  if (bytes.size() < shortest) return fail(Code::corrupt, "cut short");
  const std::string_view covered = bytes.substr(0, bytes.size() - crc_bytes);
  ByteReader end(bytes.substr(covered.size()));
  ByteReader in(covered);
  const bool ours = in.le<std::uint32_t>() == erasures_magic;
  if (ours && in.le<std::uint32_t>() != erasures_version)
    return fail(Code::unsupported, "written by a newer tidelog: use that");
  if (!ours || end.le<std::uint32_t>() != crc32c(covered))
    return fail(Code::corrupt, "its checksum does not fit");
  std::vector<Erasure> erasures(in.varint_count(3));
  for (Erasure& erasure : erasures) {
    erasure.stream = in.sized();
    erasure.keys.resize(in.varint_count(2));
    for (SavedKey& key : erasure.keys) {
      key.key = in.sized();
      key.before = {in.varint()};
    }
    erasure.events.resize(in.varint_count(1));
    Position last;
    for (Position& position : erasure.events) position = last = last + in.varint();
  }
  return in.finish(std::move(erasures), "erasures");
}

Result<std::vector<Erasure>> erasures_in(Disk& disk, const std::string& path) {
  // Opened, not asked for before: a writer that has done them all removes it at any moment.
  const auto bytes = read_file(disk, path);
  if (!bytes && bytes.error().code == Code::not_found) return std::vector<Erasure>();
  if (!bytes) return error_of(bytes);
  auto erasures = read_erasures(*bytes);
  if (!erasures) return fail_in(path, erasures.error());
  return erasures;
}

class ErasedPositions : public RewritePlan {
 public:
  explicit ErasedPositions(const std::vector<Position>& positions) : positions_(positions) {}
  bool touches(Position begin, Position end) override {
    const auto at = std::lower_bound(positions_.begin(), positions_.end(), begin);
    return at != positions_.end() && *at < end;
  }
  Result<Fate> fate(const Event& event) override {
    return std::binary_search(positions_.begin(), positions_.end(), event.position) ? Fate::erase
                                                                                    : Fate::keep;
  }

 private:
  const std::vector<Position>& positions_;
};

Result<ErasureReport> erase_found(EventStore& store, const Erasure& found,
                                  const ErasureOptions& options) {
  TRY_DO(store.seal());
  const format::Manifest manifest = store.manifest();
  ErasureReport report;
  ErasedPositions plan(found.events);
  for (std::size_t i = 0; i + 1 < manifest.segments.size(); ++i) {
    TRY(const auto rewritten,
        rewrite_segment(store.disk(), store.paths(), manifest.segments[i],
                        manifest.segments[i + 1].base, plan, store.sealed_codec()));
    if (options.on_progress) options.on_progress(manifest.segments[i + 1].base);
    if (!rewritten) continue;
    TRY_DO(store.replace_segment(rewritten->segment));
    report.events += rewritten->counts.erased;
    ++report.segments;
  }
  if (options.forget) TRY_DO(options.forget(found));
  return report;
}

// Does what is pending, while nobody else rewrites segments.
Result<ErasureReport> do_pending(EventStore& store, const ErasureOptions& options) {
  TRY(std::vector<Erasure> pending, pending_erasures(store.disk(), store.paths()));
  ErasureReport total;
  while (!pending.empty()) {
    TRY(const ErasureReport report, erase_found(store, pending.front(), options));
    total += report;
    pending.erase(pending.begin());
    TRY_DO(write_erasures(store.disk(), store.paths(), pending));
  }
  return total;
}

}  // namespace

bool Erasure::has(std::string_view key, Position last_change) const {
  return std::binary_search(events.begin(), events.end(), last_change) ||
         std::any_of(keys.begin(), keys.end(), [&](const SavedKey& saved) {
           return saved.key == key && last_change < saved.before;
         });
}

ErasureReport& ErasureReport::operator+=(const ErasureReport& other) {
  events += other.events;
  keys += other.keys;
  segments += other.segments;
  return *this;
}

Result<std::vector<Erasure>> pending_erasures(Disk& disk, const StorePaths& paths) {
  return erasures_in(disk, paths.erasures);
}

Status write_erasures(Disk& disk, const StorePaths& paths, const std::vector<Erasure>& erasures) {
  if (!erasures.empty()) return replace_file(disk, paths.directory, "erasures", encode(erasures));
  TRY_DO(disk.remove(paths.erasures));
  return disk.sync_directory(paths.directory);
}

// Whatever comes to stand at a later position is none of theirs.
Status inherit_erasures(Disk& disk, const std::string& file, const StorePaths& to, Position end) {
  TRY(std::vector<Erasure> erasures, erasures_in(disk, file));
  for (Erasure& erasure : erasures) {
    std::erase_if(erasure.events, [&](Position position) { return position >= end; });
    for (SavedKey& key : erasure.keys) key.before = std::min(key.before, end);
  }
  return erasures.empty() ? Status() : write_erasures(disk, to, erasures);
}

Result<ErasureReport> erase(EventStore& store, const std::string& stream,
                            const std::vector<std::string>& keys, const ErasureOptions& options) {
  const auto rewriting = store.lock_rewriting();
  TRY(ErasureReport report, do_pending(store, options));
  TRY(const auto reader, store.reader());
  TRY(const FoundRows found, rows_of_keys(*reader, stream, keys, store.durable()));
  report.keys += found.keys.size();
  TRY_DO(write_erasures(store.disk(), store.paths(), {{stream, found.saved, found.events}}));
  TRY(const ErasureReport rest, do_pending(store, options));
  report += rest;
  return report;
}

Result<ErasureReport> resume_erasures(EventStore& store, const ErasureOptions& options) {
  const auto rewriting = store.lock_rewriting();
  return do_pending(store, options);
}

}  // namespace tidelog
