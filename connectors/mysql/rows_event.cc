#include "connectors/mysql/rows_event.h"

#include <fmt/format.h>

#include "connectors/mysql/inflate.h"
#include "connectors/mysql/packed_integer.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

// What a type of event says about its content.
struct Layout {
  RowsChange change;
  bool has_extra_data = false;  // version 2
  bool is_compressed = false;
  bool partial_json = false;
};

std::optional<Layout> layout_of(EventType type) {
  if (type == EventType::write_rows_v1) return Layout{RowsChange::write};
  if (type == EventType::update_rows_v1) return Layout{RowsChange::update};
  if (type == EventType::delete_rows_v1) return Layout{RowsChange::remove};
  if (type == EventType::write_rows) return Layout{RowsChange::write, true};
  if (type == EventType::update_rows) return Layout{RowsChange::update, true};
  if (type == EventType::delete_rows) return Layout{RowsChange::remove, true};
  if (type == EventType::partial_update_rows) return Layout{RowsChange::update, true, false, true};
  if (type == EventType::write_rows_compressed_v1) return Layout{RowsChange::write, false, true};
  if (type == EventType::update_rows_compressed_v1) return Layout{RowsChange::update, false, true};
  if (type == EventType::delete_rows_compressed_v1) return Layout{RowsChange::remove, false, true};
  if (type == EventType::write_rows_compressed) return Layout{RowsChange::write, true, true};
  if (type == EventType::update_rows_compressed) return Layout{RowsChange::update, true, true};
  if (type == EventType::delete_rows_compressed) return Layout{RowsChange::remove, true, true};
  return std::nullopt;
}

enum class ExtraData : std::uint8_t { ndb = 0, partition = 1 };

// u16 length, of itself and the rest | (u8 kind | content)*. What is of another kind cannot be told
// apart from what follows it, and is not needed to read rows.
void read_extra_data(ByteReader& in, RowsEvent& event) {
  const auto length = in.le<std::uint16_t>();
  if (length < sizeof length) return in.fail();
  ByteReader extra(in.bytes(length - sizeof length));
  while (extra.remaining() > 0) {
    const auto kind = static_cast<ExtraData>(extra.le<std::uint8_t>());
    if (kind == ExtraData::partition) {
      event.partition = extra.le<std::uint16_t>();
      if (event.change == RowsChange::update) event.source_partition = extra.le<std::uint16_t>();
    } else if (kind == ExtraData::ndb) {
      const auto ndb_length = extra.le<std::uint8_t>();  // of itself, too
      extra.bytes(ndb_length == 0 ? 0 : ndb_length - 1);
    } else {
      extra.rest();
    }
  }
  if (extra.failed()) in.fail();
}

}  // namespace

bool is_rows_event(EventType type) { return layout_of(type).has_value(); }

// rows: u48 table id | u16 flags | version 2: extra data | packed n | (n + 7) / 8 bytes of columns,
// those of an update twice | rows
Result<RowsEvent> read_rows_event(EventType type, std::string_view body, std::string& inflated) {
  const auto layout = layout_of(type);
  if (!layout) {
    return fail(Code::unsupported, fmt::format("event type {} ({}) is no rows event that is known",
                                               static_cast<unsigned>(type), name_of(type)));
  }
  ByteReader in(body);
  RowsEvent event;
  event.change = layout->change;
  event.partial_json = layout->partial_json;
  const std::uint64_t id_low = in.le<std::uint32_t>();
  event.table_id = id_low | std::uint64_t{in.le<std::uint16_t>()} << 32;
  event.flags = in.le<std::uint16_t>();
  if (layout->has_extra_data) read_extra_data(in, event);
  const std::uint64_t columns = packed_integer(in);
  const std::uint64_t bitmap_bytes = columns / 8 + (columns % 8 == 0 ? 0 : 1);
  if (event.change != RowsChange::write) event.before_columns = in.bytes(bitmap_bytes);
  if (event.change != RowsChange::remove) event.after_columns = in.bytes(bitmap_bytes);
  event.rows = in.rest();
  if (in.failed()) {
    return fail(Code::corrupt, fmt::format("{}: shorter than its content says", name_of(type)));
  }
  event.column_count = static_cast<std::size_t>(columns);
  if (layout->is_compressed) {
    TRY_DO(inflate_block(inflated, event.rows, "compressed rows"));
    event.rows = inflated;
  }
  return event;
}

}  // namespace tidelog::mysql
