#include "app/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

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

namespace {

// Where the documents begin.
class DocumentStarts final : public YAML::EventHandler {
 public:
  std::vector<YAML::Mark> marks;

  void OnDocumentStart(const YAML::Mark& mark) override { marks.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

// yaml-cpp leaves what it does not understand at a document's begin where it is: it would be one
// empty document after the other, without end.
Status check_is_one_document(std::string_view text, const Converter& converter) {
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  DocumentStarts starts;
  if (!parser.HandleNextDocument(starts) || !parser.HandleNextDocument(starts)) return {};
  const YAML::Mark& second = starts.marks.back();
  if (second.pos == starts.marks.front().pos)
    return converter.fail_at(second.line + 1, "not YAML: this cannot begin a document");
  return converter.fail_at(second.line + 1, "a second document: only one is read");
}

}  // namespace

Result<YamlNode> parse_yaml(std::string_view text, std::string_view file) {
  Converter converter{file};
  try {
    TRY_DO(check_is_one_document(text, converter));
    return converter.convert(YAML::Load(std::string(text)), 1, 0);
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 0 : error.mark.line;
    return converter.fail_at(line + 1, fmt::format("not YAML: {}", error.msg));
  }
}

}  // namespace tidelog
