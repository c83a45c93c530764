#include "eventstore/event_lookup.h"

#include "core/application_event.h"
#include "eventstore/store_reader.h"

namespace tidelog {
namespace {

// What makes two events of one id the same. Metadata, correlation and causation may differ: a retry
// may come in another trace.
bool is_same(const EventBody& stored, const ApplicationAttributes& attributes,
             const NewEvent& event) {
  return attributes.type == event.type && stored.body.value_or("") == event.data &&
         stored.key == event.key && attributes.content_type == event.content_type;
}

void compare(const EventBody& stored, Position position, Revision revision, StreamId stream,
             const NewEvent& event, std::vector<FoundEvent>& found) {
  if (stored.type != EventType::application || stored.stream != stream) return;
  const ApplicationAttributes attributes = read_application_attributes(stored.attributes);
  if (attributes.id != event.id) return;
  found.push_back({position, revision, is_same(stored, attributes, event)});
}

}  // namespace

EventLookup::EventLookup(Disk& disk, const std::string& directory, const RecentIds& recent)
    : disk_(disk), directory_(directory), recent_(recent) {}
EventLookup::~EventLookup() = default;

Result<StoreReader*> EventLookup::reader() {
  if (reader_ == nullptr) {
    TRY(reader_, StoreReader::open(disk_, directory_));
  }
  return reader_.get();
}

Result<std::vector<FoundEvent>> EventLookup::find(const Stream& stream, const NewEvent& event,
                                                  EventIdHash hash) {
  const RecentIds::Found recent = recent_.find(hash, {0});
  std::vector<FoundEvent> found;
  if (recent.first.value != 0) TRY_DO(find_sealed(stream, event, recent.first, found));
  for (const Position position : recent.positions) TRY_DO(look_at(position, stream, event, found));
  return found;
}

// In the last segment fast; otherwise as every reader finds a position.
Status EventLookup::look_at(Position position, const Stream& stream, const NewEvent& event,
                            std::vector<FoundEvent>& found) {
  TRY(const bool was_read, recent_.read(position, [&](const EventBody& stored, Revision revision) {
    compare(stored, position, revision, stream.id, event, found);
  }));
  if (was_read) return {};
  const std::lock_guard lock(mutex_);
  TRY(StoreReader* const reader, this->reader());
  reader->only_streams({});
  reader->read_until({UINT64_MAX});
  TRY_DO(reader->seek(position));
  TRY(const Event* const stored, reader->next());
  if (stored != nullptr && stored->position == position)
    compare(*stored, stored->position, stored->revision, stream.id, event, found);
  return {};
}

Status EventLookup::find_sealed(const Stream& stream, const NewEvent& event, Position end,
                                std::vector<FoundEvent>& found) {
  const std::lock_guard lock(mutex_);
  TRY(StoreReader* const reader, this->reader());
  EventFilter filter;
  filter.streams.emplace_back(stream.name);
  filter.event_ids.emplace_back(event.id);
  filter.also_not_counting = true;  // decide() knows what counts by then
  reader->set_filter(std::move(filter));
  reader->read_until(end);
  TRY_DO(reader->seek({0}));
  for (;;) {
    TRY(const Event* const stored, reader->next());
    if (stored == nullptr) return {};
    compare(*stored, stored->position, stored->revision, stream.id, event, found);
  }
}

}  // namespace tidelog
