// Retention and compaction: which events of sealed segments are no longer kept, and taking them
// out. Positions and revisions stay; what is gone is passed over by readers, and segments at the
// log's begin of which nothing is left are let go.
//
// A table stream is cut only where a base snapshot was made before: its state from there on is
// told as ever, and its history begins there. While a load of it is open nothing of it goes, and
// what says that its last load has left rows out stays.
//
// Without any rule, too, what no longer counts of streams that were truncated or ended
// (EventStore::truncate_stream, …) is taken out, save the event that ended a stream, and with an
// ended stream its aggregate snapshots. That event goes by the rules like any other; that the
// stream ended stays known.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "eventstore/event_store.h"

namespace tidelog {

// What a stream keeps. Each limit takes away by itself. Table streams are cut at a segment's begin,
// and so is every stream by max_bytes: they keep somewhat more.
struct RetentionRule {
  std::optional<std::chrono::microseconds> max_age;  // since the append
  std::optional<std::uint64_t> max_count;            // of events
  std::optional<std::uint64_t> max_bytes;            // of keys, rows, content and attributes
  // Of a table stream: what comes before the event of this revision. Other streams are truncated by
  // EventStore::truncate_stream.
  std::optional<Revision> before;
  // Only the newest event of each key, and what that one needs: an event that lacks values keeps
  // those before it. Streams without keys are left alone.
  bool compact = false;
  // With `compact`: deletions older than this go, too, and markers of erased events.
  std::chrono::microseconds keep_deletions = std::chrono::hours(24 * 7);

  bool operator==(const RetentionRule&) const = default;
  bool any() const { return max_age || max_count || max_bytes || before || compact; }
};

// What earlier runs on this store have done, so that the next one need not read it all again. Kept
// by the caller, in memory alone.
struct RetentionMemory {
  std::map<StreamId, Position> cut;        // nothing of the stream is left before
  std::map<StreamId, Position> compacted;  // compacted up to there
  // Nothing of the stream that does not count is left before the position.
  struct Counting {
    StreamLife life;
    Position through;
    bool operator==(const Counting&) const = default;
  };
  std::map<StreamId, Counting> counting;
  // What is written to sealed segments' log files, by segment and generation.
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> written_bytes;
};

struct RetentionPlan {
  // No rule: all is kept.
  std::function<RetentionRule(std::string_view stream)> rule_of;
  // Makes and verifies the base snapshot of a table stream at the position; nothing of the stream
  // is removed when it fails.
  std::function<Status(const std::string& stream, Position position)> make_base;
  // When more is written to the segments' files, all streams are cut at the last segment's begin
  // from which on at least so much is left. Zeros that a segment is filled up with do not count.
  std::optional<std::uint64_t> store_max_bytes;
  // Events from here on are kept, whatever the rules say: a consumer has not read them.
  Position floor{UINT64_MAX};
  // Compaction remembers so much of the keys that it meets, rewrites, and begins to remember anew.
  std::uint64_t keys_bytes_max = 64 << 20;
  std::function<void(Position done)> on_progress;
  std::stop_token stop;
};

struct RetentionReport {
  std::uint64_t events_removed = 0;
  std::uint64_t segments_rewritten = 0;
  std::uint64_t segments_let_go = 0;
  // Written to the log's files of the segments that were rewritten or let go: the zeros that a
  // segment was filled up with and indexes do not count.
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
  bool held_back = false;  // the floor, or an open load, kept events that a rule would have taken
};

// Looks at sealed segments only: seal first to have all events looked at. Appends go on meanwhile.
// Code::cancelled when asked to stop: what was done by then stays, and the next run does the rest.
Result<RetentionReport> apply_retention(EventStore& store, const RetentionPlan& plan,
                                        RetentionMemory& memory);

}  // namespace tidelog
