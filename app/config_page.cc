// docs/configuration.md, printed from the table of keys.
#include <fmt/format.h>

#include "app/config_keys.h"

namespace tidelog {
namespace {

template <class Target>
void print_section(std::string& out, std::string_view title, std::span<const Key<Target>> keys) {
  out += fmt::format("## {}\n\n| key | value | default | meaning |\n|---|---|---|---|\n", title);
  for (const Key<Target>& key : keys) {
    const std::string_view fallback = key.text.fallback.empty() ? "required" : key.text.fallback;
    out += fmt::format("| `{}` | {} | {} | {} |\n", key.text.name, key.text.form, fallback,
                       key.text.help);
  }
  out += "\n";
}

constexpr std::string_view page_head = R"(# Configuration

One YAML file, given as `-c FILE`. This page is printed by `tidelog check --keys`, from the table that the file is
parsed with; a test compares the two. Examples with comments are in [config/](../config).

- A key that is unknown, misspelt or there twice is an error that names the file, the line and the nearest valid key.
- `${NAME}` anywhere in a value is the environment variable NAME; when it is not set, that is an error. A plain dollar sign
  is written `$$`. Between `{ }` YAML wants such a value in quotes: `{ path: "${FOLDER}" }`.
- A secret may also be `file:/path`: the content of that file, without its last line end. Secrets appear in no log, no
  message and no answer.
- A relative path starts from the folder of the configuration file.
- Commands that only read the store do not resolve secrets, so they run without the database's password.

)";

}  // namespace

std::string configuration_page() {
  std::string out(page_head);
  print_section(out, "The whole file", root_keys());
  print_section(out, "`store`", store_keys());
  print_section(out, "`snapshots` of `store`", snapshot_keys());
  print_section(out, "Each of `retention`", retention_keys());
  print_section(out, "Each of `sources`", source_keys());
  print_section(out, "Each of `transforms` of a source", transform_keys());
  print_section(out, "`load` of a source", load_keys());
  print_section(out, "`retained_wal` of a source", retained_wal_keys());
  print_section(out, "Each of `projections`", projection_keys());
  out.pop_back();
  return out;
}

}  // namespace tidelog
