#include "app/history_command.h"

#include <fmt/format.h>

#include "app/row_text.h"
#include "app/table.h"
#include "core/clock.h"
#include "formats/flat.h"
#include "formats/json_text.h"
#include "formats/key_text.h"
#include "projections/history.h"

namespace tidelog {
namespace {

constexpr std::size_t change_width_max = 160;

// The event's flat line with the whole row after it: {…,"row":{…}|null}
Result<std::string> json_line(const RowVersion& version) {
  std::string out;
  TRY_DO(put_flat(out, version.event, version.schema));
  out.pop_back();
  out += ",\"row\":";
  if (version.row) {
    TRY_DO(print_row_json(out, *version.row, *version.schema, nullptr));
  } else {
    out += "null";
  }
  return out + "}";
}

std::optional<WholeRow> whole_row(const RowVersion& version) {
  if (!version.row || version.schema == nullptr) return std::nullopt;
  return WholeRow{std::string(*version.row), version.schema};
}

Result<std::vector<std::string>> table_row(const RowVersion& version,
                                           const std::optional<WholeRow>& before,
                                           const std::optional<WholeRow>& after) {
  TRY(const std::string change, version_text(version.event, before, after));
  const Event& event = version.event;
  return std::vector<std::string>{fmt::format("{}", event.revision.value),
                                  fmt::format("{}", event.position.value),
                                  print_time(time_of(event)),
                                  std::string(event.transaction.id),
                                  std::string(type_text(event)),
                                  one_line(change, change_width_max)};
}

Status print_table(const CommandContext& context, StoreReader& reader,
                   const HistoryOptions& options, std::string_view key, Position end) {
  Table table({{"revision", Align::right},
               {"position", Align::right},
               {"time"},
               {"transaction", Align::right},
               {"type"},
               {"change"}});
  std::optional<WholeRow> before;
  const auto add = [&](const RowVersion& version) -> Status {
    std::optional<WholeRow> after = whole_row(version);
    TRY(std::vector<std::string> row, table_row(version, before, after));
    table.add(std::move(row));
    before = std::move(after);
    return {};
  };
  const Status read = history_of(reader, options.stream, key, end, add);
  TRY_DO(context.out.write(table.take(context.out_is_terminal)));  // what is whole
  return read;
}

Status print_json(const CommandContext& context, StoreReader& reader, const HistoryOptions& options,
                  std::string_view key, Position end) {
  return history_of(reader, options.stream, key, end, [&](const RowVersion& version) -> Status {
    TRY(const std::string line, json_line(version));
    return context.out.line(line);
  });
}

}  // namespace

Status print_history(const CommandContext& context, const HistoryOptions& options) {
  TRY(const auto reader, open_reader(context, options.common));
  TRY_DO(check_stream(*reader, options.stream));
  const Position end = reader->durable();
  TRY(const Schema* const schema, newest_schema(*reader, options.stream, end));
  TRY(const std::string key, parse_key(options.key, *schema));
  if (options.common.json) {
    TRY_DO(print_json(context, *reader, options, key, end));
  } else {
    TRY_DO(print_table(context, *reader, options, key, end));
  }
  return context.out.flush();
}

}  // namespace tidelog
