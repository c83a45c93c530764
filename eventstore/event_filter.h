// EventFilter: which events are wanted, joined by AND; the same for readers, the command line,
// sinks and subscriptions (DESIGN.md section 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "eventstore/catalog.h"
#include "eventstore/stream_table.h"

namespace tidelog {

struct EventFilter {
  // Names, and categories: prefixes that end in a dot. An event of any of them is taken; without
  // either, of every stream.
  std::vector<std::string> streams;
  std::vector<std::string> categories;
  // "insert", …, or an application's own that is called like none of ours; `application` takes all
  // of those. And an application's own, whatever it is called. An event of any of them is taken;
  // without either, of every type.
  std::vector<std::string> types;
  std::vector<std::string> application_types;
  // Stored forms of one key, in each version of the schema that writes it differently. Empty: any.
  std::vector<std::string> keys;
  // With keys: what changed their rows, too. Events that moved a row from or to such a key, and
  // those of the stream that have no key but may concern it: truncate, undecoded.
  bool whole_history = false;
  // Application events with any of these ids (core/application_event.h). Empty: any.
  std::vector<std::string> event_ids;

  // Of streams that are named, also the events that no longer count (core/event.h, StreamLife) and
  // are still there.
  bool also_not_counting = false;

  bool names_types() const { return !types.empty() || !application_types.empty(); }
  bool names_streams() const { return !streams.empty() || !categories.empty(); }
};

// A filter at work on records. One thread.
class FilterMatch {
 public:
  void set(EventFilter filter);
  const EventFilter& filter() const { return filter_; }
  // Streams' names were forgotten by the catalog, or learned: what was decided by number stands, as
  // numbers mean the same for ever; what could not be decided is asked again.
  bool wants_stream(StreamId stream, const Catalog& catalog) {
    if (!filter_.names_streams()) return true;
    const Wanted* const known = by_stream_.find(stream);
    if (known != nullptr && *known != Wanted::unknown) return *known == Wanted::yes;
    return decide(stream, catalog);
  }
  // False: no event of this type is wanted. `type` may be of a newer format.
  bool may_want_type(std::uint8_t type) const {
    return !filter_.names_types() || type > event_type_max || type_wanted_[type];
  }
  // For an event whose stream is wanted, and whose type may be.
  bool wants(const EventBody& event, Position position) {
    return (!filter_.names_types() || wants_type(event)) &&
           (filter_.keys.empty() || wants_key(event, position)) &&
           (filter_.event_ids.empty() || wants_id(event));
  }

  // The numbers of all wanted streams, when the filter names each and all are known.
  std::optional<std::vector<StreamId>> known_streams(const Catalog& catalog);

 private:
  enum class Wanted : std::uint8_t { unknown, yes, no };

  bool decide(StreamId stream, const Catalog& catalog);
  bool takes_name(std::string_view name) const;
  bool wants_type(const EventBody& event) const;
  bool wants_key(const EventBody& event, Position position);
  bool wants_id(const EventBody& event) const;
  bool is_key(std::string_view key) const;

  EventFilter filter_;
  StreamTable<Wanted> by_stream_;
  std::vector<std::optional<StreamId>> ids_;  // of filter_.streams
  bool type_wanted_[event_type_max + 1] = {};
  bool all_applications_ = false;
  std::vector<std::string> application_names_;
  // The first half of a wanted key change: its second is wanted as well.
  struct Half {
    StreamId stream;
    Position position;
  };
  std::optional<Half> moved_;
};

}  // namespace tidelog
