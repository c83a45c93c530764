#include "app/first_load.h"

#include <string_view>
#include <vector>

#include "connectors/tables/table_pattern.h"

namespace tidelog {
namespace {

// The patterns were checked with the configuration.
template <class Item>
const Item* item_for(const std::vector<Item>& items, std::string_view table) {
  // The schema's name may hold dots, too.
  for (std::size_t dot = table.find('.'); dot != table.npos; dot = table.find('.', dot + 1)) {
    const auto found = first_that_fits(items, table.substr(0, dot), table.substr(dot + 1));
    if (found && *found != nullptr) return *found;
  }
  return nullptr;
}

}  // namespace

FirstLoad first_load_of(const SourceConfig& config, const std::string& table) {
  FirstLoad load;
  if (const InitialLoad* const chosen = item_for(config.initial_load, table)) {
    if (chosen->mode == InitialLoad::Mode::none) load.what = FirstLoad::What::nothing;
    if (chosen->mode == InitialLoad::Mode::schema) load.what = FirstLoad::What::schema;
  }
  if (const LoadConfig::Condition* const condition = item_for(config.load.where, table))
    load.where = condition->sql;
  return load;
}

}  // namespace tidelog
