#include "app/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <functional>

#include "app/append_command.h"
#include "app/backup_command.h"
#include "app/check_command.h"
#include "app/compact_command.h"
#include "app/config_keys.h"
#include "app/ddl_command.h"
#include "app/erase_command.h"
#include "app/events_command.h"
#include "app/history_command.h"
#include "app/load_command.h"
#include "app/nearest.h"
#include "app/replay_command.h"
#include "app/run_command.h"
#include "app/salvage_command.h"
#include "app/snapshot_command.h"
#include "app/source_command.h"
#include "app/state_command.h"
#include "app/store_command.h"
#include "app/stream_command.h"

namespace tidelog {
namespace {

using Command = std::function<Status(const CommandContext&)>;

// Everything that parsing fills. The chosen subcommand leaves what is to be done.
struct CommandLine {
  explicit CommandLine(std::string_view version);

  CLI::App app{
      "tidelog captures the changes of a database into an event store, and answers from it.",
      "tidelog"};
  Command chosen;
};

constexpr const char* place_help = "a position (1234) or a time (2026-11-24 10:00:00, -5m)";

// ---- Options that several commands share ----

void add_which_store(CLI::App& command, CommonOptions& options) {
  CLI::Option* const config =
      command.add_option("-c,--config", options.config_file, "the configuration, a YAML file")
          ->type_name("FILE");
  command.add_option("--store", options.store, "the store's folder, instead of a configuration")
      ->type_name("DIR")
      ->excludes(config);
}

void add_store_options(CLI::App& command, CommonOptions& options) {
  add_which_store(command, options);
  command.add_flag("--json", options.json, "one JSON object a line, and nothing else");
}

CLI::Option* add_place(CLI::App& command, const char* name, std::string& place, const char* what) {
  return command.add_option(name, place, fmt::format("{}: {}", what, place_help))
      ->type_name("WHEN");
}

void add_table_stream(CLI::App& command, std::string& stream) {
  command.add_option("stream", stream, "the table's stream: {source}.{schema}.{table}")
      ->type_name("STREAM")
      ->required();
}

// Validators answer with what is wrong, and with nothing when all is well. Their descriptions would
// stand in the help, where ours say more.
CLI::Validator count(std::uint64_t least = 1) {
  return {[least](std::string& text) -> std::string {
            std::uint64_t number = 0;
            const char* const end = text.data() + text.size();
            const auto read = std::from_chars(text.data(), end, number);
            if (read.ec == std::errc() && read.ptr == end && number >= least) return {};
            return fmt::format("expected a whole number from {} on, found `{}`", least, text);
          },
          ""};
}

// sent: an event as the database logged it. whole: filled in from the store's own state.
void add_rows(CLI::App& command, bool& whole) {
  command
      .add_option(
          "--rows",
          "sent (as the database logged them) or whole (values and old rows that it left out are "
          "filled in from the store's own state); sent without it")
      ->type_name("FORM")
      ->check(CLI::IsMember({"sent", "whole"}).description(""))
      ->each([&whole](const std::string& form) { whole = form == "whole"; });
}

CLI::Validator log_format() {
  return {[](std::string& text) -> std::string {
            const bool known = text == "text" || text == "json";
            if (!known) return fmt::format("expected text or json, found `{}`", text);
            const LogFormat format = text == "text" ? LogFormat::text : LogFormat::json;
            text = std::to_string(static_cast<int>(format));
            return {};
          },
          ""};
}

// A subcommand whose options live as long as the parser: they are shared with its callback.
template <class Options>
std::shared_ptr<Options> add_command(CLI::App& parent, CommandLine& line, const char* name,
                                     const char* what, const char* examples,
                                     Status (*run)(const CommandContext&, const Options&)) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = parent.add_subcommand(name, what);
  command->footer(fmt::format("\nExamples:\n{}", examples));
  command->callback([&line, options, run] {
    line.chosen = [options, run](const CommandContext& context) { return run(context, *options); };
  });
  return options;
}

CLI::App& command_of(CLI::App& parent, const char* name) { return *parent.get_subcommand(name); }

// ---- The commands ----

void add_run(CommandLine& line) {
  const auto options = add_command<RunOptions>(
      line.app, line, "run",
      "the service: captures every source into the store until it is stopped",
      "  tidelog run -c shop.yaml\n"
      "  tidelog run -c shop.yaml --log-format json 2>> tidelog.log",
      run_service);
  CLI::App& command = command_of(line.app, "run");
  command.add_option("-c,--config", options->common.config_file, "the configuration, a YAML file")
      ->type_name("FILE")
      ->required();
  command.add_option("--log-format", options->log_format, "text (key=value) or json")
      ->type_name("FORMAT")
      ->transform(log_format());
}

struct CheckOptions {
  CommonOptions common;
  bool keys = false;
};

Status check_or_print_keys(const CommandContext& context, const CheckOptions& options) {
  if (options.keys) {
    TRY_DO(context.out.write(configuration_page()));
    return context.out.flush();
  }
  return check_everything(context, options.common);
}

void add_check(CommandLine& line) {
  const auto options =
      add_command<CheckOptions>(line.app, line, "check",
                                "looks at the configuration, the servers, rights and settings; "
                                "changes nothing, and prints the "
                                "statement that mends each fault",
                                "  tidelog check -c shop.yaml\n"
                                "  tidelog check --keys        every key of the configuration",
                                check_or_print_keys);
  CLI::App& command = command_of(line.app, "check");
  command.add_option("-c,--config", options->common.config_file, "the configuration, a YAML file")
      ->type_name("FILE");
  command.add_flag("--keys", options->keys, "prints every key of the configuration instead");
  command.add_flag("--json", options->common.json, "one JSON object a line, and nothing else");
}

void add_events_filter(CLI::App& command, EventsOptions& options) {
  command
      .add_option("--stream", options.streams,
                  "only this stream; * and ? are wildcards; may be given again")
      ->type_name("PATTERN");
  command
      .add_option(
          "--type", options.types,
          "only events of this type: load, insert, update, delete, truncate, schema, message, "
          "gap, or an application's own name; may be given again")
      ->type_name("TYPE");
  command.add_option("--key", options.key, "only this row; a composite key is a JSON array")
      ->type_name("KEY")
      ->each([&options](const std::string&) { options.has_key = true; });
}

void add_events(CommandLine& line) {
  const auto options = add_command<EventsOptions>(
      line.app, line, "events", "reads the history: forwards, backwards, or as it grows",
      "  tidelog events -c shop.yaml --backwards --limit 10          the newest ten\n"
      "  tidelog events -c shop.yaml --stream 'shop.public.*' --follow\n"
      "  tidelog events -c shop.yaml --stream shop.public.orders --type delete --from -1h\n"
      "  tidelog events -c shop.yaml --stream shop.public.orders --rows whole --json\n"
      "  tidelog events --store ./store --from 1000 --until 1999 --json\n"
      "  tidelog events --store ./store --stream order-7 --from-revision 5 --json",
      print_events);
  CLI::App& command = command_of(line.app, "events");
  add_store_options(command, options->common);
  add_events_filter(command, *options);
  add_rows(command, options->whole_rows);
  CLI::Option* const from = add_place(command, "--from", options->from, "the first event");
  command
      .add_option("--from-revision", options->from_revision,
                  "the first event, as its number within the one stream that is asked for")
      ->type_name("REVISION")
      ->check(count(0))
      ->excludes(from);
  CLI::Option* const follow =
      command.add_flag("--follow", options->follow, "goes on as new events arrive");
  command
      .add_option(
          "--until", options->until,
          fmt::format("the last event, rounded down to a whole transaction: {}", place_help))
      ->type_name("WHEN")
      ->excludes(follow);
  command.add_option("--limit", options->limit, "at most this many events")
      ->type_name("COUNT")
      ->check(count());
  command.add_flag("--backwards", options->backwards, "the newest first")->excludes(follow);
  command
      .add_option("--format", options->format,
                  "each line is the outgoing record in this form: flat")
      ->type_name("NAME")
      ->check(CLI::IsMember({"flat"}).description(""));
}

void add_state(CommandLine& line) {
  const auto options = add_command<StateOptions>(
      line.app, line, "state", "the rows of a table, as they are or as they were",
      "  tidelog state shop.public.orders -c shop.yaml --at -1m\n"
      "  tidelog state shop.public.orders -c shop.yaml --at '2026-11-24 10:00' --key 42\n"
      "  tidelog state shop.public.orders --store ./store --at 1234 --json | wc -l",
      print_state);
  CLI::App& command = command_of(line.app, "state");
  add_table_stream(command, options->stream);
  add_store_options(command, options->common);
  add_place(command, "--at", options->at,
            "the moment, inclusive, rounded down to a whole transaction");
  command.add_option("--key", options->key, "only this row; a composite key is a JSON array")
      ->type_name("KEY")
      ->each([options](const std::string&) { options->has_key = true; });
}

void add_history(CommandLine& line) {
  const auto options = add_command<HistoryOptions>(
      line.app, line, "history",
      "every version of one row: what changed, when, in which transaction",
      "  tidelog history shop.public.orders 42 -c shop.yaml\n"
      "  tidelog history shop.public.order_lines '[42, 1]' --store ./store --json",
      print_history);
  CLI::App& command = command_of(line.app, "history");
  add_table_stream(command, options->stream);
  command.add_option("key", options->key, "the row's key; a composite one is a JSON array")
      ->type_name("KEY")
      ->required();
  add_store_options(command, options->common);
}

void add_replay(CommandLine& line) {
  const auto options = add_command<ReplayCommandOptions>(
      line.app, line, "replay", "history into a SQLite file or into JSON lines",
      "  tidelog replay -c shop.yaml --into sqlite:orders.db --stream shop.public.orders\n"
      "  tidelog replay -c shop.yaml --into sqlite:before.db --until '2026-11-24 10:00'\n"
      "  tidelog replay --store ./store --into jsonl:history.jsonl\n"
      "  tidelog replay --store ./store --into - --from 1000 | jq .after\n"
      "A replay into SQLite that was interrupted goes on where it stopped.",
      replay_history);
  CLI::App& command = command_of(line.app, "replay");
  add_which_store(command, options->common);
  command.add_option("--into", options->into, "sqlite:PATH, jsonl:PATH, or - for standard output")
      ->type_name("TARGET")
      ->required();
  add_rows(command, options->whole_rows);
  command
      .add_option("--stream", options->streams,
                  "only this stream; * and ? are wildcards; may be given again")
      ->type_name("PATTERN");
  add_place(command, "--from", options->from, "the first event");
  add_place(command, "--until", options->until,
            "the last event, inclusive, rounded down to a whole transaction");
}

void add_append(CommandLine& line) {
  const auto options = add_command<AppendOptions>(
      line.app, line, "append", "an application's events, one JSON object a line, into a stream",
      "  echo '{\"type\":\"OrderPlaced\",\"data\":{\"total\":12.50}}' |\n"
      "    tidelog append order-7 -c shop.yaml --expected-revision no-stream\n"
      "  tidelog append order-7 events.jsonl --store ./store --expected-revision 4\n"
      "  tidelog append audit events.jsonl --store ./store --each\n\n"
      "Members of a line: type, data, metadata, id (a UUID), content_type, correlation_id,\n"
      "causation_id, key. All lines are one append, which is stored whole or not at all; the same\n"
      "lines with the same ids again are stored once. The service must not run meanwhile.\n"
      "Exit code 5: the stream is not at the expected revision; the message tells where it is.",
      append_events);
  CLI::App& command = command_of(line.app, "append");
  command.add_option("stream", options->stream, "the stream; any name without $")
      ->type_name("STREAM")
      ->required();
  command.add_option("file", options->file, "the lines; standard input without it, or with -")
      ->type_name("FILE");
  add_store_options(command, options->common);
  command
      .add_option("--expected-revision", options->expected,
                  "any (the usual), no-stream, exists, or the revision of the last event")
      ->type_name("REVISION");
  command.add_option("--event-id", options->event_id, "the id of a single event")
      ->type_name("UUID");
  command.add_option("--type", options->type, "the type of lines that have none")
      ->type_name("TYPE");
  command.add_flag(
      "--each", options->each,
      "an append for each line, up to the first that fails; some of the 64 lines after "
      "it may have been stored by then");
  command.add_flag("--create", options->create, "makes the store when there is none");
}

void add_erase(CommandLine& line, CLI::App& store) {
  const auto options = add_command<EraseOptions>(
      store, line, "erase",
      "every event of a key, gone for good: a marker without key and content stays in its place",
      "  tidelog store erase -c shop.yaml --stream shop.public.customers --key 42 --dry-run\n"
      "  tidelog store erase -c shop.yaml --stream shop.public.customers --key 42\n\n"
      "A row that had other keys before or after is erased under those as well. The service must\n"
      "not run meanwhile. An erasure that was cut off goes on with the next `run` or `erase`.",
      erase_key);
  CLI::App& command = command_of(store, "erase");
  add_store_options(command, options->common);
  command.add_option("--stream", options->stream, "the stream, by its whole name")
      ->type_name("STREAM")
      ->required();
  command
      .add_option("--key", options->key, "the key: a value, or a JSON array for a composite one")
      ->type_name("KEY")
      ->required();
  command.add_flag("--dry-run", options->dry_run, "only count what would be erased");
}

void add_backup(CommandLine& line, CLI::App& store) {
  const auto backup = add_command<BackupOptions>(
      store, line, "backup",
      "copies the store as it is now into a folder, beside a running service; given again, it "
      "verifies what is there, and copies what is new or has rotted",
      "  tidelog store backup -c shop.yaml --to /backup/shop\n"
      "  tidelog events --store /backup/shop --limit 10        a backup can be read like a store",
      back_up);
  CLI::App& command = command_of(store, "backup");
  add_store_options(command, backup->common);
  command
      .add_option("--to", backup->to, "the backup's folder: new, empty, or of an earlier backup")
      ->type_name("DIR")
      ->required();
  command.add_flag("--trust-copies", backup->trust_copies,
                   "does not read again what was copied before: faster, and rot there stays");

  const auto restored = add_command<RestoreOptions>(
      store, line, "restore", "makes a new store from a backup, whole or as it was earlier",
      "  tidelog store restore --from /backup/shop --to /var/lib/tidelog\n"
      "  tidelog store restore --from /backup/shop --to ./before --until '2026-11-24 10:00'",
      restore);
  CLI::App& restoring = command_of(store, "restore");
  restoring.add_option("--from", restored->from, "the backup's folder")
      ->type_name("DIR")
      ->required();
  restoring.add_option("--to", restored->to, "the new store's folder: new, or empty")
      ->type_name("DIR")
      ->required();
  add_place(restoring, "--until", restored->until,
            "the last event, inclusive, rounded down to a whole transaction");
  restoring.add_flag("--json", restored->json, "one JSON object a line, and nothing else");
}

void add_salvage(CommandLine& line, CLI::App& store) {
  const auto options = add_command<SalvageOptions>(
      store, line, "salvage",
      "makes a new store of everything that can be read of a damaged one, and lists what is "
      "missing; "
      "the damaged one is only read",
      "  tidelog store salvage --from /var/lib/tidelog --to ./salvaged\n"
      "  tidelog store salvage --from ./damaged --to ./salvaged --json | jq .missing_events",
      salvage);
  CLI::App& command = command_of(store, "salvage");
  command.add_option("--from", options->from, "the damaged store's folder")
      ->type_name("DIR")
      ->required();
  command.add_option("--to", options->to, "the new store's folder: new, or empty")
      ->type_name("DIR")
      ->required();
  command.add_flag("--json", options->json, "one JSON object a line, and nothing else");
}

void add_adopt(CommandLine& line, CLI::App& store) {
  const auto options = add_command<CommonOptions>(
      store, line, "adopt",
      "lets `run` write to a store that was copied or moved here, when the other one is gone",
      "  tidelog store adopt --store /var/lib/tidelog", adopt_store);
  add_store_options(command_of(store, "adopt"), *options);
}

struct VerifyCommandOptions {
  CommonOptions common;
  bool state = false;
};

Status verify_store_or_states(const CommandContext& context, const VerifyCommandOptions& options) {
  return options.state ? verify_states(context, options.common)
                       : verify_store(context, options.common);
}

void add_compact(CommandLine& line, CLI::App& store) {
  const auto options = add_command<CompactOptions>(
      store, line, "compact",
      "applies the configuration's `retention`, `max_bytes` and `compress` now, and takes out what "
      "streams that were truncated or deleted left; `run` does it by itself",
      "  tidelog store compact -c shop.yaml\n\n"
      "Positions and revisions stay. Tables keep a base snapshot, from which on their state is "
      "told\n"
      "as ever. The service must not run meanwhile.",
      compact_store);
  CLI::App& command = command_of(store, "compact");
  add_store_options(command, options->common);
  command.add_flag("--past-consumers", options->past_consumers,
                   "takes also what a projection of the configuration has not read");
}

void add_streams(CommandLine& line, CLI::App& store) {
  const auto add_shared = [](CLI::App& command, StreamCommandOptions& options) {
    add_store_options(command, options.common);
    command.add_option("--stream", options.stream, "the stream's whole name")
        ->type_name("STREAM")
        ->required();
    command
        .add_option("--expected-revision", options.expected,
                    "any (the usual), no-stream, exists, or the revision of the last event")
        ->type_name("REVISION");
  };
  const auto truncated = add_command<StreamCommandOptions>(
      store, line, "truncate", "a stream's events before a revision no longer count, and go",
      "  tidelog store truncate --stream order-7 --before 40 -c shop.yaml\n"
      "  tidelog store truncate --stream shop.public.orders --before 100000 -c shop.yaml\n\n"
      "Readers of the stream pass over them from now on; `store compact` or the running service\n"
      "frees the space. Of a table's stream they go at once, behind a base snapshot that keeps "
      "its\n"
      "state, as far as they fill whole segments. The service must not run meanwhile.",
      truncate_stream);
  CLI::App& truncating = command_of(store, "truncate");
  add_shared(truncating, *truncated);
  truncating
      .add_option("--before", truncated->before, "the revision of the first event that is kept")
      ->type_name("REVISION")
      ->required();
  truncating.add_flag("--past-consumers", truncated->past_consumers,
                      "of a table: takes also what a projection of the configuration has not read");

  const auto deleted = add_command<StreamCommandOptions>(
      store, line, "delete", "ends an application's stream: it has no events any more",
      "  tidelog store delete --stream cart-4711 -c shop.yaml\n"
      "  tidelog store delete --stream user-12 --for-ever -c shop.yaml --expected-revision 7\n\n"
      "The next append begins it anew, its revisions going on; with --for-ever there is none: "
      "every\n"
      "append is refused as a conflict. `store compact` or the running service frees the space. "
      "The\n"
      "stream of a table ends only with the table. The service must not run meanwhile.\n"
      "Exit code 5: the stream is not at the expected revision; the message tells where it is.",
      delete_stream);
  add_shared(command_of(store, "delete"), *deleted);
  command_of(store, "delete")
      .add_flag("--for-ever", deleted->for_ever, "a tombstone: nothing can be appended again");
}

void add_store(CommandLine& line) {
  CLI::App* const store = line.app.add_subcommand(
      "store",
      "the store's own care: verify, stats, snapshot, backup, restore, salvage, compact, truncate, "
      "delete, erase, adopt");
  store->require_subcommand(1);
  store->footer(
      "\nExamples:\n"
      "  tidelog store verify -c shop.yaml       is every byte as it was written?\n"
      "  tidelog store stats --store ./store\n"
      "  tidelog store backup -c shop.yaml --to /backup/shop\n"
      "  tidelog store restore --from /backup/shop --to ./store");
  const auto verify = add_command<VerifyCommandOptions>(
      *store, line, "verify",
      "reads everything: every checksum, the chain, every position; exit code 3 when it finds "
      "corruption",
      "  tidelog store verify -c shop.yaml\n"
      "  tidelog store verify -c shop.yaml --state      the state snapshots, against a full replay",
      verify_store_or_states);
  add_store_options(command_of(*store, "verify"), verify->common);
  command_of(*store, "verify")
      .add_flag("--state", verify->state,
                "compares each state snapshot with a full replay of its stream instead");
  const auto snapshot = add_command<SnapshotCommandOptions>(
      *store, line, "snapshot",
      "saves a table's state as it is now, so that questions about later moments replay little; "
      "`run` does it by itself",
      "  tidelog store snapshot -c shop.yaml\n"
      "  tidelog store snapshot shop.public.orders --store ./store",
      make_snapshots);
  add_store_options(command_of(*store, "snapshot"), snapshot->common);
  command_of(*store, "snapshot")
      .add_option("stream", snapshot->stream, "the table's stream; without it, every table")
      ->type_name("STREAM");
  const auto stats =
      add_command<CommonOptions>(*store, line, "stats", "how much the store holds",
                                 "  tidelog store stats --store ./store --json", print_store_stats);
  add_store_options(command_of(*store, "stats"), *stats);
  add_compact(line, *store);
  add_streams(line, *store);
  add_erase(line, *store);
  add_backup(line, *store);
  add_salvage(line, *store);
  add_adopt(line, *store);
}

void add_source_order(CLI::App& source, CommandLine& line, const char* name, const char* what,
                      Status (*run)(const CommandContext&, const SourceOrderOptions&)) {
  const std::string example = fmt::format("  tidelog source {} shop -c shop.yaml", name);
  const auto options =
      add_command<SourceOrderOptions>(source, line, name, what, example.c_str(), run);
  CLI::App& command = command_of(source, name);
  command.add_option("source", options->source, "the source's name")->required();
  add_store_options(command, options->common);
}

void add_source_load(CLI::App& source, CommandLine& line) {
  const auto options = add_command<LoadOptions>(
      source, line, "load",
      "reads the rows that a table has now, while its changes go on being captured",
      "  tidelog source load shop.public.orders -c shop.yaml\n"
      "  tidelog source load shop.public.orders --where \"placed >= '2026-01-01'\" -c shop.yaml\n"
      "  tidelog source load shop.public.orders --anew -c shop.yaml\n"
      "  tidelog source load shop.public.orders --cancel -c shop.yaml\n\n"
      "`tidelog run` must be at work. The table is read in chunks, each in a short transaction;\n"
      "a run that ends meanwhile goes on with the load when it is started again. A table that is\n"
      "added to the configuration is loaded without being asked for.",
      load_table);
  CLI::App& command = command_of(source, "load");
  add_table_stream(command, options->stream);
  add_store_options(command, options->common);
  CLI::Option* const where =
      command
          .add_option("--where", options->where, "only these rows: a condition in the server's SQL")
          ->type_name("SQL");
  CLI::Option* const anew = command.add_flag(
      "--anew", options->anew,
      "forgets the rows that are stored first, by a `truncate` event: for keys that are to be "
      "stored in another way; also while the source is paused");
  CLI::Option* const cancel =
      command.add_flag("--cancel", options->cancel, "ends the load; what was loaded stays");
  anew->excludes(where)->excludes(cancel);
  command.add_flag("--no-wait", options->no_wait, "returns as soon as the load has begun");
}

void add_ddl_command(CLI::App& ddl, CommandLine& line, const char* name, const char* what,
                     Status (*run)(const CommandContext&, const DdlOptions&)) {
  const std::string example = fmt::format("  tidelog source ddl {} shop -c shop.yaml", name);
  const auto options = add_command<DdlOptions>(ddl, line, name, what, example.c_str(), run);
  CLI::App& command = command_of(ddl, name);
  command.add_option("source", options->source, "the source's name")->required();
  command.add_option("-c,--config", options->common.config_file, "the configuration, a YAML file")
      ->type_name("FILE");
  command.add_flag("--json", options->common.json, "one JSON object a line, and nothing else");
  if (run != show_ddl_triggers)
    command.add_flag("--dry-run", options->dry_run, "prints the SQL, and runs nothing");
}

void add_source_ddl(CLI::App& source, CommandLine& line) {
  CLI::App* const ddl = source.add_subcommand(
      "ddl", "event triggers in the database, which write what DDL does into its log");
  ddl->require_subcommand(1);
  ddl->footer(
      "\nExamples:\n  tidelog source ddl show shop -c shop.yaml\n"
      "  tidelog source ddl install shop -c shop.yaml\n\n"
      "With them each statement that touches a captured table is an event, and schemas are those\n"
      "of their time. Without them they follow from the log and the catalog as far as it goes.");
  add_ddl_command(*ddl, line, "install",
                  "installs the event triggers, or brings them up to date; needs a superuser",
                  install_ddl_triggers);
  add_ddl_command(*ddl, line, "remove", "removes them, and what they wrote down",
                  remove_ddl_triggers);
  add_ddl_command(*ddl, line, "show", "says whether they are there, and prints the SQL of both",
                  show_ddl_triggers);
}

void add_source(CommandLine& line) {
  CLI::App* const source =
      line.app.add_subcommand("source", "the sources: status, load, pause, resume, skip, ddl");
  source->require_subcommand(1);
  source->footer(
      "\nExamples:\n  tidelog source status -c shop.yaml\n"
      "  tidelog source load shop.public.orders -c shop.yaml\n"
      "  tidelog source pause shop -c shop.yaml");
  const auto status = add_command<CommonOptions>(
      *source, line, "status",
      "what each source does now, how far it is behind its database, and what it holds back there",
      "  tidelog source status -c shop.yaml\n"
      "  watch tidelog source status --store ./store",
      print_source_states);
  add_store_options(command_of(*source, "status"), *status);
  add_source_load(*source, line);
  add_source_order(
      *source, line, "pause",
      "a source captures nothing until it is resumed, also over restarts of `run`; its "
      "slot is kept",
      pause_source);
  add_source_order(*source, line, "resume",
                   "a source that is paused goes on, from where it stands; nothing is missing",
                   resume_source);
  add_source_order(*source, line, "skip",
                   "leaves out the transaction that a source has stopped at since it cannot be "
                   "decoded: a `gap` event stands in its place, and the source goes on behind it",
                   skip_transaction);
  add_source_ddl(*source, line);
}

constexpr const char* program_footer = R"(
Examples:
  tidelog check -c shop.yaml                              is everything as it must be?
  tidelog run -c shop.yaml                                capture
  tidelog events -c shop.yaml --backwards --limit 10      the newest events
  tidelog state shop.public.orders -c shop.yaml --at -1m  a table as it was a minute ago
`tidelog COMMAND --help` tells more.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 corruption found, 4 could not reach a server,
5 conflict (another process holds the store, the slot or the target; a stream is not at the expected revision).)";

CommandLine::CommandLine(std::string_view version) {
  app.set_version_flag("--version", fmt::format("tidelog {}", version));
  app.require_subcommand(1);
  app.footer(program_footer);
  add_run(*this);
  add_check(*this);
  add_events(*this);
  add_state(*this);
  add_history(*this);
  add_replay(*this);
  add_append(*this);
  add_store(*this);
  add_source(*this);
}

// ---- Wrong usage ----

// The command that the arguments reached.
CLI::App& innermost(CLI::App& app) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  return parsed.empty() ? app : innermost(*parsed.back());
}

std::vector<std::string> words_of(CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* const sub : command.get_subcommands([](CLI::App*) { return true; })) {
    words.push_back(sub->get_name());
  }
  for (const CLI::Option* const option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

// The words of a command that a misspelt one may have meant: options for an option, commands for
// others.
std::string usage_suggestion(CLI::App& command, const std::string& word) {
  const std::vector<std::string> words = words_of(command);
  std::vector<std::string_view> known;
  for (const std::string& candidate : words) {
    if (candidate.starts_with("--") == word.starts_with("--")) known.push_back(candidate);
  }
  return suggestion(word, known);
}

// "tidelog store verify"
std::string full_name(const CLI::App& command) {
  const CLI::App* const parent = command.get_parent();
  if (parent == nullptr) return command.get_name();
  return fmt::format("{} {}", full_name(*parent), command.get_name());
}

std::string usage_problem(CLI::App& app, CLI::App& command, const CLI::ParseError& error) {
  const std::vector<std::string> extras = app.remaining(true);
  if (!extras.empty()) {
    return fmt::format("`{}` is not understood{}", extras.front(),
                       usage_suggestion(command, extras.front()));
  }
  const bool lacks_command =
      command.get_require_subcommand_min() > 0 && command.get_subcommands().empty();
  if (lacks_command) return "a command is missing" + usage_suggestion(command, "");
  return error.what();
}

std::string usage_text(CLI::App& app, const CLI::ParseError& error) {
  CLI::App& command = innermost(app);
  const std::string name = full_name(command);
  return fmt::format("{}: {}. See {} --help", name, usage_problem(app, command, error), name);
}

// Where even standard error is gone, the exit code still tells.
void tell(const CommandContext& context, std::string_view what) {
  static_cast<void>(context.err.line(context.secrets.mask(what)));
}

ExitCode print_help(const CommandContext& context, const std::string& text) {
  const Status printed = context.out.write(text);
  const bool told = printed.has_value() && context.out.flush().has_value();
  return told ? ExitCode::done : ExitCode::failed;
}

// Nothing when a command was chosen, otherwise what to end with.
std::optional<ExitCode> parse(CommandLine& line, const std::vector<std::string>& arguments,
                              const CommandContext& context) {
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    line.app.parse(std::move(reversed));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    return print_help(context, line.app.help());  // of the command that the arguments reached
  } catch (const CLI::CallForVersion&) {
    return print_help(context, line.app.version() + "\n");
  } catch (const CLI::ParseError& error) {
    tell(context, usage_text(line.app, error));
    return ExitCode::usage;
  }
}

}  // namespace

ExitCode run_program(const std::vector<std::string>& arguments, std::string_view version,
                     const CommandContext& context) {
  CommandLine line(version);
  if (const auto ended = parse(line, arguments, context)) return *ended;
  Status status = line.chosen(context);
  // What was read before an error, such as the whole part of a damaged store, is shown as well.
  const Status shown = context.out.flush();
  if (status) status = shown;
  if (status) return ExitCode::done;
  // Without a text, it is in the log already.
  if (!status.error().what.empty()) tell(context, fmt::format("tidelog: {}", status.error().what));
  return exit_code_for(status.error().code);
}

}  // namespace tidelog
