#include "tests/eventstore/store_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "eventstore/store_reader.h"

namespace tidelog::testing {
namespace {

const std::vector<std::string> sources = {"shop", "books"};

Schema schema_of(const std::string& stream, int version) {
  Schema schema{"public", stream, ReplicaIdentity::primary_key, {}};
  schema.columns.push_back({"id", "integer", ValueKind::int64, true, 23, -1});
  for (int i = 0; i < version; ++i) {
    schema.columns.push_back({fmt::format("c{}", i), "text", ValueKind::text, false, 25, -1});
  }
  return schema;
}

// Not compressible, so that sizes are what they seem; the same for the same number.
std::string text(std::uint64_t seed, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    out.push_back(static_cast<char>('!' + (seed >> 40) % 90));
  }
  return out;
}

// Sizes that fall on both sides of a sector, of what is left of a segment, and now and then of a
// block.
std::size_t body_bytes(std::size_t number) {
  constexpr std::size_t sizes[] = {5, 60, 130, 20, 300, 40, 700, 10, 90};
  return number % 61 == 60 ? 9000 : sizes[number % std::size(sizes)];
}

ScriptRow row(const std::string& source, std::size_t operation, std::size_t number) {
  // Streams appear one after the other, and schemas change in the middle.
  const std::size_t stream =
      (number + operation / 9) % (1 + std::min<std::size_t>(operation / 8, 4));
  return {fmt::format("{}.t{}", source, stream), fmt::format("k{}", number % 7),
          text(operation * 100 + number, body_bytes(operation * 5 + number)),
          operation < 23 ? 1 : 2};
}

ScriptTransaction transaction(const std::string& source, std::size_t operation,
                              std::size_t number) {
  ScriptTransaction made{fmt::format("{}-{}", operation, number),
                         {static_cast<std::int64_t>(operation * 10 + number)},
                         {}};
  const std::size_t row_count = 1 + (operation + number) % 4;
  for (std::size_t i = 0; i < row_count; ++i) {
    made.rows.push_back(row(source, operation, number * 10 + i));
  }
  return made;
}

ScriptOperation operation(std::size_t index) {
  using Kind = ScriptOperation::Kind;
  ScriptOperation made;
  made.kind = index % 7 == 4 ? Kind::adopt : index % 10 == 3 ? Kind::position_only : Kind::append;
  made.source = sources[index % 3 == 2 ? 1 : 0];
  made.position = fmt::format("at {}", index);
  made.rolls_back_another = index % 5 == 1;
  const std::size_t transaction_count = made.kind == Kind::position_only ? 0 : 1 + index % 3;
  for (std::size_t i = 0; i < transaction_count; ++i) {
    made.transactions.push_back(transaction(made.source, index, i));
  }
  return made;
}

std::string line(const std::string& stream, std::string_view type, std::uint64_t revision,
                 std::string_view key, std::string_view body, std::size_t columns,
                 const std::string& transaction) {
  return fmt::format("{}#{} {} {}={} ({} columns) {}", stream, revision, type, key, body, columns,
                     transaction);
}

std::string extent(std::string_view id, UnixMicros commit_time, std::string_view source,
                   std::uint64_t index, std::uint64_t count) {
  return fmt::format("transaction {} of {} at {}, event {} of {}", id, source, commit_time.value,
                     index, count);
}

// What the operation's events are, given the schema versions that the log has.
struct Expected {
  std::map<std::string, int> versions;             // by stream
  std::map<std::string, std::uint64_t> revisions;  // by stream, the next one
  StoreContent content;

  void add(const ScriptOperation& operation) {
    content.positions[operation.source] = operation.position;
    const bool adopts = operation.kind == ScriptOperation::Kind::adopt;
    const std::size_t begin = content.events.size();
    std::vector<std::pair<std::size_t, const ScriptTransaction*>> owners;
    for (const ScriptTransaction& transaction : operation.transactions) {
      const std::size_t first = owners.size();
      for (const ScriptRow& r : transaction.rows) {
        if (versions[r.stream] < r.version) {
          versions[r.stream] = r.version;
          std::string schema;
          put_schema(schema, schema_of(r.stream, r.version));
          add_line(r, "schema", "", schema);
          owners.emplace_back(first, &transaction);
        }
        add_line(r, "insert", r.key, r.body);
        owners.emplace_back(first, &transaction);
      }
    }
    // An adopted file is one transaction for its readers, in parts.
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const auto& [first, owner] = owners[i];
      std::size_t end = i;
      while (end < owners.size() && owners[end].second == owner) ++end;
      const std::size_t index = adopts ? i : i - first;
      const std::size_t count = adopts ? owners.size() : end - first;
      content.events[begin + i] +=
          extent(owner->id, owner->commit_time, operation.source, index, count);
    }
  }

  void add_line(const ScriptRow& r, std::string_view type, std::string_view key,
                std::string_view body) {
    content.events.push_back(line(r.stream, type, revisions[r.stream]++, key, body,
                                  schema_of(r.stream, r.version).columns.size(), ""));
  }
};

// Gives a transaction's rows to a builder or a staging file, each new schema version before its
// first row.
class Filler {
 public:
  explicit Filler(EventStore& store) : store_(store) {}

  template <class Give>
  Status rows(const ScriptTransaction& transaction, Give give) {
    std::uint32_t ordinal = 0;
    for (const ScriptRow& r : transaction.rows) {
      EventBody event;
      event.stream = store_.stream(r.stream);
      const auto version = store_.schema(event.stream, schema_of(r.stream, r.version));
      event.schema = version.id;
      if (version.is_new && announced_.insert(version.id).second) {
        std::string schema;
        put_schema(schema, schema_of(r.stream, r.version));
        event.type = EventType::schema;
        event.body = schema;
        TRY_DO(give(event));
      }
      event.type = EventType::insert;
      event.ordinal = ordinal++;
      event.key = r.key;
      event.body = r.body;
      TRY_DO(give(event));
    }
    return {};
  }

 private:
  EventStore& store_;
  std::set<SchemaId> announced_;
};

Transaction head_of(const ScriptTransaction& transaction) {
  Transaction head;
  head.id = transaction.id;
  head.commit_time = transaction.commit_time;
  return head;
}

Status append(EventStore& store, const ScriptOperation& operation, StoreScript::Tries tries) {
  BatchBuilder batch;
  Filler filler(store);
  const auto give = [&](const EventBody& event) {
    batch.add(event);
    return Status();
  };
  if (operation.rolls_back_another) {
    // Its stream gets a number that no event will ever use.
    const ScriptTransaction abandoned{"abandoned", {}, {{operation.position + ".none", "k", "b"}}};
    batch.begin(head_of(abandoned));
    TRY_DO(Filler(store).rows(abandoned, give));
    batch.roll_back();
  }
  for (const ScriptTransaction& transaction : operation.transactions) {
    batch.begin(head_of(transaction));
    TRY_DO(filler.rows(transaction, give));
    batch.commit();
  }
  batch.set_source(store.source(operation.source), operation.position);
  auto appended = store.append(batch);
  if (!appended && tries == StoreScript::Tries::two) appended = store.append(batch);
  TRY_DO(std::move(appended));
  return {};
}

Status adopt(EventStore& store, const ScriptOperation& operation, StoreScript::Tries tries) {
  TRY(const auto staged, store.stage());
  Filler filler(store);
  for (const ScriptTransaction& transaction : operation.transactions) {
    TRY_DO(staged->begin(head_of(transaction)));
    TRY_DO(filler.rows(transaction, [&](const EventBody& event) { return staged->add(event); }));
  }
  const SourceId source = store.source(operation.source);
  auto adopted = store.adopt(*staged, source, operation.position);
  if (!adopted && tries == StoreScript::Tries::two) {
    adopted = store.adopt(*staged, source, operation.position);
  }
  TRY_DO(std::move(adopted));
  return {};
}

}  // namespace

Result<std::string> line_of(StoreReader& reader, const Event& event) {
  TRY(const Schema* schema, reader.schema(event.schema));
  const Transaction& t = event.transaction;
  return line(std::string(event.stream_name), name_of(event.type), event.revision.value,
              event.key.value_or(""), event.body.value_or(""), schema->columns.size(),
              extent(t.id, t.commit_time, event.source_name, t.event_index, t.event_count));
}

StoreOptions script_options() {
  StoreOptions options;
  options.segment_bytes = 4096;
  options.background = false;
  options.holder = "a test";
  return options;
}

StoreScript::StoreScript(std::size_t operation_count) {
  Expected expected;
  contents_.push_back(expected.content);
  for (std::size_t i = 0; i < operation_count; ++i) {
    operations_.push_back(operation(i));
    expected.add(operations_.back());
    contents_.push_back(expected.content);
  }
}

Status StoreScript::run(EventStore& store, FakeClock& clock, std::size_t index, Tries tries) const {
  clock.advance(std::chrono::seconds(1));
  const ScriptOperation& operation = operations_[index];
  if (operation.kind == ScriptOperation::Kind::adopt) return adopt(store, operation, tries);
  return append(store, operation, tries);
}

std::optional<std::size_t> StoreScript::operations_in(const StoreContent& content,
                                                      std::size_t least, std::size_t most) const {
  for (std::size_t count = least; count <= std::min(most, size()); ++count) {
    if (contents_[count] == content) return count;
  }
  return std::nullopt;
}

Scan scan(StoreReader& reader) {
  Scan scanned;
  for (;;) {
    const auto event = reader.next();
    if (!event) {
      scanned.status = fail_in("reading", event.error());
      return scanned;
    }
    if (*event == nullptr) return scanned;
    if ((*event)->position.value != scanned.events.size()) {
      scanned.status =
          fail(Code::failed, fmt::format("position {} follows {} events", (*event)->position.value,
                                         scanned.events.size()));
      return scanned;
    }
    auto text = line_of(reader, **event);
    if (!text) {
      scanned.status = fail_in("schema", text.error());
      return scanned;
    }
    scanned.events.push_back(*std::move(text));
  }
}

Scan scan(Disk& disk, const std::string& directory) {
  auto reader = StoreReader::open(disk, directory);
  if (!reader) return {{}, fail_in("opening a reader", reader.error())};
  return scan(**reader);
}

Result<StoreContent> content_of(Disk& disk, const EventStore& store, const std::string& directory) {
  Scan scanned = scan(disk, directory);
  TRY_DO(std::move(scanned.status));
  StoreContent content;
  content.events = std::move(scanned.events);
  for (const std::string& source : sources) {
    const std::string position = store.source_position(source);
    if (!position.empty()) content.positions[source] = position;
  }
  return content;
}

}  // namespace tidelog::testing
