// The transforms of the configuration, ready to be asked about columns. Used by the catalog of
// relations and by preflight.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "connectors/postgres/options.h"
#include "connectors/tables/table_pattern.h"
#include "core/result.h"
#include "core/schema.h"
#include "core/value_transform.h"

namespace tidelog::postgres {

// One thread.
class TransformRules {
 public:
  // Code::misconfigured for a pattern that is none, or a key that is too short.
  static Result<TransformRules> parse(const std::vector<TransformRule>& rules);

  // What becomes of a column.
  struct Decision {
    bool is_left_out = false;
    Transform kind = Transform::none;
    const ValueTransform* transform = nullptr;  // of a kind that changes values; lives as the rules
  };
  Decision of(std::string_view schema, std::string_view table, std::string_view column) const;

  // Code::misconfigured when a column that is named, and was not to be stored as it is, is not
  // there: under another name it would be.
  Status check_named(std::string_view schema, std::string_view table,
                     const std::vector<std::string_view>& columns) const;

  // Whether any of its columns may be meant.
  bool concern(std::string_view schema, std::string_view table) const;

  struct Rule {
    TransformRule::Kind kind = TransformRule::Kind::keep;
    std::vector<ColumnPattern> columns;
    std::optional<ValueTransform> transform;
  };
  const std::vector<Rule>& rules() const { return rules_; }

 private:
  std::vector<Rule> rules_;
};

}  // namespace tidelog::postgres
