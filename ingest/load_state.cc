#include "ingest/load_state.h"

#include <algorithm>
#include <utility>

namespace tidelog {
namespace {

// Retention took the begin of a load: how it was divided is not known, so it is read anew.
void begin_again(LoadState& state, LoadStep step) {
  state = {};
  state.step = std::move(step);
  state.step.kind = LoadStep::Kind::begun;
  state.is_cut = true;
}

Status follow_chunk(LoadState& state, LoadStep step) {
  if (step.part >= state.parts.size())
    return fail(Code::corrupt, "a chunk of a part that the load does not have");
  LoadState::Part& part = state.parts[step.part];
  part.next = std::move(step.next);
  part.last = step.last;
  part.rows = step.rows;
  return {};
}

Status follow(LoadState& state, LoadStep step) {
  const bool goes_on = step.kind == LoadStep::Kind::divided || step.kind == LoadStep::Kind::chunk;
  if (goes_on && step.number != state.step.number) {
    begin_again(state, std::move(step));
    return {};
  }
  if (goes_on && state.is_cut) return {};
  switch (step.kind) {
    case LoadStep::Kind::begun:
    case LoadStep::Kind::left_out:
      state = {};
      break;
    case LoadStep::Kind::divided:
      state.divide(step.bounds);
      return {};
    case LoadStep::Kind::chunk:
      return follow_chunk(state, std::move(step));
    case LoadStep::Kind::ended:
    case LoadStep::Kind::failed:
    case LoadStep::Kind::cancelled:
      break;
  }
  state.step = std::move(step);
  return {};
}

}  // namespace

bool LoadState::has_chunks() const {
  return std::ranges::any_of(
      parts, [](const Part& part) { return part.last || part.rows != 0 || !part.next.empty(); });
}

std::uint64_t LoadState::rows() const {
  std::uint64_t all = 0;
  for (const Part& part : parts) all += part.rows;
  return all;
}

void LoadState::divide(const std::vector<std::string>& bounds) {
  parts.assign(bounds.size() + 1, {});
  for (std::size_t i = 0; i < bounds.size(); ++i) parts[i].end = parts[i + 1].next = bounds[i];
}

Result<std::map<std::string, LoadState>> read_loads(StoreReader& reader, std::string_view source) {
  std::map<std::string, LoadState> all;
  const std::string prefix = std::string(source) + ".";
  EventFilter filter;
  filter.categories = {prefix};
  filter.types = {std::string(name_of(EventType::load_step))};
  reader.set_filter(std::move(filter));
  for (;;) {
    TRY(const Event* const event, reader.next());
    if (event == nullptr) return all;
    TRY(LoadStep step, read_load_step(event->body.value_or("")));
    TRY_DO(follow(all[std::string(event->stream_name)], std::move(step)));
  }
}

}  // namespace tidelog
