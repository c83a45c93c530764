#include "app/state_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/place.h"
#include "app/row_text.h"
#include "app/table.h"
#include "formats/flat.h"
#include "formats/key_text.h"
#include "projections/first_load.h"
#include "projections/key_state.h"
#include "projections/row_shape.h"
#include "projections/state.h"

namespace tidelog {
namespace {

constexpr std::size_t table_rows_max = 500;
constexpr std::size_t cell_width_max = 60;

Result<Position> end_of(const CommandContext& context, StoreReader& reader,
                        const StateOptions& options) {
  if (options.at.empty()) return reader.durable();
  TRY(const Place at, parse_place(options.at, "--at", context.clock.now()));
  TRY(const std::string source, deciding_source(reader, {options.stream}));
  return end_position(reader, at, source);
}

// {"key":{…},"row":{…},"position":7,"revision":3}
Result<std::string> json_line(const TableRow& row) {
  std::string out = "{\"key\":";
  if (row.schema->has_key()) {
    TRY_DO(print_key_json(out, row.key, *row.schema));
  } else {
    out += "null";
  }
  out += ",\"row\":";
  std::string unchanged;
  TRY_DO(print_row_json(out, row.row, *row.schema, &unchanged));
  out += fmt::format(",\"position\":{},\"revision\":{}", row.position.value, row.revision.value);
  if (!unchanged.empty()) out += ",\"unchanged\":" + unchanged;
  return out + "}";
}

Align align_of(ValueKind kind) {
  const bool is_number = kind == ValueKind::int64 || kind == ValueKind::uint64 ||
                         kind == ValueKind::float32 || kind == ValueKind::float64 ||
                         kind == ValueKind::decimal;
  return is_number ? Align::right : Align::left;
}

Table table_for(const Schema& schema) {
  std::vector<Table::Column> columns;
  for (const Column& column : schema.columns) {
    columns.push_back({one_line(column.name, cell_width_max), align_of(column.kind)});
  }
  return Table(std::move(columns));
}

// One thread; prints rows as they come.
class StatePrinter {
 public:
  StatePrinter(const CommandContext& context, const StateOptions& options)
      : context_(context), json_(options.common.json) {}

  Status print(const TableRow& row) {
    ++count_;
    if (json_) {
      TRY(const std::string line, json_line(row));
      return context_.out.line(line);
    }
    if (!table_) table_.emplace(table_for(*row.schema));
    TRY(std::vector<std::string> cells, cell_texts(row.row, *row.schema, cell_width_max));
    table_->add(std::move(cells));
    return ++waiting_ < table_rows_max ? Status{} : print_table();
  }

  Status finish() {
    if (waiting_ > 0) TRY_DO(print_table());
    return context_.out.flush();
  }

  std::uint64_t count() const { return count_; }

 private:
  Status print_table() {
    waiting_ = 0;
    return context_.out.write(table_->take(context_.out_is_terminal));
  }

  const CommandContext& context_;
  bool json_;
  std::optional<Table> table_;
  std::size_t waiting_ = 0;
  std::uint64_t count_ = 0;
};

// One row, without the table.
Status print_one(const CommandContext& context, StoreReader& reader, const StateOptions& options,
                 Position end, const OnDamage& on_damage, StatePrinter& printer) {
  TRY(const auto state,
      KeyState::open(context.disk, reader.directory(), options.stream, on_damage));
  TRY(const Schema* const schema, state->schema_at(end));
  if (schema == nullptr) return {};
  TRY(const std::string key, parse_key(options.key, *schema));
  TRY(const auto row, state->row_at(key, end));
  if (!row) return {};
  TRY(const Schema* const shape, state->schema(row->schema));
  std::string shown;
  TRY_DO(put_reshaped(shown, {row->row, shape}, *schema));
  return printer.print({key, shown, schema, row->position, row->revision});
}

// A source that lost history says so in a stream of its own, not in its tables': the newest such
// event before `end`, of the source that the stream's name begins with.
Result<std::string> note_of_gap(const CommandContext& context, const StoreReader& reader,
                                const std::string& stream, Position end) {
  const std::string source = stream.substr(0, stream.find('.'));
  TRY(const auto gaps, StoreReader::open(context.disk, reader.directory()));
  EventFilter filter;
  filter.streams = {source + ".$source"};
  filter.types = {std::string(name_of(EventType::gap))};
  gaps->set_filter(std::move(filter));
  TRY_DO(gaps->seek(end));
  TRY(const Event* const gap, gaps->previous());
  if (gap == nullptr) return std::string();
  return fmt::format(
      "tidelog: note: what the source {} changed after position {} may be missing: {}\n", source,
      gap->position.value, gap->body.value_or(""));
}

// What a person must know to trust the rows; on standard error, beside them.
std::string notes(const TableFold& fold) {
  std::string out;
  if (fold.gap_count() > 0) {
    out += fmt::format("tidelog: note: {} gap events say that history may be missing\n",
                       fold.gap_count());
  }
  for (const Contradictions::One& one : fold.contradictions().first) {
    out += fmt::format("tidelog: note: position {}: {}\n", one.position.value, name_of(one.what));
  }
  const std::uint64_t more = fold.contradictions().count - fold.contradictions().first.size();
  if (more > 0) out += fmt::format("tidelog: note: {} more of this kind\n", more);
  return out;
}

std::string summary(const StateOptions& options, std::uint64_t count, Position end) {
  if (end == Position{0}) {
    return fmt::format("{}: no rows: the history begins later\n", options.stream);
  }
  return fmt::format("{}: {} {} after position {}\n", options.stream, count,
                     count == 1 ? "row" : "rows", end.value - 1);
}

// The rows of a table whose first load goes on are not all there.
Status check_is_whole(StoreReader& reader, const std::string& stream, Position end) {
  TRY(const std::optional<LoadStep> step, open_first_load(reader, stream, end));
  if (!step) return {};
  std::string says = step->kind == LoadStep::Kind::left_out
                         ? fmt::format(
                               "the rows that {} had before it was captured were not loaded, as "
                               "`initial_load` says (after position {})",
                               stream, end.value - 1)
                         : fmt::format("{} was being loaded after position {} ({})", stream,
                                       end.value - 1, print_load_step(*step));
  TRY(const std::optional<Position> whole, first_load_end(reader, stream, end));
  if (whole) {
    says += fmt::format("; all its rows are known from position {} on", whole->value);
  } else if (step->kind == LoadStep::Kind::left_out) {
    says += "; `tidelog source load` loads them";
  } else {
    says += "; its load has not ended: `tidelog source status` says how far it is";
  }
  return fail(Code::failed, std::move(says));
}

// A stream without a row may be none that has rows.
Status check_is_table(StoreReader& reader, const std::string& stream, Position end) {
  EventFilter filter;
  filter.streams = {stream};
  filter.types = {std::string(name_of(EventType::application))};
  reader.set_filter(std::move(filter));
  TRY_DO(reader.seek(end));
  TRY(const Event* const event, reader.previous());
  if (event == nullptr) return {};
  return fail(
      Code::not_found,
      fmt::format("{} has an application's events, and no rows: it is not a table; `tidelog "
                  "events --stream {}` shows them",
                  stream, stream));
}

}  // namespace

Status print_state(const CommandContext& context, const StateOptions& options) {
  TRY(const auto reader, open_reader(context, options.common));
  TRY_DO(check_stream(*reader, options.stream));
  TRY(const Position end, end_of(context, *reader, options));
  std::string told;
  const OnDamage on_damage = [&](const std::string& what) {
    told +=
        fmt::format("tidelog: note: a state snapshot is damaged and was passed over: {}\n", what);
  };
  TRY_DO(check_is_whole(*reader, options.stream, end));
  StatePrinter printer(context, options);
  if (options.has_key) {
    TRY_DO(print_one(context, *reader, options, end, on_damage, printer));
  } else {
    TRY(const auto fold, state_at(*reader, options.stream, end, on_damage));
    TRY_DO(fold->for_each([&](const TableRow& row) { return printer.print(row); }));
    told += notes(*fold);
  }
  if (printer.count() == 0) TRY_DO(check_is_table(*reader, options.stream, end));
  TRY(const std::string gap, note_of_gap(context, *reader, options.stream, end));
  TRY_DO(printer.finish());
  TRY_DO(context.err.write(told + gap));
  if (!options.common.json) TRY_DO(context.err.write(summary(options, printer.count(), end)));
  return {};
}

}  // namespace tidelog
