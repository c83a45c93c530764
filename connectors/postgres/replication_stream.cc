#include "connectors/postgres/replication_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/postgres/xlogdata.h"
#include "core/source_position.h"

namespace tidelog::postgres {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long we sleep without looking whether something has become durable behind our back.
constexpr milliseconds rest_max{1'000};

// How long the server may take to end the copy before we just leave.
constexpr milliseconds goodbye_limit{1'000};

// Of the thread that keeps the connection alive, when the socket has no room for its word.
constexpr steady_clock::duration shortest_wait = milliseconds{10};

// Else a server asks for an answer once in half its wal_sender_timeout, which is a minute unless
// set otherwise.
constexpr steady_clock::duration stopping_server_asks_within = milliseconds{500};

// So many frames between two looks at the clock.
constexpr int frames_between_looks = 256;

// The highest protocol version that the server has, and what it offers with it: transactions are
// sent while they are in progress, so that the server need not gather them on its own disk.
std::string plugin_options(const ReplicationStream::Settings& settings, int server_version) {
  const bool has_prepared = server_version >= 150'000;
  const bool has_parallel = server_version >= 160'000;
  const int protocol = has_parallel ? 4 : has_prepared ? 3 : 2;
  std::string options =
      fmt::format("proto_version '{}', publication_names {}, messages 'true'", protocol,
                  quote_literal(quote_identifier(settings.publication)));
  if (!settings.whole_until)
    options += has_parallel ? ", streaming 'parallel'" : ", streaming 'on'";
  if (settings.two_phase) options += ", two_phase 'on'";
  if (settings.binary) options += ", binary 'true'";
  if (settings.without_origin) options += ", origin 'none'";
  return options;
}

}  // namespace

StatusSender::StatusSender(CopyBoth& copy, Clock& clock, milliseconds interval)
    : copy_(copy),
      clock_(clock),
      interval_(interval),
      last_sent_(clock.steady()),
      thread_([this](const std::stop_token& stop) { keep_alive(stop); }) {}

StatusSender::~StatusSender() = default;

void StatusSender::set_durable(Lsn durable) {
  if (durable.value > durable_.load()) durable_.store(durable.value);
}

bool StatusSender::has_news() const { return durable_.load() > told_.load(); }

Status StatusSender::send_now() {
  const std::scoped_lock lock(mutex_);
  return send();
}

Status StatusSender::send_if_due() {
  const std::scoped_lock lock(mutex_);
  return is_due() ? send() : Status();
}

bool StatusSender::is_due() const { return clock_.steady() - last_sent_ >= interval_; }

Status StatusSender::send() {
  const std::uint64_t durable = durable_.load();
  buffer_.clear();
  put_status_update(buffer_, Lsn{durable}, clock_.now());
  TRY(const CopyBoth::Sent sent, copy_.send(buffer_));
  if (sent == CopyBoth::Sent::none) return {};  // the next will say it
  told_.store(durable);
  last_sent_ = clock_.steady();
  return {};
}

// A broken connection is the reading thread's to notice.
void StatusSender::keep_alive(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto quiet = clock_.steady() - last_sent_;
    wake_.wait_for(lock, stop, std::max(interval_ - quiet, shortest_wait), [] { return false; });
    if (!stop.stop_requested() && is_due()) static_cast<void>(send());
  }
}

Status ReplicationStream::run(const Settings& settings, std::stop_token stop) {
  const StopSignal signal(std::move(stop));
  const std::string command = fmt::format(
      "START_REPLICATION SLOT {} LOGICAL {} ({})", quote_identifier(settings.slot),
      print_lsn(settings.start), plugin_options(settings, connection_.server_version()));
  auto copy = CopyBoth::start(connection_, command, signal);
  if (!copy && signal.requested()) return {};
  server_failed_ = !copy;
  TRY(copy_, std::move(copy));
  gathering_.emplace(Gathering::limits_of(copy_->socket()));
  StatusSender sender(*copy_, clock_, settings.status_interval);
  TRY_DO(loop(settings, signal, sender));
  return end(sender);
}

// Between sending in pieces and sending as a whole, which takes another connection.
bool ReplicationStream::must_change(const Settings& settings) const {
  if (assembly_.read_whole_until()) return true;
  if (settings.publishes && assembly_.found_new_table() && !assembly_.in_transaction()) return true;
  return settings.whole_until && !assembly_.in_transaction() &&
         assembly_.position() >= *settings.whole_until;
}

Status ReplicationStream::loop(const Settings& settings, const StopSignal& stop,
                               StatusSender& sender) {
  int frames = 0;
  while (!stop.requested() && !must_change(settings)) {
    auto next = copy_->next();
    server_failed_ = !next;
    TRY(const std::optional<std::string_view> bytes, std::move(next));
    if (!bytes) {
      TRY_DO(rest(stop, sender));
      continue;
    }
    TRY_DO(take_frame(*bytes, sender));
    if (++frames < frames_between_looks) continue;
    frames = 0;
    TRY_DO(update_durable(sender));
    TRY_DO(sender.send_if_due());
  }
  return {};
}

Status ReplicationStream::take_frame(std::string_view bytes, StatusSender& sender) {
  TRY(const Frame frame, read_frame(bytes));
  gathered_ = false;
  ++frames_;
  if (frame.kind == Frame::Kind::data)
    return assembly_.decode(frame.payload, {frame.start, frame.server_time});
  TRY_DO(assembly_.reached(frame.end));
  return frame.reply_wanted ? answer(frame.end, sender) : Status();
}

// A server that is being stopped asks again upon each answer, until all that it sent is confirmed.
// A position alone is not stored at once (ingest), and the server would not end before. So we
// leave: it asks only when it has nothing more to send.
Status ReplicationStream::answer(Lsn sent, StatusSender& sender) {
  TRY_DO(update_durable(sender));
  TRY_DO(sender.send_now());
  const auto now = clock_.steady();
  const auto earlier = std::exchange(asked_, now);
  const bool asks_again = earlier && now - *earlier < stopping_server_asks_within;
  if (!asks_again || assembly_.in_transaction() || sent <= sender.told()) return {};
  return fail(Code::unavailable, "the server is being stopped");
}

// Between two transactions once before each time that they are made durable, so that under load
// more of them share a sync. False: there is no reason to, or nothing came of it.
bool ReplicationStream::gather(const StopSignal& stop) {
  const int frames = std::exchange(frames_, 0);
  if (std::exchange(gathered_, true)) return false;
  const bool is_between = !assembly_.in_transaction();
  if (is_between && (!Gathering::is_many(frames) || std::exchange(gathered_between_, true)))
    return false;
  pause_for(gathering_->pause(frames, clock_.steady()), stop);
  return true;
}

Status ReplicationStream::rest(const StopSignal& stop, StatusSender& sender) {
  if (gather(stop)) return {};
  TRY_DO(handler_.idle());
  gathered_between_ = false;
  TRY_DO(update_durable(sender));
  TRY_DO(sender.has_news() ? sender.send_now() : sender.send_if_due());
  wait_for_socket(copy_->socket(), Direction::read, rest_max, stop, &waker_);
  waker_.forget();
  return {};
}

Status ReplicationStream::update_durable(StatusSender& sender) {
  const std::string durable = handler_.durable();
  if (durable.empty()) return {};
  TRY(const PostgresResume resume, read_postgres_resume(durable));
  if (resume.phase == PostgresResume::Phase::streaming) sender.set_durable(resume.end_lsn);
  return {};
}

// What is stored is confirmed once more, so that the server need not send it again; then the copy
// is ended and its answer awaited, which comes once the slot is free. A server that is in the
// middle of a large transaction does not answer soon: then we leave.
Status ReplicationStream::end(StatusSender& sender) {
  TRY_DO(handler_.idle());
  TRY_DO(update_durable(sender));
  if (!sender.send_now() || !copy_->send_end()) return {};
  const auto deadline = steady_clock::now() + goodbye_limit;
  const StopSignal never{std::stop_token{}};
  while (steady_clock::now() < deadline && copy_->take_goodbye() == CopyBoth::Goodbye::awaited)
    wait_for_socket(copy_->socket(), Direction::read, milliseconds{50}, never);
  return {};
}

}  // namespace tidelog::postgres
