#include "projections/state.h"

#include <algorithm>

namespace tidelog {
namespace {

constexpr std::size_t names_shown_max = 20;

std::string listed(const std::vector<std::string>& names) {
  if (names.empty()) return "the store has no streams yet";
  std::string list = "there are:";
  for (std::size_t i = 0; i < std::min(names.size(), names_shown_max); ++i) list += " " + names[i];
  if (names.size() > names_shown_max) list += " … " + std::to_string(names.size()) + " in all";
  return list;
}

}  // namespace

Status check_stream_exists(StoreReader& reader, const std::string& stream) {
  TRY(const auto names, reader.stream_names());
  if (std::binary_search(names.begin(), names.end(), stream)) return {};
  return fail(Code::not_found, "no stream " + stream + "; " + listed(names));
}

Result<std::unique_ptr<TableFold>> state_at(StoreReader& reader, const std::string& stream,
                                            Position end) {
  TRY_DO(check_stream_exists(reader, stream));
  reader.only_streams({stream});
  reader.read_until(end);
  TRY_DO(reader.seek(Position{0}));
  auto fold = std::make_unique<TableFold>([&reader](SchemaId id) { return reader.schema(id); });
  for (;;) {
    TRY(const Event* event, reader.next());
    if (event == nullptr || event->position >= end) return fold;
    TRY_DO(fold->apply(*event));
  }
}

}  // namespace tidelog
