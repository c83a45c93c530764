#include "eventstore/commit_group.h"

#include "eventstore/block.h"

namespace tidelog {

Result<std::unique_ptr<BatchDraft>> draft_of(const BatchBuilder& batch) {
  auto draft = std::make_unique<BatchDraft>();
  draft->source = batch.source();
  draft->source_position = batch.source_position();
  draft->commit_time = batch.commit_time();
  draft->event_count = batch.event_count();
  draft->runs = batch.runs();
  draft->schemas = batch.schemas();
  draft->body.reserve(batch.bytes());  // no block takes more than its raw bytes
  for (const auto& block : batch.blocks()) {
    TRY(draft->blocks.emplace_back(), put_block(draft->body, block.raw, block.event_count));
  }
  return draft;
}

void put_events(BatchBuilder& batch, const ApplicationAppend& append) {
  batch.begin({});
  std::size_t number = 0;
  std::size_t attributes_begin = 0;
  for (std::size_t i = 0; i < append.streams.size(); ++i) {
    for (const NewEvent& event : append.request.streams[i].events) {
      EventBody body;
      body.type = EventType::application;
      body.stream = append.streams[i];
      body.ordinal = static_cast<std::uint32_t>(number);
      if (event.key) body.key = *event.key;
      body.body = event.data;
      const std::size_t attributes_end = append.attribute_ends[number++];
      body.attributes = std::string_view(append.attributes)
                            .substr(attributes_begin, attributes_end - attributes_begin);
      attributes_begin = attributes_end;
      batch.add(body);
    }
  }
  batch.commit();
}

}  // namespace tidelog
