// SimulatedHistory: all that a simulated store was asked to do, and so what it must and may hold
// after a crash at any moment. It is the oracle of the crash simulator: plain vectors and maps, and
// nothing of the store's own code.
//
// Of every event it says which fates are possible: kept, removed (by retention, as far as its rule
// allows), erased. While retention or an erasure is at work there are several; once that is
// acknowledged there is one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "eventstore/application_append.h"
#include "eventstore/retention.h"
#include "eventstore/stream_change.h"

namespace tidelog::testing {

// What may have become of an event.
struct Standing {
  bool kept = true;
  bool removed = false;
  bool erased = false;
  bool forgotten = false;  // its row was erased: no state shows it
};
using Standings = std::vector<Standing>;  // by position

// `more` is nothing when it was not sent.
struct SimulatedRow {
  std::int64_t id = 0;
  std::string note;
  std::optional<std::string> more;
  bool operator==(const SimulatedRow&) const = default;
};
using SimulatedTable = std::map<std::int64_t, SimulatedRow>;

struct IssuedEvent {
  EventType type = EventType::application;
  std::string stream;
  std::uint64_t revision = 0;
  std::string source;
  std::string transaction;  // the source's id
  std::uint64_t transaction_index = 0, transaction_count = 0;
  UnixMicros append_time;

  // Of row events. A life is a row from its insertion to its deletion, through all its keys.
  SimulatedRow row;
  bool moved = false;
  std::size_t life = 0;

  // As they are stored; of application events also the type's name and the id.
  std::optional<std::string> key;
  Before before_kind = Before::none;
  std::string before;
  std::optional<std::string> body;
  std::string name, id;

  std::uint64_t first_kept = 0;  // of one that truncates its stream

  std::string secret;  // part of the content: nowhere to be found once the event is erased
  Standing standing;
  bool was_erased = false;  // what marked it may be removed since
};

class SimulatedHistory {
 public:
  // ---- Appends, one at a time ----

  // Puts the events behind the others, and numbers them. They are there all or none until
  // `acknowledge`. `source` and its position may be empty.
  std::uint64_t issue(std::vector<IssuedEvent> events, std::string source, std::string position);
  void acknowledge();
  const std::vector<IssuedEvent>& events() const { return events_; }
  std::uint64_t acknowledged() const { return acknowledged_; }  // of them
  std::uint64_t next_revision(const std::string& stream) const;
  // The sources' positions in a store that holds the events before `end`.
  std::map<std::string, std::string> positions(bool with_unacknowledged) const;
  // The request that is not answered yet.
  std::optional<AppendRequest> request;
  std::optional<StreamRequest> change;

  // What the events before `end` made of the streams that were truncated or ended.
  using Lives = std::map<std::string, StreamLife>;
  Lives lives(std::uint64_t end) const;

  // ---- What takes events away, one at a time ----

  using Rules = std::map<std::string, RetentionRule>;  // by stream
  void begin_retention(const Rules& rules, UnixMicros now, Position floor);
  // Of the row, or the application's events, under the key. `base`: where the stream's base
  // snapshot stands, which may hold rows of which no event is left.
  void begin_erasure(const std::string& stream, const std::string& key, Position base);
  struct Erasing {
    std::string stream;
    std::vector<std::uint64_t> events;  // those removed before as well: state files may tell them
  };
  const std::optional<Erasing>& erasing() const { return erasing_; }
  // What took events away is acknowledged, and this is what the store has now. Returns the first
  // event that should be gone and is not.
  std::optional<std::uint64_t> settle(const Standings& found);
  const std::vector<std::string>& erased_secrets() const { return erased_secrets_; }

  Standings standings() const;
  // The rows of a table after the events before `end`.
  SimulatedTable table(const std::string& stream, std::uint64_t end,
                       const Standings& standings) const;

  // ---- Backups ----

  struct Backup {
    UnixMicros time;
    std::uint64_t end = 0;  // it holds the events before
    Standings standings;
    std::size_t erased_secrets = 0;  // so many of them are not in it
  };
  std::optional<Backup> backup;          // the last that was acknowledged
  std::optional<UnixMicros> backing_up;  // one is being made, of this time
  Backup backup_of(UnixMicros time, std::uint64_t end) const;

  // ---- What applications saved of their streams ----

  struct Saved {
    std::uint64_t revision = 0;
    std::string bytes;
    bool operator==(const Saved&) const = default;
  };
  std::map<std::string, Saved> saved;                   // by stream, acknowledged
  std::optional<std::pair<std::string, Saved>> saving;  // not acknowledged

 private:
  void begin_to_remove(std::uint64_t position, bool is_exact);
  bool is_beyond(const IssuedEvent& event, const RetentionRule& rule, UnixMicros now) const;
  bool is_compacted(std::uint64_t position, const RetentionRule& rule, UnixMicros now) const;
  std::vector<std::uint64_t> rows_under(const std::string& stream, const std::string& key,
                                        Position base) const;

  std::vector<IssuedEvent> events_;
  std::uint64_t acknowledged_ = 0;
  std::map<std::string, std::uint64_t> revisions_;  // the next one
  std::map<std::string, std::string> positions_;
  std::string source_, position_;  // of the append that is not acknowledged
  std::optional<Erasing> erasing_;
  std::vector<std::uint64_t> must_go_;
  Lives lives_before_;  // retention
  std::vector<std::string> erased_secrets_;
};

bool is_table(const std::string& stream);

StreamLife life_in(const SimulatedHistory::Lives& lives, const std::string& stream);
// Whether who reads the event's stream is given it, and whether it is kept: also the event that
// ended the stream.
bool is_read(const IssuedEvent& event, const StreamLife& life);
bool is_kept(const IssuedEvent& event, const StreamLife& life);

}  // namespace tidelog::testing
