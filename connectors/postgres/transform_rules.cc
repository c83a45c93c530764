#include "connectors/postgres/transform_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tidelog::postgres {

namespace {

using Kind = TransformRule::Kind;

// What the rule makes of values; nothing of one that is about columns alone.
Status add_transform(const TransformRule& from, TransformRules::Rule& rule) {
  switch (from.kind) {
    case Kind::keep:
    case Kind::exclude:
    case Kind::include:
      return {};
    case Kind::mask:
      rule.transform = ValueTransform::mask(from.with);
      return {};
    case Kind::hash: {
      TRY(rule.transform, ValueTransform::hash(from.key));
      return {};
    }
    case Kind::shorten:
      rule.transform = ValueTransform::shorten(from.characters);
      return {};
  }
  return {};
}

// Whether the rule says something about the column.
bool decides(const TransformRules::Rule& rule, std::string_view schema, std::string_view table,
             std::string_view column) {
  bool names_table = false;
  bool names_column = false;
  for (const ColumnPattern& pattern : rule.columns) {
    if (!pattern.table.matches(schema, table)) continue;
    names_table = true;
    names_column = names_column || pattern.column.matches(column);
  }
  return rule.kind == Kind::include ? names_table && !names_column : names_column;
}

// Whether a column that it names would be missed.
bool takes_something_away(Kind kind) { return kind != Kind::keep && kind != Kind::include; }

}  // namespace

Result<TransformRules> TransformRules::parse(const std::vector<TransformRule>& rules) {
  TransformRules parsed;
  for (const TransformRule& from : rules) {
    Rule& rule = parsed.rules_.emplace_back();
    rule.kind = from.kind;
    for (const std::string& text : from.columns) {
      TRY(ColumnPattern pattern, parse_column_pattern(text));
      rule.columns.push_back(std::move(pattern));
    }
    TRY_DO(add_transform(from, rule));
  }
  return parsed;
}

TransformRules::Decision TransformRules::of(std::string_view schema, std::string_view table,
                                            std::string_view column) const {
  for (const Rule& rule : rules_) {
    if (!decides(rule, schema, table, column)) continue;
    if (rule.kind == Kind::exclude || rule.kind == Kind::include) return {.is_left_out = true};
    if (!rule.transform) return {.kind = Transform::kept};
    return {.kind = rule.transform->kind(), .transform = &*rule.transform};
  }
  return {};
}

Status TransformRules::check_named(std::string_view schema, std::string_view table,
                                   const std::vector<std::string_view>& columns) const {
  for (const Rule& rule : rules_) {
    if (!takes_something_away(rule.kind)) continue;
    for (const ColumnPattern& pattern : rule.columns) {
      if (!pattern.table.literal() || !pattern.column.literal()) continue;
      if (!pattern.table.matches(schema, table)) continue;
      if (std::ranges::any_of(columns, [&](auto name) { return pattern.column.matches(name); }))
        continue;
      return fail(Code::misconfigured,
                  fmt::format("`transforms` has {0}, and {1}.{2} has no such column, or does not "
                              "publish it: under another name it would be stored as it is. Correct "
                              "`transforms`; for changes from before it went, if there are any "
                              "still to be read, leave the name in as a pattern: {0}*",
                              pattern.text, schema, table));
    }
  }
  return {};
}

bool TransformRules::concern(std::string_view schema, std::string_view table) const {
  return std::ranges::any_of(rules_, [&](const Rule& rule) {
    return std::ranges::any_of(rule.columns, [&](const ColumnPattern& pattern) {
      return pattern.table.matches(schema, table);
    });
  });
}

}  // namespace tidelog::postgres
