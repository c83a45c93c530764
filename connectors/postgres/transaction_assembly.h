// From pgoutput messages as the server sends them to whole transactions in commit order. Most come
// whole and go straight to the change decoder. Those that are sent in pieces while they are in
// progress, several at once, and those that are prepared long before they commit, are held
// (core/held_transaction.h) and handed to the decoder when they commit, as if they had come whole:
// so they have the same events, ordinals and schemas, whichever way they came. Driven by the stream
// loop; knows no socket and no SQL.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/postgres/change_decoder.h"
#include "connectors/postgres/options.h"
#include "connectors/postgres/pgoutput.h"
#include "core/held_transaction.h"
#include "core/result.h"
#include "core/source.h"

namespace tidelog::postgres {

// One per connection: what is in progress is sent anew on each. One thread.
class TransactionAssembly {
 public:
  using Place = ChangeDecoder::Place;

  // With Origins::none a prepared transaction may end that we never got, and the other way round:
  // its two halves may have different origins. Handing over a large transaction ends early, with
  // Code::cancelled, when `stop` asks for it. `decoder` and `handler` must outlive it.
  TransactionAssembly(ChangeDecoder& decoder, ChangeHandler& handler, Origins origins,
                      std::stop_token stop = {})
      : decoder_(decoder), handler_(handler), origins_(origins), stop_(std::move(stop)) {}

  // Takes up the prepared transactions that the resume position lists. First, and once.
  Status go_on(const PostgresResume& resume);

  Status decode(std::string_view message, Place place);
  // Everything before `sent` was sent. Between transactions, and between pieces, that is progress.
  Status reached(Lsn sent);

  // A transaction ended whose pieces do not say what of it counts: a message of a piece has the xid
  // of the whole transaction, so that it cannot be told whether it was of a sub-transaction that
  // was rolled back. Nothing of it was handed on. It must be read again, from the position before
  // it and without pieces, up to this one.
  std::optional<Lsn> read_whole_until() const { return read_whole_until_; }
  bool found_new_table() const { return decoder_.found_new_table(); }
  // Everything before it was handed on.
  Lsn position() const { return decoder_.position(); }

  // After an error of a whole transaction: the position behind it. Nothing after another one.
  std::optional<PostgresResume> behind_failure() const {
    return handler_failed_ ? std::nullopt : decoder_.behind_open_transaction();
  }

  // The server is in the middle of one, or of a piece.
  bool in_transaction() const {
    return stream_ != nullptr || preparing_.has_value() || decoder_.in_transaction();
  }

 private:
  // The messages that describe a relation, its types first; and when they came, among all such.
  struct Description {
    std::uint64_t arrival = 0;
    std::string relation;
    std::vector<std::string> types;
  };
  // What is made of rows before they are held, which may be on disk; by relation.
  using Transforms = std::map<std::uint32_t, std::unique_ptr<RowTransform>>;
  // Held as the messages were sent, without the xid of the stream.
  struct Streamed {
    std::unique_ptr<HeldTransaction> held;
    Transforms transforms;
    std::map<std::uint32_t, Description> described;  // by relation
    bool has_messages = false;
    bool is_unclear = false;  // see read_whole_until
  };
  struct Preparing {
    Prepare begun;
    std::unique_ptr<HeldTransaction> held;         // null: we have it already
    absl::flat_hash_set<std::uint32_t> described;  // relations that it holds the description of
    Transforms transforms;
  };
  struct Prepared {
    Prepare prepare;
    std::unique_ptr<HeldTransaction> held;  // kept
  };

  Status dispatch(std::string_view message, Place place);
  Status on_stream_start(ByteReader in);
  Status on_stream_stop(ByteReader in);
  Status on_stream_commit(ByteReader in);
  Status on_stream_abort(ByteReader in);
  Status on_stream_prepare(ByteReader in);
  Status on_begin_prepare(ByteReader in);
  Status on_prepare(ByteReader in);
  Status on_commit_prepared(ByteReader in);
  Status on_rollback_prepared(ByteReader in);
  Status take_streamed(std::string_view message, Place place);
  Status take_preparing(std::string_view message, Place place);
  Status describe_for_preparing(std::string_view message);
  Status hold_marks(std::string_view relation, std::uint64_t part, HeldTransaction& held,
                    Transforms& transforms);
  Status note_description(std::string_view message,
                          std::map<std::uint32_t, Description>& described);

  Status pass_on(std::string_view message, Place place);
  Status expect_nothing_open(std::string_view message) const;
  Result<bool> has_already(const Prepare& prepare) const;
  std::unique_ptr<HeldTransaction> take_prepared(const std::string& gid, std::uint32_t xid);
  Status keep(const Prepare& prepare, std::unique_ptr<HeldTransaction> held);
  Status hand_over(HeldTransaction& held, const Begin& begin, const Commit& commit,
                   std::string_view gid);
  Status adopt_descriptions(Streamed& stream);
  template <class Answer>
  Answer noted(Answer answer) {
    handler_failed_ = handler_failed_ || !answer;
    return answer;
  }

  ChangeDecoder& decoder_;
  ChangeHandler& handler_;
  const Origins origins_;
  const std::stop_token stop_;
  bool handler_failed_ = false;
  bool explained_ = false;  // the error that ends it says where it was met

  std::map<std::uint32_t, Streamed> streams_;  // in progress, by xid
  Streamed* stream_ = nullptr;                 // whose piece is being sent
  std::uint32_t stream_xid_ = 0;
  std::optional<Lsn> read_whole_until_;
  std::optional<Preparing> preparing_;
  std::map<std::string, Prepared> prepared_;  // by gid

  std::uint64_t arrivals_ = 0;
  std::map<std::uint32_t, Description> described_;  // on this connection, outside of pieces
  std::vector<std::string> types_;                  // that came since the last relation
};

}  // namespace tidelog::postgres
