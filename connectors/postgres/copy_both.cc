#include "connectors/postgres/copy_both.h"

#include <libpq-fe.h>

#include <mutex>
#include <utility>

#include "connectors/postgres/socket_copy.h"

namespace tidelog::postgres {

namespace {

// The mutex guards the connection, which two threads may not use at once.
class LibpqCopy final : public CopyBoth {
 public:
  explicit LibpqCopy(Connection& connection) : connection_(connection) {
    PQsetnonblocking(connection_.raw(), 1);
  }

  Result<std::optional<std::string_view>> next() override {
    const std::scoped_lock lock(mutex_);
    frame_.reset();
    for (const bool read_first : {false, true}) {
      if (read_first && PQconsumeInput(connection_.raw()) == 0)
        return tl::unexpected<Error>(connection_.error());
      char* bytes = nullptr;
      const int size = PQgetCopyData(connection_.raw(), &bytes, 1);
      frame_.reset(bytes);
      if (size > 0) return std::optional(std::string_view(bytes, static_cast<std::size_t>(size)));
      if (size < 0) return tl::unexpected<Error>(connection_.error_that_ended_copy());
    }
    return std::optional<std::string_view>();
  }

  Result<Sent> send(std::string_view frame) override {
    const std::scoped_lock lock(mutex_);
    const int put = PQputCopyData(connection_.raw(), frame.data(), static_cast<int>(frame.size()));
    if (put < 0 || PQflush(connection_.raw()) < 0)
      return tl::unexpected<Error>(connection_.error());
    return put == 0 ? Sent::none : Sent::all;
  }

  Status send_end() override {
    const std::scoped_lock lock(mutex_);
    if (PQputCopyEnd(connection_.raw(), nullptr) < 0)
      return tl::unexpected<Error>(connection_.error());
    return {};
  }

  // Drops what the server still sends, up to the answer to the whole command.
  Goodbye take_goodbye() override {
    const std::scoped_lock lock(mutex_);
    if (PQflush(connection_.raw()) < 0 || PQconsumeInput(connection_.raw()) == 0)
      return Goodbye::done;
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

  int socket() const override { return PQsocket(connection_.raw()); }

 private:
  struct Free {
    void operator()(char* bytes) const { PQfreemem(bytes); }
  };
  Connection& connection_;
  std::mutex mutex_;
  std::unique_ptr<char, Free> frame_;
};

bool is_plain(pg_conn* connection) {
  return PQsslInUse(connection) == 0 && PQgssEncInUse(connection) == 0;
}

// libpq sends the command, and reads no more: it has read nothing that it has not passed on, since
// the server says nothing of its own accord between two commands.
Status send_command(Connection& connection, const std::string& command, const StopSignal& stop) {
  PQsetnonblocking(connection.raw(), 1);
  if (PQsendQuery(connection.raw(), command.c_str()) == 0)
    return tl::unexpected<Error>(connection.error());
  for (;;) {
    const int left = PQflush(connection.raw());
    if (left < 0) return tl::unexpected<Error>(connection.error());
    if (left == 0) return {};
    if (wait_for_socket(PQsocket(connection.raw()), Direction::write, std::chrono::seconds(1),
                        stop) == Wake::stopped)
      return fail(Code::cancelled, "asked to stop");
  }
}

}  // namespace

Result<std::unique_ptr<CopyBoth>> CopyBoth::start(Connection& connection,
                                                  const std::string& command,
                                                  const StopSignal& stop) {
  if (!is_plain(connection.raw())) {
    TRY_DO(connection.start_copy(command));
    return std::unique_ptr<CopyBoth>(std::make_unique<LibpqCopy>(connection));
  }
  auto copy = std::make_unique<SocketCopy>(PQsocket(connection.raw()));
  TRY_DO(send_command(connection, command, stop));
  TRY_DO(copy->wait_for_begin(stop));
  return std::unique_ptr<CopyBoth>(std::move(copy));
}

}  // namespace tidelog::postgres
