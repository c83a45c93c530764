#include "connectors/mysql/table_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/mysql/packed_integer.h"
#include "core/bytes.h"

namespace tidelog::mysql {

namespace {

constexpr std::size_t table_id_bytes = 6;

std::uint64_t read_table_id(ByteReader& in) {
  const std::uint64_t low = in.le<std::uint32_t>();
  return low | std::uint64_t{in.le<std::uint16_t>()} << 32;
}

// A set, an enumeration and a string share a type; the first byte says which it is. Of a string's
// length two bits are hidden in it, inverted (MySQL Server documentation, "Table_map_event").
void read_string_metadata(ByteReader& in, MappedColumn& column) {
  const auto real_type = in.le<std::uint8_t>();
  const auto length = in.le<std::uint8_t>();
  constexpr unsigned length_bits = 0x30;
  const unsigned hidden = (real_type & length_bits) ^ length_bits;
  column.type = static_cast<ColumnType>(real_type | length_bits);
  column.length = static_cast<std::uint16_t>(hidden << 4 | length);
}

void read_bit_metadata(ByteReader& in, MappedColumn& column) {
  const auto bits = in.le<std::uint8_t>();
  const auto bytes = in.le<std::uint8_t>();
  column.length = static_cast<std::uint16_t>(bytes * 8 + bits);
  if (bits > 7 || column.length == 0 || column.length > 64) in.fail();
}

// False: no type that is known here.
bool read_type_metadata(ByteReader& in, MappedColumn& column) {
  switch (column.type) {
    case ColumnType::tiny:
    case ColumnType::short_integer:
    case ColumnType::int24:
    case ColumnType::long_integer:
    case ColumnType::longlong:
    case ColumnType::year:
    case ColumnType::date:
    case ColumnType::newdate:
    case ColumnType::time:
    case ColumnType::datetime:
    case ColumnType::timestamp:
    case ColumnType::null:
      return true;
    case ColumnType::float_number:
    case ColumnType::double_number:
    case ColumnType::blob:
    case ColumnType::blob_compressed:
    case ColumnType::geometry:
    case ColumnType::json:
    case ColumnType::vector:
      column.length = in.le<std::uint8_t>();
      return true;
    case ColumnType::timestamp2:
    case ColumnType::datetime2:
    case ColumnType::time2:
      column.decimals = in.le<std::uint8_t>();
      return true;
    case ColumnType::varchar:
    case ColumnType::varchar_compressed:
    case ColumnType::var_string:
      column.length = in.le<std::uint16_t>();
      return true;
    case ColumnType::newdecimal:
      column.length = in.le<std::uint8_t>();
      column.decimals = in.le<std::uint8_t>();
      return true;
    case ColumnType::bit:
      read_bit_metadata(in, column);
      return true;
    case ColumnType::string:
    case ColumnType::enumeration:
    case ColumnType::set:
      read_string_metadata(in, column);
      return true;
    case ColumnType::decimal:
    case ColumnType::typed_array:
      return false;
  }
  return false;
}

// Lengths that the bytes of a value could not be read with.
bool is_possible(const MappedColumn& column) {
  switch (column.type) {
    case ColumnType::float_number:
      return column.length == sizeof(float);
    case ColumnType::double_number:
      return column.length == sizeof(double);
    case ColumnType::blob:
    case ColumnType::blob_compressed:
    case ColumnType::geometry:
    case ColumnType::json:
    case ColumnType::vector:
      return column.length >= 1 && column.length <= 4;
    case ColumnType::timestamp2:
    case ColumnType::datetime2:
    case ColumnType::time2:
      return column.decimals <= 6;
    case ColumnType::newdecimal:
      return column.length >= 1 && column.length <= 65 && column.decimals <= 38 &&
             column.decimals <= column.length;
    case ColumnType::enumeration:
      return column.length == 1 || column.length == 2;
    case ColumnType::set:
      return column.length >= 1 && column.length <= 8;
    case ColumnType::string:
    case ColumnType::varchar:
    case ColumnType::varchar_compressed:
    case ColumnType::var_string:
    case ColumnType::bit:
    case ColumnType::tiny:
    case ColumnType::short_integer:
    case ColumnType::int24:
    case ColumnType::long_integer:
    case ColumnType::longlong:
    case ColumnType::year:
    case ColumnType::date:
    case ColumnType::newdate:
    case ColumnType::time:
    case ColumnType::datetime:
    case ColumnType::timestamp:
    case ColumnType::null:
      return true;
    case ColumnType::decimal:
    case ColumnType::typed_array:
      return false;
  }
  return false;
}

Status read_types(TableMap& map, std::string_view types, std::string_view metadata) {
  ByteReader in(metadata);
  map.columns.resize(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    MappedColumn& column = map.columns[i];
    column.type = static_cast<ColumnType>(types[i]);
    if (!read_type_metadata(in, column)) {
      return fail(Code::unsupported,
                  fmt::format("table {}, column {}: type {} ({}) is not known", map.described(),
                              i + 1, static_cast<unsigned>(column.type), name_of(column.type)));
    }
    if (in.failed() || !is_possible(column)) {
      return fail(Code::corrupt, fmt::format("table {}, column {}: metadata that no {} has",
                                             map.described(), i + 1, name_of(column.type)));
    }
  }
  TRY_DO(in.finish(true, "the types of table " + map.described()));
  return {};
}

// ---- optional metadata: u8 kind | packed length | content ----

enum class Metadata : std::uint8_t {
  signedness = 1,
  default_charset = 2,
  column_charset = 3,
  column_name = 4,
  set_labels = 5,
  enum_labels = 6,
  geometry_type = 7,
  simple_primary_key = 8,
  primary_key_with_prefix = 9,
  enum_and_set_default_charset = 10,
  enum_and_set_column_charset = 11,
  column_visibility = 12,
  vector_dimensionality = 13,
};

// The servers' own limits, so that a map that lies cannot take memory without end. MariaDB has a
// hidden column more for each long unique key.
constexpr std::size_t columns_max = 4096 + 64;
constexpr std::size_t enum_labels_max = 65'535;
constexpr std::size_t set_labels_max = 64;

// Whether the list of character sets has a place for it.
bool may_hold_characters(ColumnType type, Flavour flavour) {
  return type == ColumnType::string || type == ColumnType::varchar ||
         type == ColumnType::var_string || type == ColumnType::blob || type == ColumnType::vector ||
         type == ColumnType::varchar_compressed || type == ColumnType::blob_compressed ||
         (type == ColumnType::geometry && flavour == Flavour::mariadb);
}

bool has_labels(ColumnType type) {
  return type == ColumnType::enumeration || type == ColumnType::set;
}

std::uint32_t packed_u32(ByteReader& in) {
  const std::uint64_t value = packed_integer(in);
  if (!std::in_range<std::uint32_t>(value)) in.fail();
  return static_cast<std::uint32_t>(value);
}

class MetadataReader {
 public:
  MetadataReader(TableMap& map, Flavour flavour) : map_(map), flavour_(flavour) {}

  void read(Metadata kind, ByteReader& in) {
    switch (kind) {
      case Metadata::signedness:
        return read_bits(in, is_numeric, &MappedColumn::is_unsigned);
      case Metadata::column_visibility:
        return read_bits(
            in, [](ColumnType) { return true; }, &MappedColumn::visible);
      case Metadata::default_charset:
        return read_default_charset(in, [this](ColumnType t) { return is_text(t); });
      case Metadata::enum_and_set_default_charset:
        return read_default_charset(in, has_labels);
      case Metadata::column_charset:
        return read_numbers(
            in, [this](ColumnType t) { return is_text(t); }, &MappedColumn::collation);
      case Metadata::enum_and_set_column_charset:
        return read_numbers(in, has_labels, &MappedColumn::collation);
      case Metadata::geometry_type:
        return read_numbers(in, is<ColumnType::geometry>, &MappedColumn::geometry_type);
      case Metadata::vector_dimensionality:
        return read_numbers(in, is<ColumnType::vector>, &MappedColumn::dimensions);
      case Metadata::column_name:
        for (MappedColumn& column : map_.columns) column.name = packed_bytes(in);
        return;
      case Metadata::set_labels:
        return read_labels(in, ColumnType::set);
      case Metadata::enum_labels:
        return read_labels(in, ColumnType::enumeration);
      case Metadata::simple_primary_key:
        return read_primary_key(in, false);
      case Metadata::primary_key_with_prefix:
        return read_primary_key(in, true);
    }
    in.rest();  // of a later server: by the format's rule nothing that is needed to read rows
  }

 private:
  template <ColumnType wanted>
  static bool is(ColumnType type) {
    return type == wanted;
  }
  bool is_text(ColumnType type) const { return may_hold_characters(type, flavour_); }

  // One bit a column that `belongs`, the first is the highest of the first byte.
  template <class Belongs>
  void read_bits(ByteReader& in, Belongs belongs, std::optional<bool> MappedColumn::*member) {
    unsigned byte = 0;
    unsigned left = 0;
    for (MappedColumn& column : map_.columns) {
      if (!belongs(column.type)) continue;
      if (left == 0) {
        byte = in.le<std::uint8_t>();
        left = 8;
      }
      column.*member = ((byte >> --left) & 1) != 0;
    }
  }

  // A number for each column that `belongs`.
  template <class Belongs>
  void read_numbers(ByteReader& in, Belongs belongs,
                    std::optional<std::uint32_t> MappedColumn::*member) {
    for (MappedColumn& column : map_.columns) {
      if (belongs(column.type)) column.*member = packed_u32(in);
    }
  }

  // The default, and pairs of a column's index, among those that belong, and its own.
  template <class Belongs>
  void read_default_charset(ByteReader& in, Belongs belongs) {
    const std::uint32_t usual = packed_u32(in);
    std::vector<MappedColumn*> columns;
    for (MappedColumn& column : map_.columns) {
      if (!belongs(column.type)) continue;
      column.collation = usual;
      columns.push_back(&column);
    }
    while (!in.failed() && in.remaining() > 0) {
      const std::uint64_t index = packed_integer(in);
      const std::uint32_t own = packed_u32(in);
      if (index < columns.size()) {
        columns[static_cast<std::size_t>(index)]->collation = own;
      } else {
        in.fail();
      }
    }
  }

  // For each column of the type: packed n | n * packed bytes
  void read_labels(ByteReader& in, ColumnType type) {
    for (MappedColumn& column : map_.columns) {
      if (column.type != type) continue;
      const std::size_t count = packed_count(in);
      if (count > (type == ColumnType::set ? set_labels_max : enum_labels_max)) return in.fail();
      auto& labels = column.labels.emplace(count);
      for (std::string& label : labels) label = packed_bytes(in);
    }
  }

  void read_primary_key(ByteReader& in, bool with_prefix) {
    while (!in.failed() && in.remaining() > 0) {
      if (map_.primary_key.size() == map_.columns.size()) return in.fail();
      KeyPart part;
      part.column = packed_u32(in);
      if (with_prefix) part.prefix_length = packed_u32(in);
      if (part.column >= map_.columns.size()) in.fail();
      map_.primary_key.push_back(part);
    }
  }

  TableMap& map_;
  Flavour flavour_;
};

Status read_optional_metadata(ByteReader in, Flavour flavour, TableMap& map) {
  MetadataReader reader(map, flavour);
  while (!in.failed() && in.remaining() > 0) {
    const auto kind = in.le<std::uint8_t>();
    ByteReader content(packed_bytes(in));
    if (in.failed()) break;
    reader.read(static_cast<Metadata>(kind), content);
    TRY_DO(content.finish(
        true, fmt::format("table {}, optional metadata of kind {}", map.described(), kind)));
  }
  TRY_DO(in.finish(true, "the optional metadata of table " + map.described()));
  return {};
}

}  // namespace

// table map: u48 table id | u16 flags | packed schema | 0 | packed table | 0 | packed n
// | n * u8 type | packed metadata | (n + 7) / 8 bytes of nullable bits | optional metadata*
Result<TableMap> read_table_map(std::string_view body, Flavour flavour) {
  ByteReader in(body);
  TableMap map;
  map.table_id = read_table_id(in);
  map.flags = in.le<std::uint16_t>();
  map.schema = packed_bytes(in);
  if (in.le<std::uint8_t>() != 0) in.fail();
  map.table = packed_bytes(in);
  if (in.le<std::uint8_t>() != 0) in.fail();
  const std::string_view types = packed_bytes(in);
  const std::string_view metadata = packed_bytes(in);
  const std::string_view nullable = in.bytes((types.size() + 7) / 8);
  if (in.failed()) return fail(Code::corrupt, "table map: shorter than its content says");
  if (types.empty() || types.size() > columns_max) {
    return fail(Code::corrupt,
                fmt::format("table {} has {} columns", map.described(), types.size()));
  }
  TRY_DO(read_types(map, types, metadata));
  for (std::size_t i = 0; i < types.size(); ++i) {
    map.columns[i].nullable = ((static_cast<unsigned char>(nullable[i / 8]) >> (i % 8)) & 1) != 0;
  }
  TRY_DO(read_optional_metadata(in, flavour, map));
  return map;
}

Result<TableName> read_table_name(std::string_view body) {
  ByteReader in(body);
  read_table_id(in);
  in.le<std::uint16_t>();
  TableName name;
  name.schema = packed_bytes(in);
  in.le<std::uint8_t>();
  name.table = packed_bytes(in);
  in.rest();
  return in.finish(name, "table map");
}

Result<std::uint64_t> table_id_of(std::string_view body) {
  ByteReader in(body.substr(0, table_id_bytes));
  const std::uint64_t id = read_table_id(in);
  return in.finish(id, "table id");
}

}  // namespace tidelog::mysql
