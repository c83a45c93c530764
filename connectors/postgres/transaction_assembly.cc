#include "connectors/postgres/transaction_assembly.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/postgres/binary_mark.h"
#include "core/bytes.h"
#include "core/source_position.h"

namespace tidelog::postgres {

namespace {

// What we say about a kept transaction: be64 prepare lsn | be64 end lsn | be32 xid | gid
std::string about(const Prepare& prepare) {
  std::string out;
  put_be(out, prepare.prepare_lsn.value);
  put_be(out, prepare.end_lsn.value);
  put_be(out, prepare.xid);
  out += prepare.gid;
  return out;
}

Result<Prepare> read_about(std::string_view bytes) {
  ByteReader in(bytes);
  Prepare prepare;
  prepare.prepare_lsn = Lsn{in.be<std::uint64_t>()};
  prepare.end_lsn = Lsn{in.be<std::uint64_t>()};
  prepare.xid = in.be<std::uint32_t>();
  prepare.gid = in.rest();
  return in.finish(std::move(prepare), "what is kept of a prepared transaction");
}

char letter_of(std::string_view message) { return message.empty() ? '\0' : message.front(); }

std::string_view after_letter(std::string_view message) {
  return message.substr(std::min<std::size_t>(message.size(), 1));
}

// 'M' | u8 flags | …: one that belongs to no transaction, wherever it comes.
bool is_message_alone(std::string_view message) {
  return message.size() > 1 && message[0] == 'M' && (message[1] & 1) == 0;
}

// What is made of the rows of a message (its letter, and what follows it). Null: it is another
// message, or its row is stored as it is.
RowTransform* transform_for(
    char letter, std::string_view rest,
    const std::map<std::uint32_t, std::unique_ptr<RowTransform>>& transforms) {
  if (transforms.empty() || (letter != 'I' && letter != 'U' && letter != 'D')) return nullptr;
  ByteReader in(rest);
  const auto transform = transforms.find(in.be<std::uint32_t>());
  return transform == transforms.end() ? nullptr : transform->second.get();
}

}  // namespace

Status TransactionAssembly::go_on(const PostgresResume& resume) {
  auto kept = handler_.kept(resume.kept);
  if (!kept) {
    return fail_in(
        "a prepared transaction that was kept in the store; begin again with a full load: "
        "give the source another name",
        std::move(kept).error());
  }
  for (std::unique_ptr<HeldTransaction>& held : *kept) {
    TRY(Prepare prepare, read_about(held->about()));
    const std::string gid = prepare.gid;
    prepared_[gid] = {std::move(prepare), std::move(held)};
  }
  return {};
}

Status TransactionAssembly::decode(std::string_view message, Place place) {
  auto done = dispatch(message, place);
  if (done || explained_ || handler_failed_ || decoder_.handler_failed()) return done;
  return fail_in(fmt::format("at lsn {}", print_lsn(place.lsn)), std::move(done).error());
}

Status TransactionAssembly::dispatch(std::string_view message, Place place) {
  const ByteReader in(after_letter(message));
  switch (letter_of(message)) {
    case 'S':
      return on_stream_start(in);
    case 'E':
      return on_stream_stop(in);
    case 'c':
      return on_stream_commit(in);
    case 'A':
      return on_stream_abort(in);
    case 'p':
      return on_stream_prepare(in);
    case 'b':
      return on_begin_prepare(in);
    case 'P':
      return on_prepare(in);
    case 'K':
      return on_commit_prepared(in);
    case 'r':
      return on_rollback_prepared(in);
    case transformed_mark:
    case binary_mark:
      return fail(Code::unsupported,
                  fmt::format("message of unknown type 0x{:02x}", letter_of(message)));
    default:
      break;
  }
  if (stream_ != nullptr) return take_streamed(message, place);
  if (preparing_) return take_preparing(message, place);
  TRY_DO(note_description(message, described_));
  return pass_on(message, place);
}

// The decoder's errors say where.
Status TransactionAssembly::pass_on(std::string_view message, Place place) {
  auto done = decoder_.decode(message, place);
  explained_ = explained_ || !done;
  return done;
}

Status TransactionAssembly::expect_nothing_open(std::string_view message) const {
  if (!in_transaction()) return {};
  return fail(Code::corrupt, fmt::format("{} inside of a transaction", message));
}

Status TransactionAssembly::reached(Lsn sent) {
  return in_transaction() ? Status() : decoder_.reached(sent);
}

// -- in pieces --

Status TransactionAssembly::on_stream_start(ByteReader in) {
  TRY(const StreamStart start, read_stream_start(in));
  TRY_DO(expect_nothing_open("a piece of a transaction"));
  const bool known = streams_.contains(start.xid);
  if (known == start.first) {
    return fail(Code::corrupt, fmt::format("a piece of transaction {}, which {}", start.xid,
                                           known ? "says it is the first, and is not"
                                                 : "is not its first, and the first did not come"));
  }
  Streamed& stream = streams_[start.xid];
  if (!known) {
    TRY(stream.held, noted(handler_.hold()));
  }
  stream_ = &stream;
  stream_xid_ = start.xid;
  return {};
}

Status TransactionAssembly::on_stream_stop(ByteReader in) {
  TRY_DO(read_stream_stop(in));
  if (stream_ == nullptr) return fail(Code::corrupt, "the end of a piece that did not begin");
  Streamed& stream = *std::exchange(stream_, nullptr);
  types_.clear();
  return noted(stream.held->rest());
}

// An origin alone has no xid: it stands before the first change.
Status TransactionAssembly::take_streamed(std::string_view message, Place place) {
  if (letter_of(message) == 'O') return noted(stream_->held->add(stream_xid_, message));
  TRY(const StreamedMessage streamed, strip_xid(message));
  const char letter = letter_of(message);
  if (letter == 'M' || letter == 'R' || letter == 'Y') {
    const std::string whole = std::string(streamed.letter).append(streamed.rest);
    if (is_message_alone(whole)) return pass_on(whole, place);
    TRY_DO(note_description(whole, stream_->described));
    stream_->has_messages = stream_->has_messages || letter == 'M';
  }
  if (RowTransform* const transform = transform_for(letter, streamed.rest, stream_->transforms)) {
    TRY(const std::string changed,
        held_message(std::string(streamed.letter).append(streamed.rest), *transform));
    return noted(stream_->held->add(streamed.xid, changed));
  }
  TRY_DO(noted(stream_->held->add(streamed.xid, streamed.letter, streamed.rest)));
  if (letter != 'R') return {};
  return hold_marks(streamed.rest, streamed.xid, *stream_->held, stream_->transforms);
}

// What is held behind a relation (without its letter) whose rows are changed before they are held,
// or are in binary form.
Status TransactionAssembly::hold_marks(std::string_view relation, std::uint64_t part,
                                       HeldTransaction& held, Transforms& transforms) {
  TRY(const Relation described, read_relation(ByteReader(relation)));
  TRY(std::unique_ptr<RowTransform> transform, decoder_.transform_of(described));
  TRY(std::vector<BinaryType> types, decoder_.binary_types_of(described, transform.get()));
  if (!types.empty()) TRY_DO(noted(held.add(part, message_of(BinaryMark{described.oid, types}))));
  if (!transform) {
    transforms.erase(described.oid);
    return {};
  }
  transform->read_binary(std::move(types));
  TRY_DO(noted(held.add(part, mark_of_transformed(described.oid, *transform))));
  transforms[described.oid] = std::move(transform);
  return {};
}

// The first piece comes before the commit also when nothing of the transaction is published.
Status TransactionAssembly::on_stream_commit(ByteReader in) {
  TRY(const StreamCommit commit, read_stream_commit(in));
  TRY_DO(expect_nothing_open("the commit of a transaction in pieces"));
  auto stream = streams_.extract(commit.xid);
  if (stream.empty()) {
    return fail(Code::corrupt, fmt::format("the commit of transaction {} in pieces, of which none "
                                           "came: its rows would be missing",
                                           commit.xid));
  }
  if (stream.mapped().is_unclear) {
    read_whole_until_ = commit.commit.end_lsn;
    return {};
  }
  const Begin begin{commit.commit.commit_lsn, commit.commit.commit_time, commit.xid};
  TRY_DO(hand_over(*stream.mapped().held, begin, commit.commit, {}));
  return adopt_descriptions(stream.mapped());
}

// The server tells of each sub-transaction that it sent something of, also of those inside of
// another that was rolled back.
Status TransactionAssembly::on_stream_abort(ByteReader in) {
  TRY(const StreamAbort abort, read_stream_abort(in));
  TRY_DO(expect_nothing_open("the abort of a transaction in pieces"));
  const auto stream = streams_.find(abort.xid);
  if (stream == streams_.end()) return {};
  if (abort.sub_xid == abort.xid) {
    streams_.erase(stream);
  } else {
    stream->second.held->drop(abort.sub_xid);
    stream->second.is_unclear = stream->second.has_messages;
  }
  return {};
}

Status TransactionAssembly::on_stream_prepare(ByteReader in) {
  TRY(const Prepare prepare, read_prepare(in));
  TRY_DO(expect_nothing_open("the prepare of a transaction in pieces"));
  auto stream = streams_.extract(prepare.xid);
  if (stream.empty()) {
    return fail(Code::corrupt, fmt::format("the prepare of transaction {} in pieces, of which none "
                                           "came: its rows would be missing",
                                           prepare.xid));
  }
  if (stream.mapped().is_unclear) {
    read_whole_until_ = prepare.end_lsn;
    return {};
  }
  TRY_DO(adopt_descriptions(stream.mapped()));
  TRY(const bool has, has_already(prepare));
  if (has) return decoder_.passed(prepare.end_lsn);
  return keep(prepare, std::move(stream.mapped().held));
}

// -- prepared --

// Sent again after a reconnect, when its prepare was not confirmed yet. The same gid may be used
// again after the one before it ended.
Result<bool> TransactionAssembly::has_already(const Prepare& prepare) const {
  const auto found = prepared_.find(prepare.gid);
  if (found == prepared_.end()) return false;
  if (found->second.prepare.prepare_lsn == prepare.prepare_lsn) return true;
  if (origins_ == Origins::none) return false;
  return fail(Code::corrupt,
              fmt::format("the transaction '{}' was prepared at {}, though the one that was "
                          "prepared under this name at {} has not ended",
                          prepare.gid, print_lsn(prepare.prepare_lsn),
                          print_lsn(found->second.prepare.prepare_lsn)));
}

Status TransactionAssembly::on_begin_prepare(ByteReader in) {
  TRY(Prepare prepare, read_begin_prepare(in));
  TRY_DO(expect_nothing_open("the begin of a prepared transaction"));
  TRY(const bool has, has_already(prepare));
  Preparing preparing;
  if (!has) {
    TRY(preparing.held, noted(handler_.hold()));
  }
  preparing.begun = std::move(prepare);
  preparing_ = std::move(preparing);
  return {};
}

// Descriptions hold for the whole connection, whatever becomes of the transaction. It may be handed
// over on another connection, so it gets a copy of those that it needs.
Status TransactionAssembly::take_preparing(std::string_view message, Place place) {
  const char letter = letter_of(message);
  if (letter == 'B' || letter == 'C')
    return fail(Code::corrupt, "a begin or commit inside of a prepared transaction");
  if (is_message_alone(message)) return pass_on(message, place);
  if (letter == 'R' || letter == 'Y') {
    TRY_DO(note_description(message, described_));
    if (letter == 'R') {
      ByteReader in(message.substr(1));
      preparing_->described.erase(in.be<std::uint32_t>());
    }
    return pass_on(message, place);
  }
  if (!preparing_->held) return {};
  TRY_DO(describe_for_preparing(message));
  if (RowTransform* const transform =
          transform_for(letter, after_letter(message), preparing_->transforms)) {
    TRY(const std::string changed, held_message(message, *transform));
    return noted(preparing_->held->add(preparing_->begun.xid, changed));
  }
  return noted(preparing_->held->add(preparing_->begun.xid, message));
}

Status TransactionAssembly::describe_for_preparing(std::string_view message) {
  TRY(const std::vector<std::uint32_t> relations, relations_of(message));
  for (const std::uint32_t oid : relations) {
    if (!preparing_->described.insert(oid).second) continue;
    const auto known = described_.find(oid);
    if (known == described_.end()) {
      return fail(Code::corrupt,
                  fmt::format("a change of relation {}, which the server did not describe", oid));
    }
    const std::uint64_t part = preparing_->begun.xid;
    for (const std::string& type : known->second.types)
      TRY_DO(noted(preparing_->held->add(part, type)));
    const std::string_view relation = known->second.relation;
    TRY_DO(noted(preparing_->held->add(part, relation)));
    TRY_DO(hold_marks(relation.substr(1), part, *preparing_->held, preparing_->transforms));
  }
  return {};
}

Status TransactionAssembly::on_prepare(ByteReader in) {
  TRY(const Prepare prepare, read_prepare(in));
  if (!preparing_) return fail(Code::corrupt, "a prepare of a transaction that did not begin");
  Preparing preparing = *std::exchange(preparing_, std::nullopt);
  if (prepare.gid != preparing.begun.gid || prepare.prepare_lsn != preparing.begun.prepare_lsn) {
    return fail(Code::corrupt, fmt::format("the transaction '{}' was begun, and '{}' prepared",
                                           preparing.begun.gid, prepare.gid));
  }
  if (!preparing.held) return decoder_.passed(prepare.end_lsn);
  return keep(prepare, std::move(preparing.held));
}

// On disk before its position is stored: from then on the server does not send it again.
Status TransactionAssembly::keep(const Prepare& prepare, std::unique_ptr<HeldTransaction> held) {
  TRY_DO(noted(handler_.keep(*held, about(prepare))));
  decoder_.keeps(held->id());
  Prepared& place = prepared_[prepare.gid];
  std::unique_ptr<HeldTransaction> ended = std::move(place.held);  // and we were not told
  if (ended) decoder_.no_longer_keeps(ended->id());
  place = {prepare, std::move(held)};
  TRY_DO(decoder_.passed(prepare.end_lsn));
  if (ended) handler_.release(std::move(ended));
  return {};
}

// One of the same name whose end we were not told of is another one. What came of it in pieces
// after its prepare, which a server short of memory may send again, ends with it.
std::unique_ptr<HeldTransaction> TransactionAssembly::take_prepared(const std::string& gid,
                                                                    std::uint32_t xid) {
  streams_.erase(xid);
  const auto found = prepared_.find(gid);
  if (found == prepared_.end() || found->second.prepare.xid != xid) return nullptr;
  std::unique_ptr<HeldTransaction> held = std::move(found->second.held);
  prepared_.erase(found);
  decoder_.no_longer_keeps(held->id());
  return held;
}

Status TransactionAssembly::on_commit_prepared(ByteReader in) {
  TRY(const CommitPrepared committed, read_commit_prepared(in));
  TRY_DO(expect_nothing_open("the commit of a prepared transaction"));
  std::unique_ptr<HeldTransaction> held = take_prepared(committed.gid, committed.xid);
  if (!held) {
    if (origins_ == Origins::none) return decoder_.passed(committed.commit.end_lsn);
    return fail(Code::corrupt,
                fmt::format("the commit at {} of the prepared transaction '{}', which the server "
                            "never sent: its rows would be missing",
                            print_lsn(committed.commit.commit_lsn), committed.gid));
  }
  const Begin begin{committed.commit.commit_lsn, committed.commit.commit_time, committed.xid};
  TRY_DO(hand_over(*held, begin, committed.commit, committed.gid));
  handler_.release(std::move(held));
  return {};
}

// One that we do not know was never sent: prepared before the slot knew of such, or empty.
Status TransactionAssembly::on_rollback_prepared(ByteReader in) {
  TRY(const RollbackPrepared rolled_back, read_rollback_prepared(in));
  TRY_DO(expect_nothing_open("the rollback of a prepared transaction"));
  std::unique_ptr<HeldTransaction> held = take_prepared(rolled_back.gid, rolled_back.xid);
  TRY_DO(decoder_.passed(rolled_back.end_lsn));
  if (held) handler_.release(std::move(held));
  return {};
}

// -- handing over --

// Remembers how the server described a relation, and what types it named before.
Status TransactionAssembly::note_description(std::string_view message,
                                             std::map<std::uint32_t, Description>& described) {
  const char letter = letter_of(message);
  if (letter == 'Y') {
    types_.emplace_back(message);
  } else if (letter == 'R') {
    ByteReader in(message.substr(1));
    const auto oid = in.be<std::uint32_t>();
    if (in.failed()) return fail(Code::corrupt, "relation: shorter than its content says");
    described[oid] = {++arrivals_, std::string(message), std::exchange(types_, {})};
  }
  return {};
}

// Descriptions count also when their sub-transaction was rolled back: the server takes them for
// sent.
Status TransactionAssembly::hand_over(HeldTransaction& held, const Begin& begin,
                                      const Commit& commit, std::string_view gid) {
  ChangeDecoder::Relations aside = decoder_.set_relations_aside();
  TRY_DO(decoder_.begin(begin, gid));
  const Place place{begin.commit_lsn, begin.commit_time};
  TRY_DO(held.for_each([&](const HeldTransaction::Record& record) -> Status {
    if (stop_.stop_requested())
      return fail(Code::cancelled, "stopped while a transaction was handed over");
    const char letter = letter_of(record.bytes);
    if (letter == transformed_mark) return decoder_.note_transformed(record.bytes);
    if (letter == binary_mark) return decoder_.note_binary(record.bytes);
    if (record.dropped && letter != 'R' && letter != 'Y') return {};
    return pass_on(record.bytes, place);
  }));
  TRY_DO(decoder_.commit(commit));
  decoder_.bring_back(std::move(aside));
  return {};
}

// What came with pieces, the server takes for known to the whole connection once the transaction
// has committed, and version 15 already when it is prepared. (Where it does not, it describes it
// anew.) What came later outside of them is newer.
Status TransactionAssembly::adopt_descriptions(Streamed& stream) {
  const Place place{decoder_.position(), {}};
  for (auto& [oid, description] : stream.described) {
    Description& known = described_[oid];
    if (known.arrival > description.arrival) continue;
    known = std::move(description);
    for (const std::string& type : known.types) TRY_DO(pass_on(type, place));
    TRY_DO(pass_on(known.relation, place));
  }
  return {};
}

}  // namespace tidelog::postgres
