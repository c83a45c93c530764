// Several pgoutput messages one after the other, through the assembly of transactions and the
// decoder that knows relations: (u8 length | message)*. Whatever it hands on can be stored:
// transactions one at a time, rows that fit their schema.
#include <utility>

#include "connectors/postgres/transaction_assembly.h"
#include "connectors/postgres/types.h"
#include "core/bytes.h"
#include "core/value_codec.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/held_in_memory.h"

namespace tidelog {
namespace {

class Catalog : public postgres::RelationCatalog {
 public:
  Result<bool> is_of_triggers(std::string_view) override { return true; }
  bool keeps_statements() const override { return true; }
  Result<bool> is_unpublished(std::uint32_t) override { return false; }
  Result<bool> has_successor(const postgres::DroppedTable&) override { return true; }
  Result<Schema> schema_of(const postgres::Relation& relation, const postgres::SentTypes&,
                           postgres::RelationTime) override {
    Schema schema{relation.schema, relation.table, relation.identity, {}};
    for (const auto& column : relation.columns) {
      schema.columns.push_back({column.name, "a type", postgres::kind_of_type(column.type),
                                column.key, column.type, column.type_modifier});
    }
    TRY(const auto transform, transform_of(relation));
    if (transform) return transform->schema_of(schema);
    return schema;
  }
  // Any form for a type, by the lowest digits of its oid.
  Result<postgres::BinaryColumns> binary_columns_of(const postgres::Relation& relation) override {
    postgres::BinaryColumns columns;
    const auto form_of = [](std::uint32_t number) {
      return static_cast<postgres::BinaryForm>(number % (postgres::binary_form_max + 1));
    };
    for (const auto& column : relation.columns) {
      const postgres::BinaryForm form = form_of(column.type);
      columns.types.push_back({form, form_of(column.type / 32), 23});
    }
    return columns;
  }
  Result<std::unique_ptr<postgres::RowTransform>> transform_of(
      const postgres::Relation& relation) override {
    TRY(const auto rules,
        postgres::TransformRules::parse({{TransformRule::Kind::exclude, {"*.*.note"}},
                                         {TransformRule::Kind::mask, {"*.*.*t*"}}}));
    return postgres::RowTransform::of(rules, relation);
  }
};

class Handler : public ChangeHandler {
 public:
  Status begin(const Transaction&) override {
    INVARIANT(!std::exchange(open_, true), "a transaction ends before the next one begins");
    return {};
  }
  Result<Version> schema(std::string_view, const Schema& schema) override {
    schemas_.push_back(schema);
    return Version{StreamId{1}, SchemaId{static_cast<std::uint32_t>(schemas_.size())}};
  }
  Status event(const EventBody& event) override {
    if (!is_row_event(event.type)) return {};
    const Schema& schema = schemas_.at(event.schema.value - 1);
    if (event.body) INVARIANT(read_row(*event.body, schema.columns.size()), "the row can be read");
    if (event.before_kind == Before::row)
      INVARIANT(read_row(event.before, schema.columns.size()), "the old row can be read");
    return {};
  }
  Result<StreamId> source_stream() override { return StreamId{2}; }
  std::optional<KnownTable> known_table(std::string_view) override { return std::nullopt; }
  std::optional<KnownTable> known_table(std::uint32_t) override { return std::nullopt; }
  Status end_table(const KnownTable&, std::string_view, std::uint32_t) override { return {}; }
  Status end_load(std::string_view, std::string_view) override { return {}; }
  Status begin_load(std::string_view) override { return {}; }
  Status commit(std::string_view) override {
    INVARIANT(std::exchange(open_, false), "what ends has begun");
    return {};
  }
  Status progress(std::string_view) override {
    INVARIANT(!open_, "a position alone lies between transactions");
    return {};
  }
  Status idle() override { return {}; }
  std::string durable() override { return {}; }
  Result<std::unique_ptr<HeldTransaction>> hold() override { return shelf_.hold(); }
  Status keep(HeldTransaction& held, std::string_view about) override {
    shelf_.keep(held, about);
    return {};
  }
  Result<std::vector<std::unique_ptr<HeldTransaction>>> kept(
      const std::vector<std::uint64_t>& ids) override {
    return shelf_.kept(ids);
  }
  void release(std::unique_ptr<HeldTransaction> held) override { shelf_.release(*held); }

 private:
  bool open_ = false;
  testing::HeldShelf shelf_;
  std::vector<Schema> schemas_;
};

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(change_stream) {
  Catalog catalog;
  Handler handler;
  postgres::ChangeDecoder decoder({PostgresResume::Phase::streaming, 1, 1, Lsn{1}, "slot"}, {},
                                  catalog, handler);
  decoder.expect_binary();
  postgres::TransactionAssembly assembly(decoder, handler, Origins::any);
  ByteReader in(input);
  for (std::uint64_t lsn = 2; in.remaining() != 0; ++lsn) {
    const auto length = in.le<std::uint8_t>();
    const std::string_view message = in.bytes(std::min<std::uint64_t>(length, in.remaining()));
    if (!assembly.decode(message, {Lsn{lsn}, UnixMicros{1}})) return;
  }
}
