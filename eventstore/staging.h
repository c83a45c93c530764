// StagingWriter: a file of its own for a transaction that is not whole yet, or for tables that are
// half loaded. Nobody sees it until EventStore::adopt; destroying it without that removes the file.
// Its batches have the log's form, with positions and revisions counted from the file's begin, and
// it names every stream and schema that it uses.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/disk.h"
#include "core/event.h"
#include "core/result.h"
#include "eventstore/batch_builder.h"
#include "eventstore/disk_floor.h"
#include "eventstore/format.h"
#include "eventstore/kept_transaction.h"

namespace tidelog {

// The names that a staging file must carry; the store knows them. Any thread.
class NameLookup {
 public:
  virtual ~NameLookup() = default;
  virtual std::string stream_name(StreamId id) const = 0;
  virtual std::string encoded_schema(SchemaId id) const = 0;
};

// One thread.
class StagingWriter {
 public:
  static Result<std::unique_ptr<StagingWriter>> create(Disk& disk, const std::string& path,
                                                       std::uint64_t id, const NameLookup& names,
                                                       DiskFloor& floor);
  ~StagingWriter();
  StagingWriter(const StagingWriter&) = delete;
  StagingWriter& operator=(const StagingWriter&) = delete;

  // Begins a part of the transaction: a load has one for each table.
  Status begin(const Transaction& transaction);
  // Code::disk_full: the event was taken all the same and must not be given again; what did not fit
  // is written by a later add or by the adoption.
  Status add(const EventBody& event);
  std::uint64_t event_count() const { return written_events_ + builder_.event_count(); }
  std::uint64_t bytes() const { return file_offset_ + builder_.bytes(); }

  // For the store: writes what is left and syncs; renames; gives up the file.
  Status finish();
  Status rename_to(const std::string& path);
  void adopted() { path_.clear(); }
  format::AdoptedFile summary() const;
  struct StreamPart {
    std::uint64_t event_count = 0;
    SchemaId schema;  // of its last row; 0: none has one
  };
  const std::map<StreamId, StreamPart>& streams() const { return streams_; }
  // Of all events. The last of each stream is its newest, which need not have the largest number: a
  // version may come back.
  std::vector<std::pair<SchemaId, StreamId>> schemas() const;
  UnixMicros commit_time() const { return commit_time_; }

 private:
  StagingWriter(Disk& disk, std::string path, std::uint64_t id, const NameLookup& names,
                DiskFloor& floor)
      : disk_(disk), path_(std::move(path)), id_(id), names_(names), floor_(floor) {}
  Status flush();
  Status sync();

  Disk& disk_;
  std::string path_;  // empty once adopted
  std::uint64_t id_;
  const NameLookup& names_;
  DiskFloor& floor_;
  std::unique_ptr<File> file_;
  BatchBuilder builder_;
  bool finished_ = false;
  std::optional<Error> broken_;  // a sync failed: the file's content is in doubt

  std::uint64_t file_offset_ = 0;
  std::uint64_t unsynced_bytes_ = 0;
  std::uint64_t batch_count_ = 0;
  std::uint64_t written_events_ = 0;
  std::uint32_t chain_ = 0;
  UnixMicros commit_time_;
  std::map<StreamId, StreamPart> streams_;
  std::map<SchemaId, StreamId> schemas_;       // used by any event
  absl::flat_hash_set<StreamId> new_streams_;  // since the last flush: to be named
  absl::flat_hash_set<SchemaId> new_schemas_;

  // The builder's transaction is cut at each flush and goes on in the next batch: what to begin it
  // with again.
  KeptTransaction transaction_;
};

}  // namespace tidelog
