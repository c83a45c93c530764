// The records of a block, and the attributes in them.
#include "core/application_event.h"
#include "core/bytes.h"
#include "core/event.h"
#include "tests/fuzz/fuzz_target.h"

namespace tidelog {
namespace {

Result<std::vector<Record>> read_records(std::string_view bytes) {
  std::vector<Record> records;
  ByteReader in(bytes);
  while (in.remaining() != 0) {
    TRY(const Record record, read_record(in));
    records.push_back(record);
    read_application_attributes(record.event.attributes);
  }
  return records;
}

std::string write_records(const std::vector<Record>& records) {
  std::string out;
  for (const Record& record : records) {
    if (record.is_transaction) {
      const std::size_t offset = put_transaction_record(out, record.transaction);
      patch_le(out, offset, static_cast<std::uint32_t>(record.transaction.event_count));
    } else if (record.removed_count != 0) {
      put_removed_record(out, record.removed_count);
    } else {
      put_event_record(out, record.event, record.relative_revision);
    }
  }
  return out;
}

}  // namespace
}  // namespace tidelog

TIDELOG_FUZZ_TARGET(records) {
  tidelog::fuzz::check_round_trip(input, tidelog::read_records, tidelog::write_records);
}
