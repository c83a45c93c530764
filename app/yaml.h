// A YAML text as a tree of plain values with their lines. The only file that sees yaml-cpp, which
// throws.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace tidelog {

struct YamlEntry;

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  int line = 0;      // 1-based
  std::string text;  // of a scalar
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;  // in the order of the file
};

struct YamlEntry {
  std::string key;
  int line = 0;
  YamlNode value;
};

// "a list", for messages.
std::string_view name_of(YamlNode::Kind kind);

// Errors are Code::misconfigured and begin with `file`:line. A key that stands twice is one.
Result<YamlNode> parse_yaml(std::string_view text, std::string_view file);

}  // namespace tidelog
