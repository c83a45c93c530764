// Catalog: the names behind the numbers, as far as a log has been read or written: streams with
// their next revision, sources with their position, schema versions. The writer and every reader
// build their own from segment heads and batch extensions.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/format.h"

namespace tidelog {

// One thread, or the owner's mutex.
class Catalog {
 public:
  // Forgets all but the schemas, whose addresses others hold: before reading goes on at another
  // segment.
  void restart();
  // What a segment begins with. Schemas met before stay known.
  Status apply(const format::SegmentHead& head);
  // What a batch of the log adds. For a batch inside a staging file use define() alone: its
  // revisions are counted from the commit.
  Status apply(const format::BatchHeader& header, const format::BatchExtension& extension);
  Status define(const format::BatchExtension& extension);

  // The head of a segment that begins now; the caller fills in the rest.
  void describe(format::SegmentHead& head) const;

  const format::StreamEntry* stream(StreamId id) const;
  const format::StreamEntry* stream_named(std::string_view name) const;
  const format::SourceEntry* source(SourceId id) const;
  const format::SourceEntry* source_named(std::string_view name) const;
  const Schema* schema(SchemaId id) const;
  // The stream's newest version; id 0 when it has none.
  const format::SchemaEntry* newest_schema(StreamId id) const;

  const std::map<StreamId, format::StreamEntry>& streams() const { return streams_; }
  const std::map<SourceId, format::SourceEntry>& sources() const { return sources_; }
  // Whether any stream was ever truncated or ended.
  bool has_lives() const { return has_lives_; }
  UnixMicros append_time() const { return append_time_; }

  std::uint32_t last_stream_id() const {
    return streams_.empty() ? 0 : streams_.rbegin()->first.value;
  }
  std::uint32_t last_source_id() const {
    return sources_.empty() ? 0 : sources_.rbegin()->first.value;
  }
  std::uint32_t last_schema_id() const { return last_schema_id_; }

 private:
  Status define(const format::SchemaEntry& schema);
  Status apply(const format::BatchHeader& header, const format::StreamChange& change);

  std::map<StreamId, format::StreamEntry> streams_;
  std::map<SourceId, format::SourceEntry> sources_;
  std::map<std::string, StreamId, std::less<>> stream_ids_;
  std::map<std::string, SourceId, std::less<>> source_ids_;
  std::map<StreamId, format::SchemaEntry> newest_schemas_;
  // stable addresses: readers hand them out
  absl::flat_hash_map<SchemaId, std::unique_ptr<const Schema>> schemas_;
  std::uint32_t last_schema_id_ = 0;
  bool has_lives_ = false;
  UnixMicros append_time_;
};

}  // namespace tidelog
