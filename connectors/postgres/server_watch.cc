#include "connectors/postgres/server_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "connectors/postgres/pgoutput.h"
#include "connectors/postgres/retained_wal.h"
#include "connectors/postgres/slot.h"
#include "core/source_position.h"

namespace tidelog {
namespace {

// Nothing that is asked here takes a server long.
constexpr std::chrono::milliseconds answer_limit{5'000};

Result<postgres::Connection> connect_to(const PostgresOptions& options) {
  TRY(auto connection, postgres::Connection::open(options, postgres::Connection::Kind::sql));
  connection.limit_answers(answer_limit);
  return connection;
}

// Our slot has confirmed what we stored, and no more.
Status check_ours(const postgres::Slot& slot, std::string_view stored) {
  TRY(const PostgresResume resume, read_postgres_resume(stored));
  const bool confirmed_more =
      resume.phase == PostgresResume::Phase::streaming && slot.confirmed > resume.end_lsn;
  if (resume.slot == slot.name && slot.plugin == "pgoutput" && !confirmed_more) return {};
  return fail(Code::history_lost, fmt::format("the slot {} is not the one that this store reads "
                                              "any more: it is left alone",
                                              slot.name));
}

}  // namespace

Status ServerWatch::connect() {
  if (connection_ && connection_->usable()) return {};
  TRY(connection_, connect_to(options_));
  return {};
}

Result<SourceProgress> ServerWatch::look(std::string_view stored) {
  TRY_DO(connect());
  auto seen = ask(stored);
  if (!seen) connection_.reset();
  return seen;
}

Result<SourceProgress> ServerWatch::ask(std::string_view stored) {
  PostgresResume resume;
  if (!stored.empty()) {
    TRY(resume, read_postgres_resume(stored));
  }
  TRY(const Lsn end, postgres::end_of_log(*connection_));
  SourceProgress progress;
  progress.server_position = encode(end);
  const bool stands = stored.empty() || resume.phase == PostgresResume::Phase::streaming;
  if (stands && end > resume.end_lsn) progress.lag_bytes = end.value - resume.end_lsn.value;
  TRY(const auto slot, postgres::find_slot(*connection_, postgres::slot_name(options_)));
  if (!slot) return progress;
  progress.wal_status = slot->wal_status;
  progress.retained_bytes = postgres::retained_bytes(*slot, end);
  if (slot->safe_wal_size) {
    progress.safe_wal_bytes =
        static_cast<std::uint64_t>(std::max<std::int64_t>(*slot->safe_wal_size, 0));
  }
  return progress;
}

Status ServerWatch::beat() {
  TRY_DO(connect());
  auto sent = connection_->query(
      "select pg_logical_emit_message(false, $1, $2)",
      {std::string(postgres::heartbeat_prefix), std::string(postgres::heartbeat_content)});
  if (sent) return {};
  connection_.reset();
  return tl::unexpected<Error>(sent.error());
}

Status drop_source_slot(const PostgresOptions& options, std::string_view stored) {
  TRY(postgres::Connection sql, connect_to(options));
  const std::string name = postgres::slot_name(options);
  TRY(const auto slot, postgres::find_idle_slot(sql, name, options.slot_wait, options.stop));
  if (!slot) return {};
  TRY_DO(check_ours(*slot, stored));
  return postgres::drop_slot(sql, name);
}

}  // namespace tidelog
