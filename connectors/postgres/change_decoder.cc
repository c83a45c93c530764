#include "connectors/postgres/change_decoder.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "connectors/postgres/binary_mark.h"

namespace tidelog::postgres {

namespace {

// Whether its schema says something that is not in the message that describes it.
bool may_change_unsent(const Relation& relation) {
  return !flags_are_the_key(relation.identity) ||
         std::ranges::any_of(relation.columns,
                             [](const RelationColumn& c) { return c.type >= first_user_oid; });
}

std::string full_name(const std::string& schema, const std::string& table) {
  return schema + "." + table;
}

// Streams that were stored before ids were kept, or that are loaded anew, have none.
bool may_be(const ChangeHandler::KnownTable& known, std::uint32_t oid) {
  return known.schema.table_id == oid || known.schema.table_id == 0;
}

bool has_ended(const std::optional<ChangeHandler::KnownTable>& known) {
  return known && known->schema.ended;
}

}  // namespace

ChangeDecoder::ChangeDecoder(PostgresResume resume, TableChoice captured, RelationCatalog& catalog,
                             ChangeHandler& handler)
    : resume_(std::move(resume)),
      choice_(std::move(captured)),
      catalog_(catalog),
      handler_(handler) {
  resume_.phase = PostgresResume::Phase::streaming;
}

Status ChangeDecoder::decode(std::string_view message, Place place) {
  ByteReader in(message);
  const char letter = in.be<char>();
  if (in.failed()) return fail(Code::corrupt, "an empty message at " + print_lsn(place.lsn));
  here_ = place.lsn;
  auto done = dispatch(letter, in, place);
  if (done || handler_failed_) return done;
  return fail_in(fmt::format("at lsn {}", print_lsn(place.lsn)), std::move(done).error());
}

Status ChangeDecoder::dispatch(char letter, ByteReader in, Place place) {
  switch (letter) {
    case 'I':
      return on_insert(in);
    case 'U':
      return on_update(in);
    case 'D':
      return on_delete(in);
    case 'B': {
      TRY(const Begin begun, read_begin(in));
      return begin(begun, {});
    }
    case 'C': {
      TRY(const Commit committed, read_commit(in));
      return commit(committed);
    }
    case 'R':
      return on_relation(in);
    case 'Y':
      return on_type(in);
    case 'T':
      return on_truncate(in);
    case 'M':
      return on_message(in, place);
    case 'O':
      return on_origin(in);
    default:
      break;
  }
  return fail(Code::unsupported,
              fmt::format("message of unknown type 0x{:02x}", static_cast<unsigned char>(letter)));
}

Status ChangeDecoder::expect_transaction(std::string_view message) const {
  if (in_transaction_) return {};
  return fail(Code::corrupt, fmt::format("{} outside of a transaction", message));
}

// The end LSN only ever moves forward; it is what is stored, and later confirmed.
std::string ChangeDecoder::advance_to(Lsn end) {
  resume_.end_lsn = std::max(resume_.end_lsn, end);
  return encode(resume_);
}

Status ChangeDecoder::begin(const Begin& begin, std::string_view global_id) {
  begin_ = begin;
  global_id_ = global_id;
  if (in_transaction_) return fail(Code::corrupt, "a begin inside of a transaction");
  if (begin_.commit_lsn < resume_.end_lsn) {
    return fail(
        Code::corrupt,
        fmt::format(
            "the server sent the transaction committed at {} again, though all up to {} is stored",
            print_lsn(begin_.commit_lsn), print_lsn(resume_.end_lsn)));
  }
  in_transaction_ = true;
  begun_ = false;
  origin_.clear();
  origin_lsn_ = {};
  next_ordinal_ = 0;
  return {};
}

Status ChangeDecoder::on_origin(ByteReader in) {
  TRY(const Origin origin, read_origin(in));
  TRY_DO(expect_transaction("an origin"));
  if (begun_) return fail(Code::corrupt, "an origin behind a transaction's first change");
  origin_ = origin.name;
  origin_lsn_ = origin.commit_lsn;
  return {};
}

Status ChangeDecoder::begin_if_needed() {
  if (begun_) return {};
  begun_ = true;
  char id[16];
  const auto id_end = fmt::format_to_n(id, sizeof id, "{}", begin_.xid);
  const std::string position = encode(begin_.commit_lsn);
  Transaction transaction;
  transaction.id = std::string_view(id, id_end.size);
  transaction.commit_time = begin_.commit_time;
  transaction.position = position;
  transaction.origin = origin_;
  // A transaction that was streamed does not know it.
  const std::string origin_position = origin_lsn_.value == 0 ? "" : encode(origin_lsn_);
  transaction.origin_position = origin_position;
  transaction.global_id = global_id_;
  return noted(handler_.begin(transaction));
}

Status ChangeDecoder::commit(const Commit& commit) {
  TRY_DO(expect_transaction("a commit"));
  if (commit.commit_lsn != begin_.commit_lsn || commit.end_lsn <= commit.commit_lsn) {
    return fail(
        Code::corrupt,
        fmt::format("a commit at {} ending at {}, though the transaction began with commit lsn {}",
                    print_lsn(commit.commit_lsn), print_lsn(commit.end_lsn),
                    print_lsn(begin_.commit_lsn)));
  }
  in_transaction_ = false;
  const std::string resume = advance_to(commit.end_lsn);
  TRY_DO(noted(begun_ ? handler_.commit(resume) : handler_.progress(resume)));
  if (!held_.empty()) TRY_DO(emit_held());
  return {};
}

Status ChangeDecoder::reached(Lsn sent) {
  if (in_transaction_ || sent <= resume_.end_lsn) return {};
  return passed(sent);
}

Status ChangeDecoder::passed(Lsn end) { return noted(handler_.progress(advance_to(end))); }

std::optional<PostgresResume> ChangeDecoder::behind_open_transaction() const {
  if (!in_transaction_ || handler_failed_) return std::nullopt;
  PostgresResume behind = resume_;
  behind.end_lsn.value = begin_.commit_lsn.value + 1;
  return behind;
}

void ChangeDecoder::keeps(std::uint64_t id) { resume_.kept.push_back(id); }

void ChangeDecoder::no_longer_keeps(std::uint64_t id) { std::erase(resume_.kept, id); }

ChangeDecoder::Relations ChangeDecoder::set_relations_aside() {
  Relations aside;
  aside.map_.swap(relations_);
  return aside;
}

void ChangeDecoder::bring_back(Relations aside) {
  aside.map_.swap(relations_);
  // What was announced meanwhile is the newest of its stream: ours comes again before its next row.
  absl::flat_hash_set<std::string_view> announced;
  for (const auto& [oid, relation] : aside.map_) {
    if (relation->version) announced.insert(relation->name);
  }
  for (const auto& [oid, relation] : relations_) {
    if (announced.contains(relation->name)) relation->version.reset();
  }
}

Status ChangeDecoder::on_type(ByteReader in) {
  TRY(const Type type, read_type(in));
  sent_types_[type.oid] = type.schema + "." + type.name;
  return {};
}

// The last one wins. What it means is found out when its first row comes: it may never come, and
// the catalog that is asked must know what the transaction did.
Status ChangeDecoder::on_relation(ByteReader in) {
  TRY(Relation relation, read_relation(in));
  std::unique_ptr<CapturedRelation>& known = relations_[relation.oid];
  if (!known) known = std::make_unique<CapturedRelation>();
  known->sent = std::move(relation);
  known->described = false;
  known->held_as.reset();
  known->held_types.reset();
  return {};
}

// Of a type that the catalog does not know, nothing can be said: it is of a transaction that is
// still in progress, or was dropped since.
Result<std::vector<BinaryType>> ChangeDecoder::binary_types_of(const Relation& relation,
                                                               const RowTransform* transform) {
  if (!is_binary_ || !choice_.has(relation.schema, relation.table))
    return std::vector<BinaryType>();
  TRY(BinaryColumns columns, catalog_.binary_columns_of(relation));
  for (const BinaryColumns::Unreadable& one : columns.unreadable) {
    if (transform != nullptr && transform->leaves_out(one.column)) continue;
    unreadable_ =
        fmt::format("the column {} of {} is of the type {}", relation.columns[one.column].name,
                    full_name(relation.schema, relation.table), one.type);
    return fail(Code::unsupported, unreadable_ + ", whose values are not read in binary form");
  }
  return std::move(columns.types);
}

Status ChangeDecoder::note_binary(std::string_view mark) {
  TRY(BinaryMark read, read_binary_mark(mark));
  const auto found = relations_.find(read.relation);
  if (found == relations_.end() || found->second->sent.columns.size() != read.types.size())
    return fail(Code::corrupt, "the mark of a relation that was described otherwise");
  found->second->held_types = std::move(read.types);
  return {};
}

Status ChangeDecoder::note_transformed(std::string_view mark) {
  TRY(const TransformedMark read, read_transformed_mark(mark));
  const auto found = relations_.find(read.relation);
  if (found == relations_.end())
    return fail(Code::corrupt, "the mark of a relation that was not described");
  found->second->held_as = read.description;
  return {};
}

// The values are no longer there to be changed in another way.
Status ChangeDecoder::check_held(const CapturedRelation& relation) {
  if (!relation.held_as) return {};
  if (relation.transform && relation.transform->description() == *relation.held_as) return {};
  return fail(
      Code::misconfigured,
      fmt::format("{}: rows of a transaction that was prepared before `transforms` were "
                  "changed are held as they were to be stored then: put them back until "
                  "it is stored, then change them again; or give it up: tidelog source skip",
                  relation.name));
}

const TableDescription* ChangeDecoder::told_of(std::uint32_t oid) const {
  const auto found = told_.find(oid);
  return found == told_.end() ? nullptr : &found->second;
}

// A version is announced again unless nothing about it changed.
Status ChangeDecoder::describe(CapturedRelation& relation) {
  const Relation& sent = relation.sent;
  relation.captured = choice_.has(sent.schema, sent.table);
  TRY(relation.name, stream_names_.take(sent.schema, sent.table));
  Schema schema;
  relation.transform.reset();
  if (relation.captured) {
    TRY(schema, catalog_.schema_of(sent, sent_types_, {here_, told_of(sent.oid), begin_.xid}));
    TRY(relation.transform, catalog_.transform_of(sent));
    TRY_DO(check_held(relation));
    TRY_DO(describe_binary(relation));
  }
  if (schema != relation.schema) relation.version.reset();
  relation.schema = std::move(schema);
  relation.has_key = relation.captured && relation.schema.has_key();
  relation.described = true;
  if (!relation.captured || !may_change_unsent(sent)) relation.sent = {};  // there may be many
  return {};
}

Status ChangeDecoder::describe_binary(CapturedRelation& relation) {
  if (relation.held_types) {
    relation.types = *relation.held_types;
  } else {
    TRY(relation.types, binary_types_of(relation.sent, relation.transform.get()));
  }
  if (!relation.transform) return {};
  relation.transform->read_binary(std::move(relation.types));
  relation.types = relation.transform->stored_types();
  return {};
}

Result<ChangeDecoder::CapturedRelation*> ChangeDecoder::relation_of(std::uint32_t oid) {
  const auto found = relations_.find(oid);
  if (found == relations_.end()) {
    return fail(Code::corrupt,
                fmt::format("a change of relation {}, which the server did not describe", oid));
  }
  if (!found->second->described) TRY_DO(describe(*found->second));
  return found->second.get();
}

Status ChangeDecoder::announce(CapturedRelation& relation) {
  TRY_DO(begin_if_needed());
  if (relation.version && relation.endings_before == endings_) return {};
  TRY_DO(notice_other_table(relation));
  TRY(relation.version, noted(handler_.schema(relation.name, relation.schema)));
  relation.endings_before = endings_;
  return {};
}

Result<ChangeDecoder::CapturedRelation*> ChangeDecoder::open_row(std::uint32_t oid,
                                                                 EventBody& event) {
  TRY_DO(expect_transaction("a row"));
  event.ordinal = next_ordinal_++;
  TRY(CapturedRelation * relation, relation_of(oid));
  if (!relation->captured) return nullptr;
  TRY_DO(announce(*relation));
  event.stream = relation->version->stream;
  event.schema = relation->version->schema;
  return relation;
}

Result<std::string_view> ChangeDecoder::key_of(const CapturedRelation& relation, EncodedRow& row) {
  if (!relation.has_key) return std::string_view();
  return row.key(relation.schema);
}

// What comes of a row, before anything else is done with it.
Result<const Tuple*> ChangeDecoder::stored(const CapturedRelation& relation, const Tuple& sent) {
  if (!relation.transform) return &sent;
  return relation.held_as ? relation.transform->stored_of_held(sent)
                          : relation.transform->stored(sent);
}

Status ChangeDecoder::encode_old(const CapturedRelation& relation) {
  TRY(const Tuple* const row, stored(relation, change_.old_row));
  if (change_.old_kind == OldRow::key)
    return old_row_.encode_key_tuple(relation.schema, relation.types, *row);
  return old_row_.encode(relation.schema, relation.types, *row, nullptr);
}

// A keyless table's key tuple would say nothing, so there is none to speak of.
void ChangeDecoder::set_before(const CapturedRelation& relation, std::string_view old_key,
                               EventBody& event) const {
  if (change_.old_kind == OldRow::full) {
    event.before_kind = Before::row;
    event.before = old_row_.row();
  } else if (change_.old_kind == OldRow::key && relation.has_key) {
    event.before_kind = Before::key;
    event.before = old_key;
  }
}

Status ChangeDecoder::on_insert(ByteReader in) {
  TRY_DO(read_insert(in, change_));
  EventBody event;
  event.type = EventType::insert;
  TRY(CapturedRelation* const relation, open_row(change_.relation, event));
  if (relation == nullptr) return {};
  TRY(const Tuple* const row, stored(*relation, change_.new_row));
  TRY_DO(new_row_.encode(relation->schema, relation->types, *row, nullptr));
  TRY(const std::string_view key, key_of(*relation, new_row_));
  if (relation->has_key) event.key = key;
  event.body = new_row_.row();
  return noted(handler_.event(event));
}

Status ChangeDecoder::on_update(ByteReader in) {
  TRY_DO(read_update(in, change_));
  EventBody event;
  event.type = EventType::update;
  TRY(CapturedRelation* const relation, open_row(change_.relation, event));
  if (relation == nullptr) return {};
  const bool has_old = change_.old_kind != OldRow::none;
  if (has_old) TRY_DO(encode_old(*relation));
  TRY(const Tuple* const row, stored(*relation, change_.new_row));
  TRY_DO(new_row_.encode(relation->schema, relation->types, *row, has_old ? &old_row_ : nullptr));
  TRY(const std::string_view new_key, key_of(*relation, new_row_));
  std::string_view old_key;
  if (has_old) {
    TRY(old_key, key_of(*relation, old_row_));
  }
  return emit_update(*relation, old_key, new_key, event);
}

// A row that gets another key leaves its old place and appears at a new one: two events of one
// ordinal.
Status ChangeDecoder::emit_update(const CapturedRelation& relation, std::string_view old_key,
                                  std::string_view new_key, EventBody& event) {
  const bool moved = relation.has_key && change_.old_kind != OldRow::none && old_key != new_key;
  event.moved = moved;
  set_before(relation, old_key, event);
  if (relation.has_key) event.key = new_key;
  if (!moved) {
    event.body = new_row_.row();
    return noted(handler_.event(event));
  }
  event.type = EventType::remove;
  event.key = old_key;
  TRY_DO(noted(handler_.event(event)));
  event.type = EventType::insert;
  event.key = new_key;
  event.before_kind = Before::key;
  event.before = old_key;
  event.body = new_row_.row();
  return noted(handler_.event(event));
}

Status ChangeDecoder::on_delete(ByteReader in) {
  TRY_DO(read_delete(in, change_));
  EventBody event;
  event.type = EventType::remove;
  TRY(CapturedRelation* const relation, open_row(change_.relation, event));
  if (relation == nullptr) return {};
  TRY_DO(encode_old(*relation));
  TRY(const std::string_view old_key, key_of(*relation, old_row_));
  if (relation->has_key) event.key = old_key;
  set_before(*relation, old_key, event);
  return noted(handler_.event(event));
}

// One message may name several tables: one event for each, all of one ordinal.
Status ChangeDecoder::on_truncate(ByteReader in) {
  TRY(const Truncate truncate, read_truncate(in));
  TRY_DO(expect_transaction("a truncate"));
  attributes_.clear();
  if (truncate.cascade) put_attribute(attributes_, Attribute::truncate_cascade, {});
  if (truncate.restart_identity) put_attribute(attributes_, Attribute::truncate_restart, {});
  const std::uint32_t ordinal = next_ordinal_++;
  for (const std::uint32_t oid : truncate.relations) {
    TRY(CapturedRelation* const relation, relation_of(oid));
    if (!relation->captured) continue;
    TRY_DO(announce(*relation));
    EventBody event;
    event.type = EventType::truncate;
    event.stream = relation->version->stream;
    event.ordinal = ordinal;
    event.attributes = attributes_;
    TRY_DO(noted(handler_.event(event)));
  }
  return {};
}

Status ChangeDecoder::on_message(ByteReader in, Place place) {
  TRY(const LogicalMessage message, read_message(in));
  if (message.transactional) {
    TRY_DO(expect_transaction("a transactional message"));
    if (message.prefix == ddl_prefix) {
      TRY(const bool is_taken, take_ddl(message));
      if (is_taken) return {};
    }
    TRY_DO(begin_if_needed());
    // Of triggers that are not believed, it has the statement all the same.
    const bool is_kept = message.prefix != ddl_prefix || catalog_.keeps_statements();
    return emit_message(message.lsn, message.prefix, is_kept ? message.content : "",
                        next_ordinal_++);
  }
  if (message.prefix == heartbeat_prefix && message.content == heartbeat_content)
    return reached(message.lsn);
  if (message.lsn <= resume_.end_lsn) return {};  // stored before the last reconnect
  HeldMessage held{message.lsn, place.server_time, std::string(message.prefix),
                   std::string(message.content)};
  if (!in_transaction_) return emit_alone(held);
  held_.push_back(std::move(held));
  return {};
}

Status ChangeDecoder::emit_message(Lsn lsn, std::string_view prefix, std::string_view content,
                                   std::uint32_t ordinal) {
  if (!source_stream_) {
    TRY(source_stream_, noted(handler_.source_stream()));
  }
  attributes_.clear();
  put_attribute(attributes_, Attribute::name, prefix);
  put_attribute(attributes_, Attribute::message_lsn, encode(lsn));
  EventBody event;
  event.type = EventType::message;
  event.stream = *source_stream_;
  event.ordinal = ordinal;
  event.body = content;
  event.attributes = attributes_;
  return noted(handler_.event(event));
}

// Its LSN is where its record ends, and so where the commit record of a transaction may begin:
// going on from just there sends that, and never the message again.
Status ChangeDecoder::emit_alone(const HeldMessage& message) {
  const std::string position = encode(message.lsn);
  Transaction transaction;
  transaction.commit_time = message.time;
  transaction.position = position;
  TRY_DO(noted(handler_.begin(transaction)));
  TRY_DO(emit_message(message.lsn, message.prefix, message.content, 0));
  return noted(handler_.commit(advance_to(message.lsn)));
}

Status ChangeDecoder::emit_held() {
  for (const HeldMessage& message : std::exchange(held_, {})) TRY_DO(emit_alone(message));
  return {};
}

// -- what the event triggers say --

// False: it is somebody else's message, like theirs or not.
Result<bool> ChangeDecoder::take_ddl(const LogicalMessage& message) {
  const std::string_view token = token_of(message.content);
  if (token.empty()) return false;
  TRY(const bool is_theirs, catalog_.is_of_triggers(token));
  if (!is_theirs) return false;
  auto ddl = read_ddl_message(message.content);
  if (!ddl) {  // of another version of the triggers
    const std::string problem = ddl.error().what;
    ddl = DdlMessage{};
    ddl->problem = problem;
  }
  ++next_ordinal_;
  if (!concerns(*ddl)) return true;
  TRY_DO(begin_if_needed());
  TRY_DO(emit_ddl(*ddl, message.lsn));
  if (!ddl->problem.empty()) told_.clear();
  for (const DroppedTable& dropped : ddl->dropped) TRY_DO(on_dropped(dropped));
  for (TouchedTable& touched : ddl->touched) TRY_DO(on_touched(touched));
  return true;
}

// Types and schemas belong to nobody's tables alone.
bool ChangeDecoder::concerns(const DdlMessage& ddl) const {
  if (ddl.touched.empty() && ddl.dropped.empty()) return true;
  return std::ranges::any_of(ddl.touched,
                             [&](const TouchedTable& t) {
                               return choice_.has(t.now.schema, t.now.table) ||
                                      choice_.has(t.was_schema, t.was_table);
                             }) ||
         std::ranges::any_of(ddl.dropped,
                             [&](const DroppedTable& t) { return choice_.has(t.schema, t.table); });
}

Status ChangeDecoder::emit_ddl(const DdlMessage& ddl, Lsn lsn) {
  if (!source_stream_) {
    TRY(source_stream_, noted(handler_.source_stream()));
  }
  std::vector<std::string> tables;
  for (const TouchedTable& t : ddl.touched) tables.push_back(full_name(t.now.schema, t.now.table));
  for (const DroppedTable& t : ddl.dropped) tables.push_back(full_name(t.schema, t.table));
  attributes_.clear();
  put_attribute(attributes_, Attribute::name, ddl.command);
  put_attribute(attributes_, Attribute::message_lsn, encode(lsn));
  if (!ddl.problem.empty()) put_attribute(attributes_, Attribute::reason, ddl.problem);
  if (!tables.empty()) put_attribute(attributes_, Attribute::tables, put_names(tables));
  EventBody event;
  event.type = EventType::ddl;
  event.stream = *source_stream_;
  event.ordinal = next_ordinal_ - 1;
  event.body = catalog_.keeps_statements() ? std::string_view(ddl.statement) : "";
  event.attributes = attributes_;
  return noted(handler_.event(event));
}

Status ChangeDecoder::on_touched(TouchedTable& touched) {
  const TableDescription& now = touched.now;
  const bool is_captured = choice_.has(now.schema, now.table);
  const bool is_renamed = !touched.was_table.empty() &&
                          (touched.was_schema != now.schema || touched.was_table != now.table);
  if (is_renamed) TRY_DO(on_renamed(touched, is_captured));
  const std::uint32_t oid = now.oid;
  if (!is_captured) {
    told_.erase(oid);
    return {};
  }
  if (touched.was_table.empty() && !found_new_table_) {
    TRY(found_new_table_, catalog_.is_unpublished(oid));
  }
  told_[oid] = std::move(touched.now);
  const auto relation = relations_.find(oid);
  if (relation != relations_.end() && !relation->second->sent.columns.empty())
    relation->second->described = false;
  return {};
}

// Its rows go on under another name, and those that it has are not known there: unless they came
// already, as the triggers did not see the statement and only now say what it was called.
Status ChangeDecoder::on_renamed(const TouchedTable& touched, bool is_captured) {
  const std::string before = full_name(touched.was_schema, touched.was_table);
  const std::string after = full_name(touched.now.schema, touched.now.table);
  const auto known = handler_.known_table(after);
  if (known && known->schema.table_id == touched.now.oid) return {};
  const auto was = handler_.known_table(before);
  if (is_captured && was && may_be(*was, touched.now.oid))
    TRY_DO(check_rules_for(touched.now, *was, after));
  TRY_DO(end_table({touched.now.oid, touched.was_schema, touched.was_table},
                   "the table was renamed to " + after));
  if (!is_captured) return {};
  if (known && !has_ended(known))
    TRY_DO(end_stream(*known, "the table is another one, which was " + before));
  return begin_load(after);
}

Status ChangeDecoder::check_rules_for(const TableDescription& now,
                                      const ChangeHandler::KnownTable& before,
                                      std::string_view name) {
  if (!has_transforms(before.schema)) return {};
  Relation relation{now.oid, now.schema, now.table, now.identity, {}};
  for (const DescribedColumn& column : now.columns)
    relation.columns.push_back(
        {column.primary_key, column.name, column.type, column.type_modifier});
  TRY(const std::unique_ptr<RowTransform> transform, catalog_.transform_of(relation));
  return check_rules_follow(before, transform != nullptr, name);
}

// A table that gets another name goes on, and must not lose what was said of it under the old one.
Status ChangeDecoder::check_rules_follow(const ChangeHandler::KnownTable& before, bool has_rules,
                                         std::string_view name) const {
  if (has_rules || !has_transforms(before.schema)) return {};
  return fail(Code::misconfigured,
              fmt::format("the table {} is called {} now, and no rule of `transforms` is for that: "
                          "its columns would be stored as they are. Name it there",
                          before.table, name));
}

Status ChangeDecoder::on_dropped(const DroppedTable& dropped) {
  told_.erase(dropped.oid);
  if (!choice_.has(dropped.schema, dropped.table)) return {};
  return end_table(dropped, "the table was dropped");
}

// Another table may have the name by now, and its load may have begun before this was read: that is
// begun once more, as it cannot be told from one of the table that is over.
Status ChangeDecoder::end_table(const DroppedTable& over, const std::string& reason) {
  const std::string name = full_name(over.schema, over.table);
  const auto known = handler_.known_table(name);
  if (!known || has_ended(known)) {
    TRY_DO(noted(handler_.end_load(name, reason)));
  } else if (may_be(*known, over.oid)) {
    TRY_DO(end_stream(*known, reason));
  } else {
    return {};
  }
  if (!choice_.has(over.schema, over.table)) return {};
  TRY(const bool has_successor, catalog_.has_successor(over));
  return has_successor ? begin_load(name) : Status();
}

// -- what nobody says --

// A stream whose id is not known is taken for that of the table. One that has ended knows no row of
// it: two tables may have swapped their names, and only one of them was noticed yet.
Status ChangeDecoder::notice_other_table(const CapturedRelation& relation) {
  const std::uint32_t oid = relation.schema.table_id;
  if (oid == 0) return {};
  const auto of_name = handler_.known_table(relation.name);
  if (of_name && of_name->schema.table_id == oid) return {};
  const auto of_id = handler_.known_table(oid);
  const bool is_another = of_name && of_name->schema.table_id != 0;
  if (!of_id && !is_another && !has_ended(of_name)) return {};
  if (of_id) {
    TRY_DO(check_rules_follow(*of_id, has_transforms(relation.schema), relation.name));
    TRY_DO(end_stream(*of_id, "the table was renamed to " + relation.name));
  }
  if (is_another) TRY_DO(end_stream(*of_name, "the table is another one of the same name"));
  return begin_load(relation.name);
}

Status ChangeDecoder::end_stream(const ChangeHandler::KnownTable& known, std::string_view reason) {
  ++endings_;
  return noted(handler_.end_table(known, reason, next_ordinal_ - 1));
}

Status ChangeDecoder::begin_load(const std::string& table) {
  ++endings_;
  return noted(handler_.begin_load(table));
}

}  // namespace tidelog::postgres
