// The single values of the configuration: what the readers in the table of keys (config_keys.cc)
// are made of. Each expands ${NAME} and fails with the file and the line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config.h"
#include "app/yaml.h"

namespace tidelog {

// What is being read, and with what.
struct ConfigReading {
  const std::string& file;
  ConfigUse use;
  const ConfigContext& context;

  tl::unexpected<Error> fail_at(int line, std::string_view what) const;
};

Result<std::string> read_text(const ConfigReading& reading, const YamlNode& value);
Result<std::vector<std::string>> read_list(const ConfigReading& reading, const YamlNode& value);
Result<std::string> read_path(const ConfigReading& reading, const YamlNode& value);
Result<std::uint64_t> read_size(const ConfigReading& reading, const YamlNode& value);
Result<std::uint64_t> read_size_or_none(const ConfigReading& reading, const YamlNode& value);
// "90 s", "30 min", "24 h", "7 d".
Result<std::chrono::milliseconds> read_duration(const ConfigReading& reading,
                                                const YamlNode& value);
Result<bool> read_yes(const ConfigReading& reading, const YamlNode& value);
// From 1 on.
Result<std::uint64_t> read_number(const ConfigReading& reading, const YamlNode& value);
Result<std::uint32_t> read_server_id(const ConfigReading& reading, const YamlNode& value);
Result<std::string> read_name(const ConfigReading& reading, const YamlNode& value);
// Patterns of connectors/tables/table_pattern.h.
Result<std::vector<std::string>> read_tables(const ConfigReading& reading, const YamlNode& value);
Status check_table_patterns(const ConfigReading& reading, const YamlNode& value,
                            std::string_view expected);
// From patterns of tables to what `read` reads: "columns".
template <class Item, class Read>
Result<std::vector<Item>> read_by_table(const ConfigReading& reading, const YamlNode& value,
                                        std::string_view expected, Read read) {
  TRY_DO(check_table_patterns(reading, value, expected));
  std::vector<Item> items;
  for (const YamlEntry& entry : value.entries) {
    TRY(auto item, read(reading, entry.value));
    items.push_back({entry.key, std::move(item)});
  }
  return items;
}
// Patterns of columns.
Result<std::vector<std::string>> read_columns(const ConfigReading& reading, const YamlNode& value);
// A secret that is long enough to hash with; it is masked from then on.
Result<std::string> read_hash_key(const ConfigReading& reading, const YamlNode& value);
Result<std::vector<KeyOverride>> read_keys(const ConfigReading& reading, const YamlNode& value);
Result<std::vector<LoadConfig::Condition>> read_conditions(const ConfigReading& reading,
                                                           const YamlNode& value);
Result<std::vector<SelectOverride>> read_selects(const ConfigReading& reading,
                                                 const YamlNode& value);
// Whole names of streams. Streams that come to fit a pattern later would not be in what was
// projected before.
Result<std::vector<std::string>> read_streams(const ConfigReading& reading, const YamlNode& value);
// A secret; its passwords are masked from then on.
Result<std::string> read_mysql_url(const ConfigReading& reading, const YamlNode& value);
Result<std::string> read_connection(const ConfigReading& reading, const YamlNode& value);

}  // namespace tidelog
