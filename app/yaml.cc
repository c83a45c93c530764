#include "app/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace tidelog {
namespace {

// A reader of configuration needs neither; an alias that contains itself would need both without
// end.
constexpr int depth_max = 32;
constexpr int nodes_max = 100'000;

struct Converter {
  std::string_view file;
  int nodes_left = nodes_max;

  tl::unexpected<Error> fail_at(int line, std::string_view what) const {
    return fail(Code::misconfigured, fmt::format("{}:{}: {}", file, line, what));
  }
  Result<YamlNode> convert(const YAML::Node& node, int line, int depth);
  Status convert_list(const YAML::Node& node, YamlNode& out, int depth);
  Status convert_map(const YAML::Node& node, YamlNode& out, int depth);
  Status add_entry(const YAML::Node& key, const YAML::Node& value, YamlNode& out, int depth);
};

int line_of(const YAML::Node& node, int otherwise) {
  return node.Mark().is_null() ? otherwise : node.Mark().line + 1;
}

Result<YamlNode> Converter::convert(const YAML::Node& node, int line, int depth) {
  YamlNode out;
  out.line = line_of(node, line);
  if (depth > depth_max) return fail_at(out.line, "nested too deeply");
  if (--nodes_left < 0) return fail_at(out.line, "too large for a configuration");
  if (node.IsScalar()) {
    out.kind = YamlNode::Kind::scalar;
    out.text = node.Scalar();
  } else if (node.IsSequence()) {
    TRY_DO(convert_list(node, out, depth));
  } else if (node.IsMap()) {
    TRY_DO(convert_map(node, out, depth));
  }
  return out;
}

Status Converter::convert_list(const YAML::Node& node, YamlNode& out, int depth) {
  out.kind = YamlNode::Kind::list;
  for (const YAML::Node& item : node) {
    TRY(YamlNode converted, convert(item, out.line, depth + 1));
    out.items.push_back(std::move(converted));
  }
  return {};
}

Status Converter::convert_map(const YAML::Node& node, YamlNode& out, int depth) {
  out.kind = YamlNode::Kind::map;
  for (const auto& entry : node) TRY_DO(add_entry(entry.first, entry.second, out, depth));
  return {};
}

Status Converter::add_entry(const YAML::Node& key, const YAML::Node& value, YamlNode& out,
                            int depth) {
  const int line = line_of(key, out.line);
  if (!key.IsScalar()) return fail_at(line, "a key must be a plain word");
  for (const YamlEntry& earlier : out.entries) {
    if (earlier.key != key.Scalar()) continue;
    return fail_at(line, fmt::format("the key `{}` stands here again; it is already on line {}",
                                     earlier.key, earlier.line));
  }
  TRY(YamlNode converted, convert(value, line, depth + 1));
  out.entries.push_back({key.Scalar(), line, std::move(converted)});
  return {};
}

}  // namespace

std::string_view name_of(YamlNode::Kind kind) {
  switch (kind) {
    case YamlNode::Kind::null:
      return "nothing";
    case YamlNode::Kind::scalar:
      return "a single value";
    case YamlNode::Kind::list:
      return "a list";
    case YamlNode::Kind::map:
      return "a group of keys";
  }
  return "";
}

Result<YamlNode> parse_yaml(std::string_view text, std::string_view file) {
  Converter converter{file};
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) {
      return converter.fail_at(line_of(documents[1], 1), "a second document: only one is read");
    }
    if (documents.empty()) return YamlNode{};
    return converter.convert(documents[0], 1, 0);
  } catch (const YAML::Exception& error) {
    return converter.fail_at(error.mark.line + 1, fmt::format("not YAML: {}", error.msg));
  }
}

}  // namespace tidelog
