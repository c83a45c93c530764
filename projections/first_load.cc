#include "projections/first_load.h"

#include <utility>

namespace tidelog {
namespace {

Result<std::unique_ptr<StoreReader>> steps_of(StoreReader& reader, const std::string& stream) {
  TRY(auto steps, StoreReader::open(reader.disk(), reader.directory()));
  EventFilter filter;
  filter.streams = {stream};
  filter.types = {std::string(name_of(EventType::load_step))};
  steps->set_filter(std::move(filter));
  return steps;
}

}  // namespace

Result<std::optional<LoadStep>> last_load_step(StoreReader& reader, const std::string& stream,
                                               Position end) {
  TRY(const auto steps, steps_of(reader, stream));
  TRY_DO(steps->seek(end));
  TRY(const Event* const event, steps->previous());
  if (event == nullptr) return std::optional<LoadStep>();
  TRY(LoadStep step, read_load_step(event->body.value_or("")));
  return std::optional(std::move(step));
}

Result<std::optional<LoadStep>> open_first_load(StoreReader& reader, const std::string& stream,
                                                Position end) {
  auto last = last_load_step(reader, stream, end);
  if (!last || !*last) return last;
  const bool is_open = (*last)->fresh && (*last)->kind != LoadStep::Kind::ended;
  return is_open ? std::move(last) : Result<std::optional<LoadStep>>(std::nullopt);
}

Result<std::optional<Position>> first_load_end(StoreReader& reader, const std::string& stream,
                                               Position end) {
  std::optional<Position> found;
  TRY(const auto steps, steps_of(reader, stream));
  TRY_DO(steps->seek(end));
  for (;;) {
    TRY(const Event* const event, steps->next());
    if (event == nullptr) return found;
    TRY(const LoadStep step, read_load_step(event->body.value_or("")));
    if (step.fresh && step.kind == LoadStep::Kind::ended) return std::optional(event->position);
  }
}

}  // namespace tidelog
