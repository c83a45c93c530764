#include "tests/eventstore/every_file.h"

#include <fmt/format.h>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/backup.h"
#include "eventstore/erasure.h"
#include "eventstore/rewrite.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "eventstore/store_marks.h"
#include "tests/eventstore/every_kind.h"
#include "tests/eventstore/store_fixture.h"

namespace tidelog::testing {
namespace {

constexpr std::uint64_t segment_bytes = 2048;

// Every seventh event goes, and every seventh is erased.
class SomeFates : public RewritePlan {
 public:
  bool touches(Position, Position) override { return true; }
  Result<Fate> fate(const Event& event) override {
    const std::uint64_t n = event.position.value % 7;
    return n == 3 ? Fate::remove : n == 5 ? Fate::erase : Fate::keep;
  }
};

void append_rows(EventStore& store, std::int64_t first, int count) {
  Writer writer(store);
  for (int i = 0; i < count; ++i) {
    writer.begin(static_cast<std::uint64_t>(first + i), first + i);
    for (int row = 0; row < 2; ++row) writer.row(first + i, "a note that is a note that is a note");
    must(writer.commit());
  }
}

void rewrite_sealed(EventStore& store) {
  must(store.seal());
  const format::Manifest manifest = store.manifest();
  for (std::size_t i = 0; i + 1 < manifest.segments.size(); ++i) {
    SomeFates plan;
    const auto done =
        must(rewrite_segment(store.disk(), store.paths(), manifest.segments[i],
                             manifest.segments[i + 1].base, plan, format::Codec::zstd));
    if (done) must(store.replace_segment(done->segment));
  }
}

void save_state(EventStore& store, const SnapshotName& name) {
  const StateDirectory states(store.disk(), store.paths().directory);
  const auto lock = must(states.lock("a test"));
  auto writer = must(StateFileWriter::create(store.disk(), states.path(name)));
  for (std::int64_t id = 1; id <= 3; ++id) {
    std::string key;
    put_value(key, Value(id));
    std::string row = key;
    put_value(row, Value(Text{"a row of the snapshot"}));
    must(writer.add({key, row, {1}, {3}, {3}, 1}));
  }
  StateAbout about;
  about.store = store.manifest().uuid;
  about.stream = name.stream;
  about.stream_name = "shop.public.orders";
  about.position = name.position;
  about.base = name.base;
  about.row_count = 3;
  about.contradiction_count = 1;
  about.contradictions = {{1, {2}}};
  must(writer.finish(about, [](SchemaId) -> Result<std::string> {
    std::string schema;
    put_schema(schema, orders_schema());
    return schema;
  }));
}

// What it has to forget outside the log cannot be forgotten: so it stays to be done.
void leave_erasure(EventStore& store) {
  std::string key;
  put_value(key, Value(std::int64_t{21}));
  ErasureOptions options;
  options.forget = [](const Erasure&) { return fail(Code::disk_full, "not now"); };
  REQUIRE(!erase(store, "shop.public.orders", {key}, options));
}

}  // namespace

StoreOptions EveryFile::options() { return small_store(segment_bytes); }

EveryFile::EveryFile() {
  FaultyDisk living;
  FakeClock clock;
  const auto opened = must(EventStore::open(living, clock, store, options()));
  append_rows(*opened, 1, 3);  // stream 1
  append_every_kind(*opened, Samples::short_ones);
  adopt_every_kind(*opened, Samples::short_ones, 1);
  append_application(*opened, "a");
  append_rows(*opened, 10, 2);
  rewrite_sealed(*opened);

  clock.advance(std::chrono::seconds(1));
  append_rows(*opened, 20, 3);
  adopt_every_kind(*opened, Samples::short_ones, 1);
  append_application(*opened, "b");
  change_streams(*opened);
  save_state(*opened, {{1}, {6}, true});
  save_state(*opened, {{1}, {9}, false});
  must(AggregateSnapshots(living, store, opened->manifest().uuid)
           .save(opened->stream("carts.1"), "carts.1", {{0}, "an aggregate"}));
  leave_erasure(*opened);
  must(opened->make_indexes());

  append_rows(*opened, 30, 2);
  BatchBuilder position_alone;
  position_alone.set_source(opened->source("books"), "page 7");
  must(opened->append(position_alone));
  append_application(*opened, "c");
  must(write_origin(living, opened->paths(),
                    {OriginKind::restored, true, "0123456789abcdef", {3}, clock.now()}));
  must(back_up_store(living, clock, store, backup, [](const CopyProgress&) {}));
  const auto staged = must(opened->stage());
  must(staged->begin({"99", {}, {}, {}, 0, 0}));
  must(Writer(*opened).put_row(*staged, 40, "not whole yet"));
  must(staged->finish());
  disk = living.after_kill();
  // As its background thread would have left it.
  disk.put_file(StorePaths(store).spare, std::string(segment_bytes, '\0'));
  events = must(whole_lines(*must(opened->reader())));
}

std::string whole_line_of(const Event& event) {
  const Transaction& t = event.transaction;
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}",
                     event.position.value, event.stream_name, event.revision.value,
                     name_of(event.type), event.schema.value, event.ordinal, event.moved,
                     event.key.value_or("none"), static_cast<int>(event.before_kind), event.before,
                     event.body.value_or("none"), event.attributes, event.append_time.value,
                     event.source_name, t.id, t.commit_time.value, t.position, t.origin,
                     t.origin_position, t.global_id, t.event_index, t.event_count);
}

Result<std::vector<std::string>> whole_lines(StoreReader& reader) {
  std::vector<std::string> lines;
  for (;;) {
    TRY(const Event* event, reader.next());
    if (event == nullptr) return lines;
    if (event->schema != SchemaId{}) TRY_DO(reader.schema(event->schema));
    lines.push_back(whole_line_of(*event));
  }
}

}  // namespace tidelog::testing
