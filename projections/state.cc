#include "projections/state.h"

#include "projections/known_schemas.h"

namespace tidelog {
namespace {

// Where the events begin that are still to be folded.
struct Begun {
  std::unique_ptr<TableFold> fold;
  Position next;
};

Result<Begun> begin_fold(StoreReader& reader, const StateFile* snapshot) {
  const auto schemas = std::make_shared<KnownSchemas>(reader);  // the fold keeps it
  Begun begun;
  begun.fold = std::make_unique<TableFold>([schemas](SchemaId id) { return schemas->get(id); });
  if (snapshot == nullptr) return begun;
  TRY_DO(schemas->add(*snapshot));
  TRY_DO(begun.fold->resume(snapshot->about()));
  begun.next = snapshot->about().position;
  StateCursor rows(*snapshot);
  for (;;) {
    TRY(const StoredRow* row, rows.next());
    if (row == nullptr) return begun;
    begun.fold->put(*row);
  }
}

}  // namespace

Status check_stream_exists(StoreReader& reader, const std::string& stream) {
  TRY_DO(stream_state(reader, stream));
  return {};
}

namespace {

Result<std::unique_ptr<TableFold>> fold_once(StoreReader& reader, const StreamState& stream,
                                             Position end, const OnDamage& on_damage) {
  Begun begun;
  TRY_DO(with_nearest_snapshot(reader, stream, end, on_damage,
                               [&](const StateFile* snapshot) -> Status {
                                 TRY(begun, begin_fold(reader, snapshot));
                                 return {};
                               }));
  reader.only_streams({stream.name});
  reader.read_until(end);
  TRY_DO(reader.seek(begun.next));
  for (;;) {
    TRY(const Event* event, reader.next());
    if (event == nullptr || event->position >= end) return std::move(begun.fold);
    TRY_DO(begun.fold->apply(*event));
  }
}

}  // namespace

// Retention may cut the stream meanwhile: then it is told anew, from its new begin.
Result<std::unique_ptr<TableFold>> state_at(StoreReader& reader, const std::string& stream,
                                            Position end, const OnDamage& on_damage) {
  TRY(const StreamState state, stream_state(reader, stream));
  TRY(Position base, base_position(reader, state.id));
  for (;;) {
    auto fold = fold_once(reader, state, end, on_damage);
    TRY(const Position now, base_position(reader, state.id));
    if (now == base) return fold;
    base = now;
  }
}

}  // namespace tidelog
