#include "core/event.h"

#include <array>
#include <bit>
#include <utility>

#include "core/invariant.h"
#include "core/record_reader.h"

namespace tidelog {
namespace {

constexpr std::array<std::string_view, event_type_max + 1> type_names = {"",
                                                                         "load",
                                                                         "insert",
                                                                         "update",
                                                                         "delete",
                                                                         "truncate",
                                                                         "schema",
                                                                         "ddl",
                                                                         "message",
                                                                         "gap",
                                                                         "undecoded",
                                                                         "application",
                                                                         "erased",
                                                                         "stream_truncated",
                                                                         "stream_deleted",
                                                                         "stream_tombstoned",
                                                                         "load_step"};

constexpr std::uint8_t type_transaction = 0;
constexpr std::uint8_t type_removed = 255;

constexpr std::uint8_t flag_key = 1 << 0;
constexpr std::uint8_t before_shift = 1;
constexpr std::uint8_t before_mask = 3 << before_shift;
constexpr std::uint8_t flag_body = 1 << 3;
constexpr std::uint8_t flag_moved = 1 << 4;
constexpr std::uint8_t flag_attributes = 1 << 5;
constexpr std::uint8_t known_flags =
    flag_key | before_mask | flag_body | flag_moved | flag_attributes;

constexpr std::size_t varint_size(std::uint64_t value) {
  return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

constexpr std::size_t sized_size(std::string_view bytes) {
  return varint_size(bytes.size()) + bytes.size();
}

std::uint8_t flags_of(const EventBody& event) {
  unsigned flags = static_cast<unsigned>(event.before_kind) << before_shift;
  if (event.key) flags |= flag_key;
  if (event.body) flags |= flag_body;
  if (event.moved) flags |= flag_moved;
  if (!event.attributes.empty()) flags |= flag_attributes;
  return static_cast<std::uint8_t>(flags);
}

// The bytes after the record's length.
std::size_t event_size(const EventBody& event, std::uint64_t relative_revision) {
  std::size_t size = 2 + varint_size(event.stream.value) + varint_size(relative_revision) +
                     varint_size(event.schema.value) + varint_size(event.ordinal);
  if (event.key) size += sized_size(*event.key);
  if (event.before_kind != Before::none) size += sized_size(event.before);
  if (event.body) size += sized_size(*event.body);
  if (!event.attributes.empty()) size += sized_size(event.attributes);
  return size;
}

// The numbers at a record's head, appended to the record at once.
class Head {
 public:
  void u8(std::uint8_t value) { raw_[size_++] = static_cast<char>(value); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) u8(static_cast<std::uint8_t>(value | 0x80));
    u8(static_cast<std::uint8_t>(value));
  }
  std::string_view bytes() const { return {raw_.data(), size_}; }

 private:
  std::array<char, 5 * varint_bytes_max + 2> raw_;
  std::size_t size_ = 0;
};

std::uint32_t varint32(ByteReader& in) {
  const std::uint64_t value = in.varint();
  if (!std::in_range<std::uint32_t>(value)) in.fail();
  return static_cast<std::uint32_t>(value);
}

// In rising order of tag, whole, and at least one.
std::string_view read_attributes(ByteReader& in) {
  const std::string_view attributes = in.sized();
  ByteReader each(attributes);
  unsigned last = 0;
  do {
    const unsigned tag = each.le<std::uint8_t>();
    each.sized();
    if (tag <= last) each.fail();
    last = tag;
  } while (each.remaining() > 0);
  if (each.failed()) in.fail();
  return attributes;
}

// What most transactions do not have.
bool has_more(const Transaction& transaction) {
  return !transaction.origin_position.empty() || !transaction.global_id.empty();
}

// transaction: le u32 event count | varint event index | zigzag commit time | sized id | sized
// position | sized origin | [sized origin position | sized global id]
Transaction read_transaction(ByteReader& in) {
  Transaction transaction;
  transaction.event_count = in.le<std::uint32_t>();
  transaction.event_index = in.varint();
  transaction.commit_time.value = in.zigzag_varint();
  transaction.id = in.sized();
  transaction.position = in.sized();
  transaction.origin = in.sized();
  if (in.remaining() == 0) return transaction;
  transaction.origin_position = in.sized();
  transaction.global_id = in.sized();
  if (!has_more(transaction)) in.fail();
  return transaction;
}

// event: u8 flags | varint stream | varint relative revision | varint schema | varint ordinal
//        | [sized key] | [sized before] | [sized body] | [sized attributes]
// Every field is set, those that are not there one by one: clearing all at once takes longer.
void read_event(ByteReader& in, Record& record) {
  EventBody& event = record.event;
  const auto flags = in.le<std::uint8_t>();
  const auto before = static_cast<std::uint8_t>((flags & before_mask) >> before_shift);
  if ((flags & ~known_flags) != 0 || before > static_cast<std::uint8_t>(Before::row)) in.fail();
  event.moved = (flags & flag_moved) != 0;
  event.before_kind = static_cast<Before>(before);
  event.stream.value = varint32(in);
  record.relative_revision = in.varint();
  event.schema.value = varint32(in);
  event.ordinal = varint32(in);
  event.key.reset();
  event.before = {};
  event.body.reset();
  event.attributes = {};
  if ((flags & flag_key) != 0) event.key = in.sized();
  if (event.before_kind != Before::none) event.before = in.sized();
  if ((flags & flag_body) != 0) event.body = in.sized();
  if ((flags & flag_attributes) != 0) event.attributes = read_attributes(in);
}

}  // namespace

std::string_view name_of(EventType type) {
  const auto number = static_cast<std::size_t>(type);
  INVARIANT(number >= 1 && number < type_names.size(), "an event has a type of ours");
  return type_names[number];
}

std::string_view name_of(StreamStatus status) {
  switch (status) {
    case StreamStatus::open:
      return "open";
    case StreamStatus::deleted:
      return "deleted";
    case StreamStatus::tombstoned:
      return "tombstoned";
  }
  return "unknown";
}

std::string put_first_kept(Revision first) {
  std::string body;
  put_varint(body, first.value);
  return body;
}

Result<Revision> read_first_kept(std::string_view body) {
  ByteReader in(body);
  const Revision first{in.varint()};
  return in.finish(Revision{first}, "first revision of a truncated stream");
}

std::string put_names(const std::vector<std::string>& names) {
  std::string bytes;
  for (const std::string& name : names) put_sized(bytes, name);
  return bytes;
}

Result<std::vector<std::string>> read_names(std::string_view bytes) {
  ByteReader in(bytes);
  std::vector<std::string> names;
  while (in.remaining() != 0) names.emplace_back(in.sized());
  return in.finish(std::move(names), "names");
}

std::optional<EventType> event_type_named(std::string_view name) {
  for (std::size_t number = 1; number < type_names.size(); ++number) {
    if (type_names[number] == name) return static_cast<EventType>(number);
  }
  return std::nullopt;
}

void put_attribute(std::string& out, Attribute tag, std::string_view bytes) {
  out.push_back(static_cast<char>(tag));
  put_sized(out, bytes);
}

std::optional<std::string_view> find_attribute(std::string_view attributes, Attribute tag) {
  ByteReader in(attributes);
  while (in.remaining() > 0) {
    const auto found = in.le<std::uint8_t>();
    const std::string_view bytes = in.sized();
    if (!in.failed() && found == static_cast<std::uint8_t>(tag)) return bytes;
  }
  return std::nullopt;
}

void put_event_record(std::string& out, const EventBody& event, std::uint64_t relative_revision) {
  const std::size_t size = event_size(event, relative_revision);
  out.reserve(out.size() + varint_bytes_max + size);
  Head head;
  head.varint(size);
  head.u8(static_cast<std::uint8_t>(event.type));
  head.u8(flags_of(event));
  head.varint(event.stream.value);
  head.varint(relative_revision);
  head.varint(event.schema.value);
  head.varint(event.ordinal);
  out.append(head.bytes());
  if (event.key) put_sized(out, *event.key);
  if (event.before_kind != Before::none) put_sized(out, event.before);
  if (event.body) put_sized(out, *event.body);
  if (!event.attributes.empty()) put_sized(out, event.attributes);
}

std::size_t put_transaction_record(std::string& out, const Transaction& transaction) {
  const std::size_t more = has_more(transaction) ? sized_size(transaction.origin_position) +
                                                       sized_size(transaction.global_id)
                                                 : 0;
  const std::size_t size = 1 + sizeof(std::uint32_t) + varint_size(transaction.event_index) +
                           varint_size(zigzag(transaction.commit_time.value)) +
                           sized_size(transaction.id) + sized_size(transaction.position) +
                           sized_size(transaction.origin) + more;
  put_varint(out, size);
  out.push_back(static_cast<char>(type_transaction));
  const std::size_t count_offset = out.size();
  INVARIANT(transaction.event_count <= UINT32_MAX,
            "larger transactions are staged, and counted by their commit");
  put_le(out, static_cast<std::uint32_t>(transaction.event_count));
  put_varint(out, transaction.event_index);
  put_zigzag(out, transaction.commit_time.value);
  put_sized(out, transaction.id);
  put_sized(out, transaction.position);
  put_sized(out, transaction.origin);
  if (more == 0) return count_offset;
  put_sized(out, transaction.origin_position);
  put_sized(out, transaction.global_id);
  return count_offset;
}

void put_removed_record(std::string& out, std::uint64_t count) {
  INVARIANT(count != 0, "a removed record stands for something");
  put_varint(out, 1 + varint_size(count));
  out.push_back(static_cast<char>(type_removed));
  put_varint(out, count);
}

namespace {

Status end_of(ByteReader& in, std::string_view what) {
  if (!in.failed() && in.remaining() == 0) [[likely]]
    return {};
  return error_of(in.finish(true, what));
}

}  // namespace

Status read_next_record(ByteReader& block, Record& record) {
  using namespace std::string_view_literals;
  ByteReader in(block.sized());
  if (block.failed()) return fail(Code::corrupt, "record: longer than its block");
  const auto type = in.le<std::uint8_t>();
  record.is_transaction = type == type_transaction;
  record.removed_count = 0;
  if (type == type_removed) {
    record.removed_count = in.varint();
    if (record.removed_count == 0) in.fail();
    return end_of(in, "removed record"sv);
  }
  if (type > event_type_max) {
    return fail(Code::unsupported, "record: type " + std::to_string(type) +
                                       " is not known: written by a newer tidelog");
  }
  if (record.is_transaction) {
    record.transaction = read_transaction(in);
    return end_of(in, "transaction record"sv);
  }
  record.event.type = static_cast<EventType>(type);
  read_event(in, record);
  return end_of(in, "event record"sv);
}

Result<Record> read_record(ByteReader& block) {
  Record record;
  TRY_DO(read_next_record(block, record));
  return record;
}

}  // namespace tidelog
