// Event: one immutable fact, and its record form inside a block of the log (eventstore/FORMAT.md,
// "Records").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/bytes.h"
#include "core/ids.h"
#include "core/result.h"

namespace tidelog {

// The numbers are stored: never renumber, only add.
enum class EventType : std::uint8_t {
  load = 1,  // a row that existed before the stream began
  insert = 2,
  update = 3,
  remove = 4,  // "delete", which C++ keeps for itself
  truncate = 5,
  schema = 6,   // body: the schema (core/schema.h); its id is the record's schema id
  ddl = 7,      // a statement of the database that is no change of rows; body: its text
  message = 8,  // a logical message; attribute `name` is its prefix, the body its content
  gap = 9,      // body: why; source history may be missing
  undecoded = 10,
  application = 11,  // attribute `name` is its event type
  erased = 12,       // what an erasure left: that an event was here, without key and content
  // What was done to a stream as a whole. Events of that stream like any other: with a position and
  // a revision. StreamLife (below) says what they do to those before them.
  stream_truncated = 13,   // body: the first revision that counts from here on (put_first_kept)
  stream_deleted = 14,     // the stream ends here; the next event begins it anew
  stream_tombstoned = 15,  // the stream ends here for ever
  load_step = 16,          // body: how far a load of the table is (core/load_step.h)
};
inline constexpr std::uint8_t event_type_max = 16;

// "insert", "delete", …: the names of DESIGN.md. An application event's own name is in its
// attributes.
std::string_view name_of(EventType type);
std::optional<EventType> event_type_named(std::string_view name);
// Whether it says something of one row.
constexpr bool is_row_event(EventType type) {
  return type == EventType::load || type == EventType::insert || type == EventType::update ||
         type == EventType::remove;
}

constexpr bool is_stream_event(EventType type) {
  return type == EventType::stream_truncated || type == EventType::stream_deleted ||
         type == EventType::stream_tombstoned;
}

// Whether a stream takes events, and which of those that it has still count: the others are passed
// over by whoever reads the stream, and are taken out by the next compaction. The numbers are
// stored.
enum class StreamStatus : std::uint8_t { open = 0, deleted = 1, tombstoned = 2 };
inline constexpr std::uint8_t stream_status_max = 2;
std::string_view name_of(StreamStatus status);  // "open", "deleted", "tombstoned"
struct StreamLife {
  StreamStatus status = StreamStatus::open;
  Revision first;  // the first that counts; of a stream that ended, the revision after its end
  bool operator==(const StreamLife&) const = default;
};

// What is known of the old row.
enum class Before : std::uint8_t { none = 0, key = 1, row = 2 };

// One event without its surroundings: what a source hands over and what a record stores.
struct EventBody {
  EventType type = EventType::insert;
  StreamId stream;
  SchemaId schema;            // of the row; of itself for a schema event; 0 otherwise
  std::uint32_t ordinal = 0;  // its place in the source's transaction, counting row messages
  // half of a key change: a delete, then an insert whose `before` is the old key
  bool moved = false;
  std::optional<std::string_view> key;
  Before before_kind = Before::none;
  std::string_view before;  // the key or the row, as before_kind says
  // the new row; or schema, message, reason, application data
  std::optional<std::string_view> body;
  std::string_view attributes;  // see put_attribute
};

// Attributes: u8 tag | varint length | bytes, in rising order of tag.
enum class Attribute : std::uint8_t {
  name = 1,              // message prefix; application event type; command of a ddl event
  message_lsn = 2,       // the message's own record
  truncate_cascade = 3,  // empty: its presence says it
  truncate_restart = 4,
  // of application events (core/application_event.h)
  event_id = 5,
  content_type = 6,
  metadata = 7,
  correlation_id = 8,
  causation_id = 9,
  reason = 10,  // of a truncate that no TRUNCATE made: why what was known of the table is over; of
                // a ddl event: why it is not known what it touched
  tables = 11,  // of a ddl event: the tables that it touched, see put_names
};
void put_attribute(std::string& out, Attribute tag, std::string_view bytes);
std::optional<std::string_view> find_attribute(std::string_view attributes, Attribute tag);

// sized name*
std::string put_names(const std::vector<std::string>& names);
Result<std::vector<std::string>> read_names(std::string_view bytes);

// The body of a stream_truncated event: varint.
std::string put_first_kept(Revision first);
Result<Revision> read_first_kept(std::string_view body);

// The source's transaction that events came in. Stored before its first event and again at each
// block that it continues in.
struct Transaction {
  std::string_view id;  // "771": what the source calls it; empty for none
  UnixMicros commit_time;
  std::string_view position;      // encoded source position of the commit
  std::string_view origin;        // replication origin name; empty for none
  std::uint64_t event_count = 0;  // 0: the whole adopted staging file
  std::uint64_t event_index = 0;  // of the next event within the transaction
  // encoded position of the commit at the origin; empty: not known
  std::string_view origin_position = {};
  // what it was called while it was prepared (two-phase commit); empty for none
  std::string_view global_id = {};
};

// Record: varint length | u8 type (0 is a transaction) | rest. The relative revision counts the
// stream's earlier events in the same batch (or staging file): the batch says where the stream
// stood.
void put_event_record(std::string& out, const EventBody& event, std::uint64_t relative_revision);

// Appends the record and returns the offset in `out` of its fixed 32-bit event_count, to be patched
// at the commit.
std::size_t put_transaction_record(std::string& out, const Transaction& transaction);

// Stands for `count` events of a rewritten file that retention or compaction took out.
void put_removed_record(std::string& out, std::uint64_t count);

struct Record {
  bool is_transaction = false;
  std::uint64_t removed_count = 0;  // more than 0: a removed record, and nothing else is set
  Transaction transaction;
  EventBody event;
  std::uint64_t relative_revision = 0;
};

// The next record of a block; it borrows from the block.
Result<Record> read_record(ByteReader& block);

// An event as readers see it. Everything is borrowed, until the reader moves on.
struct Event : EventBody {
  Position position;
  Revision revision;
  UnixMicros append_time;
  std::string_view stream_name;
  std::string_view source_name;  // empty for an application event
  Transaction transaction;
};

}  // namespace tidelog
