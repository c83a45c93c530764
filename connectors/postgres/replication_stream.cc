#include "connectors/postgres/replication_stream.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/socket.h>

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

// The server sends row by row, and waking a reader that waits in poll costs it more than the row
// does. In the middle of a transaction nobody waits for us yet, so over a Unix socket rows may
// gather for a moment instead: that halves the CPU and wins a fifth of the rate. Short enough that
// the socket's buffer (some 280 rows) does not fill meanwhile. Over TCP the kernel's own gathering
// is better.
constexpr std::chrono::microseconds gathering_time{100};

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
  if (settings.without_origin) options += ", origin 'none'";
  return options;
}

bool is_unix_socket(int socket) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

}  // namespace

StatusSender::StatusSender(Connection& connection, Clock& clock, milliseconds interval)
    : connection_(connection),
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
  const std::uint64_t durable = durable_.load();
  buffer_.clear();
  put_status_update(buffer_, Lsn{durable}, clock_.now());
  const int put =
      PQputCopyData(connection_.raw(), buffer_.data(), static_cast<int>(buffer_.size()));
  if (put < 0 || PQflush(connection_.raw()) < 0) return tl::unexpected<Error>(connection_.error());
  if (put == 0) return {};  // the socket is full of earlier ones; the next will say it
  told_.store(durable);
  last_sent_ = clock_.steady();
  return {};
}

Status StatusSender::send_if_due() {
  if (clock_.steady() - last_sent_ < interval_) return {};
  return send_now();
}

// A broken connection is the reading thread's to notice.
void StatusSender::keep_alive(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto quiet = clock_.steady() - last_sent_;
    wake_.wait_for(lock, stop, std::max(interval_ - quiet, shortest_wait), [] { return false; });
    if (!stop.stop_requested()) static_cast<void>(send_if_due());
  }
}

Status ReplicationStream::start(const Settings& settings) {
  const std::string command = fmt::format(
      "START_REPLICATION SLOT {} LOGICAL {} ({})", quote_identifier(settings.slot),
      print_lsn(settings.start), plugin_options(settings, connection_.server_version()));
  TRY_DO(connection_.start_copy(command));
  PQsetnonblocking(connection_.raw(), 1);
  gathers_ = is_unix_socket(PQsocket(connection_.raw()));
  return {};
}

Status ReplicationStream::run(const Settings& settings, std::stop_token stop) {
  TRY_DO(start(settings));
  const StopSignal signal(std::move(stop));
  StatusSender sender(connection_, clock_, settings.status_interval);
  TRY_DO(loop(settings, signal, sender));
  return end(sender);
}

// Between sending in pieces and sending as a whole, which takes another connection.
bool ReplicationStream::must_change(const Settings& settings) const {
  if (assembly_.read_whole_until()) return true;
  return settings.whole_until && !assembly_.in_transaction() &&
         assembly_.position() >= *settings.whole_until;
}

Status ReplicationStream::loop(const Settings& settings, const StopSignal& stop,
                               StatusSender& sender) {
  int frames = 0;
  while (!stop.requested() && !must_change(settings)) {
    TRY(const Input input, next_frame(sender));
    if (input == Input::none) {
      TRY_DO(rest(stop, sender));
      continue;
    }
    TRY_DO(take_frame(sender));
    if (++frames < frames_between_looks) continue;
    frames = 0;
    TRY_DO(update_durable(sender));
    const std::scoped_lock lock(sender.connection_mutex());
    TRY_DO(sender.send_if_due());
  }
  return {};
}

Result<ReplicationStream::Input> ReplicationStream::next_frame(StatusSender& sender) {
  const std::scoped_lock lock(sender.connection_mutex());
  for (const bool read_first : {false, true}) {
    if (read_first && PQconsumeInput(connection_.raw()) == 0)
      return tl::unexpected<Error>(connection_.error());
    char* bytes = nullptr;
    const int size = PQgetCopyData(connection_.raw(), &bytes, 1);
    if (size > 0) {
      frame_ = {bytes, static_cast<std::size_t>(size)};
      return Input::frame;
    }
    if (size < 0) return tl::unexpected<Error>(connection_.error_that_ended_copy());
  }
  return Input::none;
}

Status ReplicationStream::take_frame(StatusSender& sender) {
  const std::unique_ptr<char, decltype(&PQfreemem)> owned(frame_.bytes, &PQfreemem);
  TRY(const Frame frame, read_frame({frame_.bytes, frame_.size}));
  gathered_ = false;
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
  {
    const std::scoped_lock lock(sender.connection_mutex());
    TRY_DO(sender.send_now());
  }
  const auto now = clock_.steady();
  const auto earlier = std::exchange(asked_, now);
  const bool asks_again = earlier && now - *earlier < stopping_server_asks_within;
  if (!asks_again || assembly_.in_transaction() || sent <= sender.told()) return {};
  return fail(Code::unavailable, "the server is being stopped");
}

Status ReplicationStream::rest(const StopSignal& stop, StatusSender& sender) {
  if (gathers_ && assembly_.in_transaction() && !std::exchange(gathered_, true)) {
    pause_for(gathering_time, stop);
    return {};
  }
  TRY_DO(handler_.idle());
  TRY_DO(update_durable(sender));
  {
    const std::scoped_lock lock(sender.connection_mutex());
    TRY_DO(sender.has_news() ? sender.send_now() : sender.send_if_due());
  }
  wait_for_socket(PQsocket(connection_.raw()), Direction::read, rest_max, stop, &waker_);
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
  const std::scoped_lock lock(sender.connection_mutex());
  if (!sender.send_now() || PQputCopyEnd(connection_.raw(), nullptr) < 0) return {};
  const auto deadline = steady_clock::now() + goodbye_limit;
  const StopSignal never{std::stop_token{}};
  while (steady_clock::now() < deadline && PQflush(connection_.raw()) >= 0) {
    if (take_goodbye() == Goodbye::done) break;
    wait_for_socket(PQsocket(connection_.raw()), Direction::read, milliseconds{50}, never);
    if (PQconsumeInput(connection_.raw()) == 0) break;
  }
  return {};
}

// Drops what the server still sends, up to the answer to the whole command.
ReplicationStream::Goodbye ReplicationStream::take_goodbye() {
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(connection_.raw(), &bytes, 1);
    PQfreemem(bytes);
    if (size == 0) return Goodbye::awaited;
    if (size < 0) break;
  }
  while (PQisBusy(connection_.raw()) == 0) {
    const QueryResult answer(PQgetResult(connection_.raw()));
    if (answer.raw() == nullptr) return Goodbye::done;
  }
  return Goodbye::awaited;
}

}  // namespace tidelog::postgres
