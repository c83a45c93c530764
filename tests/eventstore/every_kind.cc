#include "tests/eventstore/every_kind.h"

#include "tests/core/sample_values.h"
#include "tests/eventstore/application_fixture.h"

namespace tidelog::testing {
namespace {

// A table with one column of each sample value.
struct Sampler {
  Sampler(EventStore& to, Samples samples) : store(to) {
    for (const Value& value : sample_values()) {
      if (samples == Samples::all || stored(value).size() <= short_bytes) values.push_back(value);
    }
    schema = {"public", "every_kind", ReplicaIdentity::full, {}};
    schema.columns.push_back({"id", "bigint", ValueKind::int64, true, 20, -1});
    for (const Value& value : values) {
      const ValueKind kind = value.kind() <= ValueKind::unchanged ? ValueKind::text : value.kind();
      schema.columns.push_back(
          {"c" + std::to_string(schema.columns.size()), "type", kind, false, 1, 77});
    }
  }

  template <class Into>
  void add(Into& into) {
    const StreamId stream = store.stream("shop.public.every_kind");
    const auto version = store.schema(stream, schema);
    EventBody event;
    event.stream = stream;
    event.schema = version.id;
    std::string encoded;
    if (version.is_new) {
      put_schema(encoded, schema);
      event.type = EventType::schema;
      event.body = encoded;
      into(event);
    }
    std::string row;
    put_value(row, Value(std::int64_t{-5}));
    const std::string key = row;
    for (const Value& value : values) put_value(row, value);
    event.key = key;
    for (const EventType type : {EventType::load, EventType::update, EventType::remove}) {
      event.type = type;
      event.moved = type == EventType::remove;
      event.before_kind = type == EventType::load     ? Before::none
                          : type == EventType::update ? Before::row
                                                      : Before::key;
      event.before = event.before_kind == Before::row   ? std::string_view(row)
                     : event.before_kind == Before::key ? std::string_view(key)
                                                        : std::string_view();
      event.body = row;
      if (type == EventType::remove) event.body.reset();
      ++event.ordinal;
      into(event);
    }
  }

  static constexpr std::size_t short_bytes = 60;
  EventStore& store;
  std::vector<Value> values;
  Schema schema;
};

// Events that are no rows.
template <class Into>
void add_others(EventStore& store, Into into) {
  std::string attributes;
  put_attribute(attributes, Attribute::name, "greeting");
  put_attribute(attributes, Attribute::message_lsn, encode(Lsn{77}));
  EventBody event;
  event.stream = store.stream("shop.$source");
  for (const EventType type : {EventType::ddl, EventType::message, EventType::gap,
                               EventType::undecoded, EventType::application}) {
    event.type = type;
    event.body = std::string_view("content \xff");
    event.attributes = type == EventType::message ? std::string_view(attributes) : "";
    into(event);
  }
  event.type = EventType::truncate;
  event.body.reset();
  into(event);
}

Transaction transaction_of(std::string_view id, std::string_view position) {
  Transaction transaction;
  transaction.id = id;
  transaction.commit_time = {-1};
  transaction.position = position;
  transaction.origin = "elsewhere";
  return transaction;
}

// One that was prepared, and that came from another server first.
Transaction prepared_of(std::string_view id, std::string_view position) {
  Transaction transaction = transaction_of(id, position);
  transaction.origin_position = "there";
  transaction.global_id = "a name";
  return transaction;
}

}  // namespace

void append_every_kind(EventStore& store, Samples samples) {
  BatchBuilder batch;
  const auto into = [&](const EventBody& event) { batch.add(event); };
  const std::string position = encode(Lsn{500});
  batch.begin(transaction_of("771", position));
  Sampler(store, samples).add(into);
  batch.commit();
  batch.begin(prepared_of("772", position));
  add_others(store, into);
  batch.commit();
  batch.set_source(store.source("shop"), position);
  must(store.append(batch));
}

void adopt_every_kind(EventStore& store, Samples samples, int repeats) {
  auto staged = must(store.stage());
  const auto into = [&](const EventBody& event) { must(staged->add(event)); };
  must(staged->begin(transaction_of("773", "p")));
  for (int i = 0; i < repeats; ++i) Sampler(store, samples).add(into);
  must(staged->begin(prepared_of("774", "p")));
  add_others(store, into);
  must(store.adopt(*staged, store.source("shop"), "after"));
}

void append_application(EventStore& store, const std::string& id) {
  NewEvent event = event_of(id);
  event.key = "cart";
  event.metadata = R"({"by":"a test"})";
  event.correlation_id = "conversation";
  event.causation_id = "cause";
  must(store.append(AppendRequest{{{"carts.1", ExpectedRevision::any(), {event}}}}));
}

// Streams that are truncated, deleted, begun anew and ended for ever.
void change_streams(EventStore& store) {
  const auto append = [&](const std::string& stream, const std::string& name) {
    must(store.append(request_of(stream, ExpectedRevision::any(), {name, name + "2"})));
  };
  append("cart-1", "a");
  must(store.truncate_stream("cart-1", {1}, ExpectedRevision::any()));
  must(store.delete_stream("cart-1", ExpectedRevision::any()));
  append("cart-1", "b");
  append("cart-2", "a");
  must(store.tombstone_stream("cart-2", ExpectedRevision::any()));
}

}  // namespace tidelog::testing
