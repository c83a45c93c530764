// A segment whole, as everybody who reads one meets it: readers, verify, the writer's recovery,
// salvage. The input's first byte is its generation.
#include "core/bytes.h"
#include "eventstore/event_store.h"
#include "eventstore/salvage.h"
#include "eventstore/store_reader.h"
#include "eventstore/verify.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/reseal.h"
#include "tests/fuzz/store_folder.h"
#include "tests/support/fake_clock.h"

namespace tidelog {
namespace {

void read_through(StoreReader& reader) {
  for (;;) {
    const auto event = reader.next();
    if (!event || *event == nullptr) return;
    if ((*event)->schema != SchemaId{}) static_cast<void>(reader.schema((*event)->schema));
  }
}

// All of it is said to be durable.
void read_as_durable(testing::FaultyDisk disk) {
  format::Superblock bound;
  bound.counter = 1;
  bound.durable_batches = UINT64_MAX / 2;
  bound.durable = {UINT64_MAX / 2};
  disk.put_file(StorePaths("store").superblock, format::encode(bound));
  if (const auto reader = StoreReader::open(disk, "store")) {
    read_through(**reader);
    if ((*reader)->seek((*reader)->durable())) static_cast<void>((*reader)->previous());
  }
  static_cast<void>(verify_store(disk, "store", [](const VerifyProgress&) {}));
  testing::FakeClock clock;
  static_cast<void>(salvage_store(disk, clock, "store", "salvaged", [](const CopyProgress&) {}));
}

// Nothing is known to be durable: what is not whole is a torn tail.
void recover_as_torn(testing::FaultyDisk disk) {
  testing::FakeClock clock;
  StoreOptions options;
  options.segment_bytes = 4096;
  options.background = false;
  const auto store = EventStore::open(disk, clock, "store", options);
  if (!store) return;
  if (const auto reader = (*store)->reader()) read_through(**reader);
}

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(segment_file) {
  if (input.empty()) return;
  const std::uint32_t generation = static_cast<std::uint8_t>(input.front()) % 2;
  std::string segment(input.substr(1));
  const std::size_t begin = fuzz::reseal_head(segment);
  if (begin != 0) {
    ByteReader chain(std::string_view(segment).substr(48));
    fuzz::reseal_batches(segment, begin, chain.le<std::uint32_t>(), generation != 0);
  }
  // Named as its head says.
  format::ManifestSegment named{1, generation, {}};
  if (segment.size() >= format::head_fixed_bytes) {
    ByteReader head(std::string_view(segment).substr(16));
    named.id = head.le<std::uint64_t>();
    named.base = {head.le<std::uint64_t>()};
  }
  const testing::FaultyDisk disk = fuzz::store_of_segment(segment, named);
  read_as_durable(disk);
  recover_as_torn(disk);
}
