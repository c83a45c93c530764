#include "app/retention_run.h"

#include <fmt/format.h>

#include <exception>
#include <memory>
#include <string>

#include "app/pattern.h"
#include "app/pause.h"
#include "app/table.h"
#include "app/writing.h"
#include "eventstore/packing.h"
#include "eventstore/state_directory.h"
#include "eventstore/store_reader.h"
#include "projections/snapshots.h"

namespace tidelog {
namespace {

constexpr auto look_interval = std::chrono::minutes(1);

RetentionRule rule_of(const StoreConfig& config, std::string_view stream) {
  for (const RetentionPolicy& policy : config.retention) {
    if (matches(policy.streams, stream)) return policy.rule;
  }
  return {};
}

Status make_base(EventStore& store, const std::string& stream, Position position,
                 const std::stop_token& stop) {
  TRY(const auto reader, store.reader());
  const StateDirectory directory(store.disk(), reader->directory());
  TRY(const auto lock, directory.lock(lock_holder(store.clock(), "retention")));
  TRY_DO(make_base_snapshot(*reader, {stream, position}, stop));
  return {};
}

class Retaining {
 public:
  Retaining(EventStore& store, const StoreConfig& config, ConsumerFloor floor, Log& log)
      : store_(store), config_(config), floor_(std::move(floor)), log_(log) {}

  void operator()(const std::stop_token& stop) {
    try {
      if (const auto small = small_max_bytes(config_)) log_.warning(*small, {});
      do {
        look(stop);
        if (packs(config_)) pack(stop);
      } while (pause(look_interval, stop));
    } catch (const std::exception& error) {
      log_.error("retention stopped", {{"error", error.what()}});
    }
  }

 private:
  // Without rules only streams that were truncated or ended give work, once each and once again
  // for what was sealed since.
  bool may_have_work() {
    if (!config_.retention.empty() || config_.max_bytes) return true;
    const auto lives = store_.stream_lives();
    const std::uint64_t last_segment = store_.manifest().segments.back().id;
    const bool is_new = lives != lives_ || last_segment != last_segment_;
    lives_ = lives;
    last_segment_ = last_segment;
    return is_new && !lives.empty();
  }

  void look(const std::stop_token& stop) {
    if (!may_have_work() && told_.empty() && !told_held_back_) return;
    const auto report = retain(
        store_, config_, floor_(), memory_, [](Position) {}, stop);
    if (!report && report.error().code == Code::cancelled) return;
    if (!report) {
      tell_once("retention waits", report.error().what, told_);
      return;
    }
    told_.clear();
    if (report->events_removed != 0 || report->segments_let_go != 0) {
      log_.info("retention", {{"removed", fmt::format("{}", report->events_removed)},
                              {"let_go", fmt::format("{}", report->segments_let_go)}});
    }
    if (report->held_back && !told_held_back_) {
      log_.warning(
          "retention is held back by a projection that has not read so far, or a load that has not "
          "ended",
          {});
    }
    told_held_back_ = report->held_back;
  }

  void pack(const std::stop_token& stop) {
    const auto report = pack_segments(store_, packed_, stop);
    if (!report) {
      tell_once("packing waits", report.error().what, told_of_packing_);
      return;
    }
    told_of_packing_.clear();
    if (report->segments == 0) return;
    log_.info("packed", {{"segments", fmt::format("{}", report->segments)},
                         {"bytes_before", fmt::format("{}", report->bytes_before)},
                         {"bytes_after", fmt::format("{}", report->bytes_after)}});
  }

  void tell_once(std::string_view what, const std::string& problem, std::string& told) {
    if (told != problem) log_.warning(what, {{"problem", problem}});
    told = problem;
  }

  EventStore& store_;
  const StoreConfig& config_;
  const ConsumerFloor floor_;
  Log& log_;
  RetentionMemory memory_;
  PackingMemory packed_;
  std::map<StreamId, StreamLife> lives_;
  std::uint64_t last_segment_ = 0;
  std::string told_;
  std::string told_of_packing_;
  bool told_held_back_ = false;
};

}  // namespace

Result<RetentionReport> truncate_table(EventStore& store, const std::string& stream,
                                       Revision before, Position floor,
                                       const std::function<void(Position)>& on_progress) {
  RetentionPlan plan;
  plan.rule_of = [&](std::string_view name) {
    RetentionRule rule;
    if (name == stream) rule.before = before;
    return rule;
  };
  plan.make_base = [&](const std::string& table, Position position) {
    return make_base(store, table, position, {});
  };
  plan.floor = floor;
  plan.on_progress = on_progress;
  RetentionMemory memory;
  return apply_retention(store, plan, memory);
}

Status print_retention(const CommandContext& context, bool json, const RetentionReport& report,
                       const PackingReport& packing) {
  if (report.held_back) {
    TRY_DO(
        context.err.line("tidelog: note: some events are kept: a projection has not read them yet "
                         "(--past-consumers takes them all the same), or a load of their table has "
                         "not ended"));
  }
  if (json) {
    return context.out.line(fmt::format(
        R"({{"removed":{},"rewritten":{},"let_go":{},"bytes_before":{},"bytes_after":{},"held_back":{},"packed":{},"packed_bytes_before":{},"packed_bytes_after":{}}})",
        report.events_removed, report.segments_rewritten, report.segments_let_go,
        report.bytes_before, report.bytes_after, report.held_back, packing.segments,
        packing.bytes_before, packing.bytes_after));
  }
  if (packing.segments != 0) {
    TRY_DO(context.out.line(fmt::format("packed {} segments: {} became {}", packing.segments,
                                        print_bytes(packing.bytes_before),
                                        print_bytes(packing.bytes_after))));
  }
  return context.out.line(fmt::format(
      "removed {} events: {} segments written anew and {} let go, {} became {}",
      with_commas(report.events_removed), report.segments_rewritten, report.segments_let_go,
      print_bytes(report.bytes_before), print_bytes(report.bytes_after)));
}

Result<RetentionReport> retain(EventStore& store, const StoreConfig& config, Position floor,
                               RetentionMemory& memory,
                               const std::function<void(Position)>& on_progress,
                               const std::stop_token& stop) {
  RetentionPlan plan;
  plan.stop = stop;
  plan.rule_of = [&](std::string_view stream) { return rule_of(config, stream); };
  plan.make_base = [&](const std::string& stream, Position position) {
    return make_base(store, stream, position, stop);
  };
  plan.store_max_bytes = config.max_bytes;
  plan.floor = floor;
  plan.on_progress = on_progress;
  return apply_retention(store, plan, memory);
}

std::optional<std::string> small_max_bytes(const StoreConfig& config) {
  if (!config.max_bytes || *config.max_bytes > config.segment_bytes) return std::nullopt;
  return fmt::format(
      "`max_bytes` ({}) is not more than one segment (`segment_size`, {}): whole "
      "segments go, so up to both together stay",
      print_bytes(*config.max_bytes), print_bytes(config.segment_bytes));
}

bool packs(const StoreConfig& config) { return config.sealed_codec != format::Codec::lz4; }

RetentionRun::RetentionRun(EventStore& store, const StoreConfig& config, ConsumerFloor floor,
                           Log& log) {
  thread_ = std::jthread(Retaining(store, config, std::move(floor), log));
}

}  // namespace tidelog
