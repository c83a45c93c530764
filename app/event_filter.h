// Which events a command shows: streams, types and a key, joined by AND, as a person writes them.
// What of it the store can look up goes into the reader's own filter.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/result.h"
#include "eventstore/event_filter.h"
#include "eventstore/store_reader.h"

namespace tidelog {

// One thread; borrows the reader.
class EventChoice {
 public:
  // Code::misconfigured names a type that does not exist and the nearest one. Moves and narrows the
  // reader.
  static Result<EventChoice> make(StoreReader& reader, std::vector<std::string> stream_patterns,
                                  std::vector<std::string> types, std::optional<std::string> key);

  // For the reader: it gives every event that takes() takes, and few others. `streams` are the
  // names that the patterns stand for; without any, the patterns speak, of streams to come as well.
  enum class Lasting : std::uint8_t { until_now, for_ever };
  Result<EventFilter> for_reader(const std::vector<std::string>& streams, Lasting lasting);

  Result<bool> takes(const Event& event);

  // Why no key can have matched: the key's text fits no version of the stream's schema.
  Status key_was_readable() const;

 private:
  explicit EventChoice(StoreReader& reader) : reader_(&reader) {}
  bool takes_stream(const Event& event);
  bool takes_type(const Event& event) const;
  Result<bool> takes_key(const Event& event);
  Result<const std::optional<std::string>*> key_for(SchemaId schema);
  Result<std::vector<std::string>> keys_until_now();

  StoreReader* reader_;
  std::vector<std::string> patterns_;
  std::vector<std::string> types_;
  std::optional<std::string> key_;
  absl::flat_hash_map<StreamId, bool> streams_;
  // The key's bytes by schema version; none where the text does not fit.
  absl::flat_hash_map<SchemaId, std::optional<std::string>> keys_;
  std::optional<Error> unreadable_;
  bool was_readable_ = false;
};

}  // namespace tidelog
