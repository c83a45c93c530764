// Several pgoutput messages one after the other, through the decoder that knows relations and
// transactions: (u8 length | message)*. Whatever it hands on can be stored: rows that fit their
// schema.
#include "connectors/postgres/change_decoder.h"
#include "connectors/postgres/types.h"
#include "core/bytes.h"
#include "core/value_codec.h"
#include "tests/fuzz/fuzz_target.h"

namespace tidelog {
namespace {

class Catalog : public postgres::RelationCatalog {
 public:
  Result<Schema> schema_of(const postgres::Relation& relation,
                           const postgres::SentTypes&) override {
    Schema schema{relation.schema, relation.table, relation.identity, {}};
    for (const auto& column : relation.columns) {
      schema.columns.push_back({column.name, "a type", postgres::kind_of_type(column.type),
                                column.key, column.type, column.type_modifier});
    }
    return schema;
  }
};

class Handler : public ChangeHandler {
 public:
  Status begin(const Transaction&) override { return {}; }
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
  Status commit(std::string_view) override { return {}; }
  Status progress(std::string_view) override { return {}; }
  Status idle() override { return {}; }
  std::string durable() override { return {}; }

 private:
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
  ByteReader in(input);
  for (std::uint64_t lsn = 2; in.remaining() != 0; ++lsn) {
    const auto length = in.le<std::uint8_t>();
    const std::string_view message = in.bytes(std::min<std::uint64_t>(length, in.remaining()));
    if (!decoder.decode(message, {Lsn{lsn}, UnixMicros{1}})) return;
  }
}
