#include "app/run_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "app/pause.h"
#include "app/projection_run.h"
#include "app/requests.h"
#include "app/retention_run.h"
#include "app/run_status.h"
#include "app/signals.h"
#include "app/snapshot_run.h"
#include "app/source_orders.h"
#include "app/source_run.h"
#include "app/writing.h"
#include "eventstore/erasure.h"
#include "eventstore/event_store.h"
#include "eventstore/store_marks.h"
#include "projections/snapshots.h"

namespace tidelog {
namespace {

constexpr auto look_interval = std::chrono::milliseconds(100);
constexpr auto publish_interval = std::chrono::seconds(1);
constexpr auto store_retry_interval = std::chrono::seconds(1);
constexpr auto stop_patience = std::chrono::milliseconds(4500);

// Everything that runs, while it runs. One thread.
class Service {
 public:
  Service(const CommandContext& context, const Config& config, Log& log, EventStore& store,
          std::stop_source stop, StopOnSignal& signals)
      : context_(context),
        config_(config),
        log_(log),
        store_(store),
        stop_(std::move(stop)),
        signals_(signals) {}

  Status run();

 private:
  Status start();
  void start_source(const SourceConfig& source, const SourceOrders& orders);
  void reload();
  void take_over(const Config& config, const SourceOrders& orders);
  Status watch();
  bool all_ended() const;
  Position read_by_all() const;
  Status look_at_results();
  void look_at_orders();
  void look_at_requests();
  Result<std::uint64_t> begin(const LoadRequest& request);
  void publish(bool ended);

  const CommandContext& context_;
  const Config& config_;
  Log& log_;
  EventStore& store_;
  std::stop_source stop_;
  StopOnSignal& signals_;
  std::vector<std::unique_ptr<SourceRun>> sources_;
  std::vector<std::unique_ptr<ProjectionRun>> projections_;
  std::unique_ptr<SnapshotRun> snapshots_;
  std::unique_ptr<RetentionRun> retention_;
  std::vector<const SourceRun*> told_;  // whose end was logged
  struct SourceError {
    std::string source;
    Error error;
  };
  std::optional<SourceError> first_error_;
  std::chrono::steady_clock::time_point published_;
  bool is_reloaded_ = false;
  bool publish_failed_ = false;
  bool orders_failed_ = false;
};

SourceOrder order_for(const SourceOrders& orders, const std::string& source) {
  SourceOrder order;
  order.is_paused = orders.paused.contains(source);
  const auto skip = orders.skips.find(source);
  if (skip != orders.skips.end()) order.skip = skip->second;
  return order;
}

Status Service::start() {
  TRY(const SourceOrders orders, read_source_orders(context_.disk, config_.store.path));
  for (const SourceConfig& source : config_.sources) start_source(source, orders);
  for (const ProjectionConfig& projection : config_.projections) {
    projections_.push_back(std::make_unique<ProjectionRun>(store_, projection, log_));
  }
  snapshots_ = std::make_unique<SnapshotRun>(context_.disk, store_, config_.store.snapshots,
                                             context_.clock, log_);
  retention_ = std::make_unique<RetentionRun>(
      store_, config_.store, [this] { return read_by_all(); }, log_);
  return {};
}

void Service::start_source(const SourceConfig& source, const SourceOrders& orders) {
  sources_.push_back(std::make_unique<SourceRun>(
      store_, context_.clock, log_, source, order_for(orders, source.name), stop_.get_token()));
}

// A configuration with an error changes nothing: what runs goes on.
void Service::reload() {
  const auto config = load_config(config_.file, ConfigUse::everything,
                                  {context_.disk, context_.environment, context_.secrets});
  const auto orders = read_source_orders(context_.disk, config_.store.path);
  std::string problem;
  if (!config || !orders) problem = (config ? orders.error() : config.error()).what;
  if (problem.empty() && config->sources.empty()) problem = config->file + " has no `sources`";
  if (!problem.empty()) {
    log_.error("configuration not reloaded, all goes on as it was", {{"error", problem}});
    return;
  }
  is_reloaded_ = true;
  if (config->store != config_.store || config->projections != config_.projections) {
    log_.warning("of the configuration only `sources` are reloaded",
                 {{"mend", "restart `tidelog run` for changes of `store` and `projections`"}});
  }
  take_over(*config, *orders);
}

// A source that stays as it was is left alone.
void Service::take_over(const Config& config, const SourceOrders& orders) {
  std::vector<std::unique_ptr<SourceRun>> ending;
  for (auto& source : sources_) {
    const auto same = std::ranges::find(config.sources, source->config());
    if (same == config.sources.end()) ending.push_back(std::move(source));
  }
  std::erase(sources_, nullptr);
  for (const auto& source : ending) source->end();
  for (const auto& source : ending) {
    std::erase(told_, source.get());
    if (first_error_ && first_error_->source == source->name()) first_error_.reset();
    log_.info("source ends for the new configuration", {{"source", source->name()}});
  }
  ending.clear();  // waits for each: two must not write for one source
  for (const SourceConfig& source : config.sources) {
    const bool works = std::ranges::any_of(
        sources_, [&](const auto& other) { return other->name() == source.name; });
    if (!works) start_source(source, orders);
  }
  log_.info("configuration reloaded", {{"sources", fmt::format("{}", sources_.size())}});
}

void Service::look_at_orders() {
  const auto orders = read_source_orders(context_.disk, config_.store.path);
  if (!orders && !orders_failed_) {
    log_.warning("orders cannot be read", {{"problem", orders.error().what}});
  }
  orders_failed_ = !orders;
  if (!orders) return;
  for (const auto& source : sources_) source->obey(order_for(*orders, source->name()));
}

// What every projection has read: retention does not pass it.
Position Service::read_by_all() const {
  Position floor{UINT64_MAX};
  for (const auto& projection : projections_) floor = std::min(floor, projection->done());
  return floor;
}

bool Service::all_ended() const {
  return std::all_of(sources_.begin(), sources_.end(),
                     [](const auto& source) { return source->result().has_value(); });
}

// A source that could not start ends the run; one that stopped later, or came later, stops alone.
Status Service::look_at_results() {
  for (const auto& source : sources_) {
    source->report();
    const std::optional<Status> result = source->result();
    if (!result) std::erase(told_, source.get());
    if (!result || *result || std::count(told_.begin(), told_.end(), source.get()) > 0) continue;
    told_.push_back(source.get());
    Error error = result->error();
    error.what = fmt::format("source {}: {}", source->name(), error.what);
    if (!source->has_worked() && !is_reloaded_) return tl::unexpected<Error>(std::move(error));
    if (!all_ended()) log_.error("source stopped, others go on", {{"error", error.what}});
    if (!first_error_) first_error_ = SourceError{source->name(), std::move(error)};
  }
  return {};
}

// A disk that is full, or a folder that cannot be read, must not stop what could go on: whoever
// asked is not answered, and says so.
void Service::look_at_requests() {
  const auto requests = open_requests(context_.disk, config_.store.path);
  if (!requests) return;
  for (const NamedRequest& one : *requests) {
    // Withdrawn since it was listed: nobody waits for an answer.
    if (!one.request && one.request.error().code == Code::not_found) continue;
    LoadAnswer said;
    const auto begun =
        one.request ? begin(*one.request) : Result<std::uint64_t>(error_of(one.request));
    if (begun) said.number = *begun;
    if (!begun) said.refused = context_.secrets.mask(begun.error().what);
    static_cast<void>(answer(context_.disk, config_.store.path, one.name, said));
  }
}

Result<std::uint64_t> Service::begin(const LoadRequest& request) {
  for (const auto& source : sources_) {
    if (source->name() != request.source || source->result()) continue;
    const bool is_load = request.what == LoadRequest::What::load;
    if (source->status().state == "paused") {
      if (is_load && request.anew)
        return source->load_anew_while_paused({request.table, request.where});
      return fail(Code::conflict,
                  "the source " + request.source +
                      " is paused, and a load goes on beside its stream: resume it");
    }
    if (!is_load) return source->cancel_load(request.table);
    return source->load({request.table, request.where}, request.anew);
  }
  return fail(Code::not_found, "the source " + request.source + " is not at work");
}

// For `source status`. A disk that is full must not stop what could go on.
void Service::publish(bool ended) {
  published_ = context_.clock.steady();
  RunStatus status{getpid(), context_.clock.now(), ended, {}};
  for (const auto& source : sources_) {
    status.sources.push_back(source->status());
    status.sources.back().error = context_.secrets.mask(status.sources.back().error);
  }
  const Status written = write_run_status(context_.disk, config_.store.path, status);
  if (!written && !publish_failed_) {
    log_.warning("status is not published", {{"error", written.error().what}});
  }
  publish_failed_ = !written;
}

Status Service::watch() {
  publish(false);
  while (pause(look_interval, stop_.get_token())) {
    if (signals_.take_hangup()) reload();
    look_at_orders();
    TRY_DO(look_at_results());
    look_at_requests();
    if (all_ended())
      return first_error_ ? Status(tl::unexpected<Error>(first_error_->error)) : Status();
    if (context_.clock.steady() - published_ >= publish_interval) publish(false);
  }
  return {};  // asked to stop: what one source did before is told already
}

Status Service::run() {
  TRY_DO(start());
  const Status watched = watch();
  stop_.request_stop();
  retention_.reset();
  snapshots_.reset();
  projections_.clear();
  while (!all_ended()) pause(std::chrono::milliseconds(5), std::stop_token{});
  for (const auto& source : sources_) source->report();
  publish(true);
  return watched;
}

// A full disk is waited for, at the start as later. None when asked to stop meanwhile.
Result<std::unique_ptr<EventStore>> open_store(const CommandContext& context, const Config& config,
                                               Log& log, const std::stop_token& stop) {
  const StoreOptions options = store_options(config.store, context.clock, "run");
  for (bool told = false;; told = true) {
    auto store = EventStore::open(context.disk, context.clock, config.store.path, options);
    if (store || store.error().code != Code::disk_full) return store;
    if (!told) log.warning("store waits", {{"problem", store.error().what}});
    if (!pause(store_retry_interval, stop)) return std::unique_ptr<EventStore>();
  }
}

// A store that was made from another one without its last events: what its sources would send next
// does not follow what it holds.
Status check_origin(const CommandContext& context, const Config& config, Log& log,
                    const EventStore& store) {
  TRY(const auto origin, read_origin(context.disk, StorePaths(config.store.path)));
  if (!origin) return {};
  log.info("store was made from another one", {{"how", std::string(name_of(origin->kind))},
                                               {"from", print_uuid(origin->uuid)},
                                               {"at", fmt::format("{}", origin->position.value)},
                                               {"on", print_time(origin->time)}});
  if (!origin->incomplete) return {};
  for (const SourceConfig& source : config.sources) {
    if (store.source_position(source.name).empty()) continue;
    return fail(
        Code::misconfigured,
        fmt::format("{} was {} on {} without all events of the store that it was made from, "
                    "so the source {} cannot go on in it: what it sends next would not "
                    "follow. Give the source another name (`name: {}-2`) to capture into "
                    "this store from a new initial load, or restore the whole backup, or "
                    "use a new store",
                    config.store.path, name_of(origin->kind), print_time(origin->time), source.name,
                    source.name));
  }
  return {};
}

Status open_and_run(const CommandContext& context, const Config& config, Log& log,
                    const std::stop_source& stop, StopOnSignal& signals) {
  TRY(const auto store, open_store(context, config, log, stop.get_token()));
  if (store == nullptr) return {};
  TRY(const ErasureReport erased, finish_erasures(context, *store, "run"));
  if (erased.segments != 0)
    log.info("erasure resumed", {{"events", fmt::format("{}", erased.events)}});
  TRY_DO(check_origin(context, config, log, *store));
  log.info("store open", {{"store", config.store.path},
                          {"next_position", fmt::format("{}", store->durable().value)}});
  TRY_DO(Service(context, config, log, *store, stop, signals).run());
  log.info("ended", {{"next_position", fmt::format("{}", store->durable().value)}});
  return {};
}

Status load_and_run(const CommandContext& context, const RunOptions& options, Log& log) {
  TRY(const Config config, load_config(options.common.config_file, ConfigUse::everything,
                                       {context.disk, context.environment, context.secrets}));
  if (config.sources.empty()) {
    return fail(Code::misconfigured,
                fmt::format("{} has no `sources`, so there is nothing to run", config.file));
  }
  std::signal(SIGPIPE, SIG_IGN);  // who reads the log may go away
  const std::stop_source stop;
  // Before any other thread: they inherit which signals are blocked.
  StopOnSignal signals(stop, stop_patience, [&log](const char* what) { log.info(what, {}); });
  return open_and_run(context, config, log, stop, signals);
}

}  // namespace

Status run_service(const CommandContext& context, const RunOptions& options) {
  TRY(Log log, Log::to_stderr(options.log_format, context.secrets));
  Status ended = load_and_run(context, options, log);
  if (ended || options.log_format == LogFormat::text) return ended;
  // Who reads the log as JSON gets no line in another form.
  log.error("ended", {{"error", ended.error().what}});
  return fail(ended.error().code, "");
}

}  // namespace tidelog
