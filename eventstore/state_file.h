// State files: the fold of one stream at a position (key -> row), immutable, sorted, checksummed:
// a state snapshot (FORMAT.md section "State files"). The fold itself is projections/table_fold.h;
// here are only its bytes. Written once from first to last row, read as a whole or by key.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "core/schema.h"
#include "eventstore/format.h"
#include "eventstore/stored_row.h"

namespace tidelog {

// What a state file says of the fold beside its rows.
struct StateAbout {
  struct Contradiction {
    std::uint8_t what = 0;  // projections/table_fold.h
    Position position;
    bool operator==(const Contradiction&) const = default;
  };

  std::string store;  // uuid, 16 bytes
  StreamId stream;
  std::string stream_name;
  Position position;       // every event of the stream before it is folded in
  Revision revision;       // of the stream's next event
  UnixMicros append_time;  // of the last event that is folded in
  // What is before `position` may be removed from the log: the file cannot be made again.
  bool base = false;
  bool loaded = false;        // the history holds every row
  bool loading = false;       // the first load of the table has not ended
  bool some_unknown = false;  // some row of a table without a key may have an Unchanged value
  SchemaId schema;            // the newest; 0 before the first
  std::uint64_t row_count = 0;
  std::uint64_t gap_count = 0;
  std::uint64_t contradiction_count = 0;
  std::vector<Contradiction> contradictions;  // the first of them
  std::uint64_t before_history_count = 0;
  bool operator==(const StateAbout&) const = default;
};

// The stored form of a schema version (put_schema).
using EncodedSchemas = std::function<Result<std::string>(SchemaId)>;

// One thread.
class StateFileWriter {
 public:
  static Result<StateFileWriter> create(Disk& disk, const std::string& path);

  // In rising order of keys (KeyOrder), each once.
  Status add(const StoredRow& row);
  std::uint64_t key_count() const { return key_count_; }
  // Writes the rest and syncs the file. Its name is durable only after the directory's sync.
  Status finish(const StateAbout& about, const EncodedSchemas& schemas);

 private:
  explicit StateFileWriter(std::unique_ptr<File> file) : file_(std::move(file)) {}
  Status end_block();
  Status end_index_block();
  Result<std::string> placed_block(const std::string& raw, std::uint64_t count,
                                   const std::string& first_key);
  Status write_pending(std::size_t bytes_min);

  std::unique_ptr<File> file_;
  std::uint64_t file_offset_ = 0;  // of what is pending
  std::string pending_;            // whole blocks, not yet written
  std::string block_, block_first_key_;
  std::uint64_t block_rows_ = 0;
  std::string index_, index_first_key_;
  std::uint64_t index_entries_ = 0;
  std::string directory_;  // index blocks
  std::uint64_t directory_entries_ = 0;
  std::string last_key_;
  std::uint64_t key_count_ = 0;
  absl::flat_hash_map<SchemaId, bool> schemas_;
};

// One thread. A damaged file is Code::corrupt, when it is opened or when the damage is met.
class StateFile {
 public:
  static Result<std::unique_ptr<StateFile>> open(Disk& disk, const std::string& path);

  const StateAbout& about() const { return about_; }
  std::uint64_t key_count() const { return key_count_; }
  const std::string& path() const { return path_; }
  std::uint64_t file_bytes() const { return file_bytes_; }

  // Of the rows here, and the newest: earlier segments, where they were defined, may be gone. It
  // lives as long as the file.
  Result<const Schema*> schema(SchemaId id) const;
  std::vector<SchemaId> schema_ids() const;

  // The row under a key: reads one block of the index and one of rows, and keeps both. Borrowed
  // until the next call.
  Result<std::optional<StoredRow>> find(std::string_view key);

 private:
  friend class StateCursor;

  struct Entry {  // of the index, or of the directory
    std::string first_key;
    std::uint64_t file_offset = 0;
    format::BlockEntry block;
  };

  StateFile() = default;
  Status read_directory(std::string_view bytes);
  static Result<std::vector<Entry>> read_entries(std::string_view raw, std::uint64_t count);
  Result<std::string_view> read_block(const Entry& entry, std::string& stored,
                                      std::string& inflated) const;
  Result<std::vector<Entry>> read_index_block(std::size_t number) const;
  Status load_index_block(std::size_t number);
  Status load_row_block(const Entry& entry);

  std::string path_;
  std::unique_ptr<File> file_;
  std::uint64_t file_bytes_ = 0;
  StateAbout about_;
  std::uint64_t key_count_ = 0;
  std::vector<Entry> directory_;
  struct Version {
    SchemaId id;
    std::unique_ptr<const Schema> schema;
  };
  std::vector<Version> schemas_;

  // What find() keeps.
  std::optional<std::size_t> index_number_;
  std::vector<Entry> index_;
  std::optional<std::uint64_t> rows_offset_;  // in the file, of the block that follows
  std::string rows_stored_, rows_inflated_;
  std::vector<StoredRow> rows_;  // borrowed from the two
};

// Every row in order. Checks the order and, at the end, the number of rows. One thread; the file
// must outlive it.
class StateCursor {
 public:
  explicit StateCursor(const StateFile& file) : file_(file) {}
  // Null after the last. Borrowed until the next call.
  Result<const StoredRow*> next();

 private:
  Result<bool> next_block();

  const StateFile& file_;
  std::size_t index_number_ = 0;
  std::vector<StateFile::Entry> index_;
  std::size_t index_next_ = 0;
  std::string stored_, inflated_;
  ByteReader block_{{}};
  std::uint64_t block_rows_left_ = 0;
  StoredRow row_;
  std::string last_key_;
  std::uint64_t key_count_ = 0;
  std::uint64_t row_count_ = 0;
};

// Reads every byte: all checksums, the order, the counts.
Status verify_state_file(Disk& disk, const std::string& path);

// The file anew, for the store `uuid`, without the rows that `gone` takes; written to `path`,
// synced and read back.
Status copy_state_file(Disk& disk, const StateFile& from, const std::string& path,
                       const std::string& uuid, const std::function<bool(const StoredRow&)>& gone);

}  // namespace tidelog
