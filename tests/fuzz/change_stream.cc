// Several pgoutput messages one after the other, through the assembly of transactions and the
// decoder that knows relations: (u8 length | message)*. Whatever it hands on can be stored:
// transactions one at a time, rows that fit their schema.
#include "connectors/postgres/transaction_assembly.h"
#include "connectors/postgres/types.h"
#include "core/bytes.h"
#include "tests/fuzz/checking_handler.h"
#include "tests/fuzz/fuzz_target.h"

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

}  // namespace
}  // namespace tidelog

using namespace tidelog;

TIDELOG_FUZZ_TARGET(change_stream) {
  Catalog catalog;
  fuzz::CheckingHandler handler;
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
