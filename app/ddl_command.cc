#include "app/ddl_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <stop_token>
#include <vector>

#include "app/config.h"
#include "app/nearest.h"
#include "app/postgres_options.h"
#include "connectors/postgres/ddl_triggers.h"

namespace tidelog {
namespace {

using OrderedJson = nlohmann::ordered_json;

Result<PostgresOptions> options_of(const CommandContext& context, const DdlOptions& options) {
  if (options.common.config_file.empty())
    return fail(Code::misconfigured, "which database? Give -c FILE");
  TRY(const Config config, load_config(options.common.config_file, ConfigUse::everything,
                                       {context.disk, context.environment, context.secrets}));
  std::vector<std::string_view> names;
  for (const SourceConfig& source : config.sources) {
    if (source.name == options.source && source.database != Database::postgres) {
      return fail(Code::misconfigured, fmt::format("the source `{}` is no Postgres: its DDL is in "
                                                   "its log without triggers",
                                                   options.source));
    }
    if (source.name == options.source) return postgres_options(source, nullptr, std::stop_token{});
    names.push_back(source.name);
  }
  return fail(Code::not_found, fmt::format("{} has no source `{}`{}", config.file, options.source,
                                           suggestion(options.source, names)));
}

Status print_sql(const CommandContext& context, const DdlOptions& options, const std::string& sql) {
  if (!options.common.json) {
    TRY_DO(context.out.write(sql));
    return context.out.flush();
  }
  const OrderedJson line = {{"source", options.source}, {"sql", sql}};
  TRY_DO(context.out.line(line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)));
  return context.out.flush();
}

Status tell(const CommandContext& context, const DdlOptions& options, std::string_view state,
            const std::string& text) {
  if (!options.common.json) {
    TRY_DO(context.out.line(text));
    return context.out.flush();
  }
  const OrderedJson line = {{"source", options.source}, {"ddl_triggers", state}};
  TRY_DO(context.out.line(line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)));
  return context.out.flush();
}

// Everything was in one transaction.
Error with_way_out(const Error& error, const DdlOptions& options, const DdlTriggersState& state,
                   std::string_view what) {
  return {error.code,
          fmt::format("{}; nothing was changed. Event triggers need a superuser, or rds_superuser, "
                      "cloudsqlsuperuser or azure_pg_admin where that is what there is, and the "
                      "source connects as {}: let one run what `tidelog source ddl {} {} --dry-run "
                      "-c {}` prints",
                      error.what, state.role, what, options.source, options.common.config_file),
          error.where};
}

Status run(const PostgresOptions& postgres, const DdlOptions& options,
           const DdlTriggersState& state, const std::string& sql, std::string_view what) {
  const Status done = run_ddl_triggers_sql(postgres, sql);
  if (done || done.error().code != Code::misconfigured) return done;
  return tl::unexpected<Error>(with_way_out(done.error(), options, state, what));
}

}  // namespace

Status install_ddl_triggers(const CommandContext& context, const DdlOptions& options) {
  TRY(const PostgresOptions postgres, options_of(context, options));
  TRY(const DdlTriggersState state, look_at_ddl_triggers(postgres));
  if (options.dry_run) return print_sql(context, options, state.install_sql);
  TRY_DO(run(postgres, options, state, state.install_sql, "install"));
  return tell(
      context, options, "installed",
      fmt::format("the event triggers are installed in the database of {}: from here on its "
                  "schemas are those of their time",
                  options.source));
}

Status remove_ddl_triggers(const CommandContext& context, const DdlOptions& options) {
  TRY(const PostgresOptions postgres, options_of(context, options));
  TRY(const DdlTriggersState state, look_at_ddl_triggers(postgres));
  if (options.dry_run) return print_sql(context, options, state.remove_sql);
  TRY_DO(run(postgres, options, state, state.remove_sql, "remove"));
  return tell(context, options, "absent",
              fmt::format("the event triggers are gone from the database of {}, with all that they "
                          "wrote down there",
                          options.source));
}

Status show_ddl_triggers(const CommandContext& context, const DdlOptions& options) {
  TRY(const PostgresOptions postgres, options_of(context, options));
  TRY(const DdlTriggersState state, look_at_ddl_triggers(postgres));
  if (options.common.json) {
    const OrderedJson line = {{"source", options.source},
                              {"ddl_triggers", state.state},
                              {"role", state.role},
                              {"install", state.install_sql},
                              {"remove", state.remove_sql}};
    TRY_DO(context.out.line(line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace)));
    return context.out.flush();
  }
  TRY_DO(context.out.write(
      fmt::format("-- {}: the event triggers are {}\n\n-- install\n{}\n-- "
                  "remove\n{}",
                  options.source, state.state, state.install_sql, state.remove_sql)));
  return context.out.flush();
}

}  // namespace tidelog
