#include "eventstore/cut_batch.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>

#include "core/event.h"
#include "eventstore/block.h"

namespace tidelog {
namespace {

// What the events that are left out were.
struct LeftOut {
  absl::flat_hash_map<StreamId, std::uint64_t> first;  // the least relative revision of each stream
  absl::flat_hash_set<SchemaId> schemas;               // whose schema event is left out
  absl::flat_hash_set<SchemaId> kept_schemas;          // a version may come back
  // And of what is kept:
  std::uint64_t gone = 0;  // positions that stand for removed events
  UnixMicros commit_time;  // the latest
};

// The records of a block up to the cut. A transaction record is kept with its first event only.
Result<std::string_view> keep_before(std::string_view raw, Position base, Position end,
                                     LeftOut& out) {
  ByteReader in(raw);
  std::size_t kept_bytes = 0;
  Position position = base;
  UnixMicros commit_time;
  while (in.remaining() != 0) {
    TRY(const Record record, read_record(in));
    if (record.is_transaction) {
      commit_time = record.transaction.commit_time;
      continue;
    }
    position = position + std::max<std::uint64_t>(record.removed_count, 1);
    if (position <= end) {
      if (record.event.type == EventType::schema) out.kept_schemas.insert(record.event.schema);
      kept_bytes = raw.size() - in.remaining();
      out.gone += record.removed_count;
      out.commit_time = std::max(out.commit_time, commit_time);
      continue;
    }
    if (record.removed_count != 0) continue;
    const auto [first, is_new] =
        out.first.try_emplace(record.event.stream, record.relative_revision);
    if (!is_new) first->second = std::min(first->second, record.relative_revision);
    if (record.event.type == EventType::schema) out.schemas.insert(record.event.schema);
  }
  return raw.substr(0, kept_bytes);
}

// Of removed records that the cut goes through, what lies before it.
void keep_removed(std::string& raw, std::uint64_t positions) {
  if (positions != 0) put_removed_record(raw, positions);
}

Result<std::uint64_t> positions_in(std::string_view raw) {
  ByteReader in(raw);
  std::uint64_t count = 0;
  while (in.remaining() != 0) {
    TRY(const Record record, read_record(in));
    if (!record.is_transaction) count += std::max<std::uint64_t>(record.removed_count, 1);
  }
  return count;
}

// A stream that begins with what is left out has not begun.
void shorten(format::BatchExtension& extension, const LeftOut& out) {
  absl::flat_hash_set<StreamId> empty;
  for (format::StreamRun& run : extension.runs) {
    const auto first = out.first.find(run.stream);
    if (first != out.first.end()) run.count = std::min(run.count, first->second);
    if (run.count == 0) empty.insert(run.stream);
  }
  std::erase_if(extension.changes, [&](const format::StreamChange& change) {
    return std::none_of(extension.runs.begin(), extension.runs.end(), [&](const auto& run) {
      return run.stream == change.stream && change.revision < run.base + run.count;
    });
  });
  std::erase_if(extension.runs, [](const format::StreamRun& run) { return run.count == 0; });
  std::erase_if(extension.streams,
                [&](const format::StreamName& name) { return empty.contains(name.id); });
  std::erase_if(extension.schemas, [&](const format::SchemaEntry& entry) {
    return out.schemas.contains(entry.id) && !out.kept_schemas.contains(entry.id);
  });
}

}  // namespace

Result<std::string> cut_batch(BatchCursor& cursor, Position end, const SourceBefore& before,
                              format::BatchHeader& header) {
  header = cursor.header();
  format::BatchExtension extension = cursor.extension();
  const std::vector<format::BlockEntry> blocks = std::move(extension.blocks);
  extension.blocks.clear();
  extension.source_position = before.position;
  LeftOut out;
  std::string body;
  Position base = header.base;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    TRY(const std::string_view raw, cursor.block(i));
    TRY(const std::string_view kept, keep_before(raw, base, end, out));
    const std::uint64_t wanted =
        std::min(blocks[i].event_count, end.value - std::min(end.value, base.value));
    base = base + blocks[i].event_count;
    if (wanted == 0) continue;
    std::string block(kept);
    TRY(const std::uint64_t positions, positions_in(kept));
    keep_removed(block, wanted - positions);
    out.gone += wanted - positions;
    TRY(auto entry, put_block(body, block, wanted));
    extension.blocks.push_back(entry);
  }
  shorten(extension, out);
  header.commit_time = std::max(before.commit_time, out.commit_time);
  header.event_count = end.value - header.base.value;
  header.kept_count = header.event_count - out.gone;
  header.body_bytes = body.size();
  format::BatchHeader original = header;
  original.rewritten = false;
  std::string bytes = format::encode(original, extension);
  header.crc = original.crc;
  if (header.rewritten) {
    bytes = format::encode_rewritten(bytes.substr(0, format::batch_fixed_bytes), header, extension);
  } else {
    header = original;
  }
  bytes += body;
  bytes.resize(header.total_bytes(), '\0');
  return bytes;
}

}  // namespace tidelog
