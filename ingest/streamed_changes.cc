#include "ingest/streamed_changes.h"

#include <memory>
#include <utility>

#include "projections/row_shape.h"

namespace tidelog {
namespace {

// A row that the changes touched.
struct Touched {
  std::string key;
  std::string row;
  SchemaId schema;
  bool in_snapshot = false;  // the chunk has a row of this key, which no longer holds
  bool present = true;
  bool partial = false;  // some values are not known
  bool filled = false;   // some values are the chunk's: the log does not know them
};

class KeyedCorrections {
 public:
  KeyedCorrections(const KeyedChunk& chunk, const SchemaOf& schema_of)
      : chunk_(chunk), schema_of_(schema_of) {}

  Status see(const StreamedChange& change) {
    if (change.type == EventType::remove) return remove(change);
    if (change.type == EventType::update) return update(change);
    return insert(change);
  }

  // Nothing when a row has a value that is not known.
  std::optional<std::vector<Correction>> take() {
    std::vector<Correction> all;
    for (Touched& row : touched_) {
      if (!row.in_snapshot && !(row.present && row.filled)) continue;
      if (row.present && row.partial) return std::nullopt;
      all.push_back({row.present ? EventType::load : EventType::remove, row.schema,
                     std::move(row.key), row.present ? std::move(row.row) : std::string()});
    }
    return all;
  }

 private:
  struct Known {
    std::string row;
    Schema schema;
    bool from_chunk = false;  // some of its values are
  };

  Touched* find(const std::string& key) {
    const auto known = by_key_.find(key);
    return known == by_key_.end() ? nullptr : &touched_[known->second];
  }

  Touched& add(const StreamedChange& change) {
    by_key_.emplace(change.key, touched_.size());
    Touched& row = touched_.emplace_back();
    row.key = change.key;
    row.schema = change.schema;
    return row;
  }

  // The row before the change, if it is known; `is_ours`: whether the chunk is of its key.
  Result<std::optional<Known>> known_before(const std::string& key, bool& is_ours) {
    std::optional<Known> known;
    is_ours = true;
    if (const Touched* const row = find(key)) {
      if (!row->present) return known;
      TRY(Schema schema, schema_of_(row->schema));
      known = Known{row->row, std::move(schema), row->filled};
      return known;
    }
    if (chunk_.rows == nullptr) return known;
    const std::string_view* const row = chunk_.rows->find(key);
    is_ours = row != nullptr;
    if (is_ours) known = Known{std::string(*row), chunk_.schema, true};
    return known;
  }

  Status remove(const StreamedChange& change) {
    bool is_ours = false;
    TRY(std::optional<Known> known, known_before(change.key, is_ours));
    moving_.reset();
    moves_from_chunk_ = change.moved && (known ? known->from_chunk : chunk_.rows == nullptr);
    if (change.moved && known && !moves_from_chunk_)
      moving_ = std::make_unique<Known>(*std::move(known));
    if (!is_ours) return {};
    Touched* row = find(change.key);
    if (row == nullptr) {
      row = &add(change);
      row->in_snapshot = true;
    }
    row->present = false;
    row->row.clear();
    row->schema = change.schema;
    return {};
  }

  Status update(const StreamedChange& change) {
    bool is_ours = false;
    TRY(const std::optional<Known> known, known_before(change.key, is_ours));
    if (!is_ours) return {};
    Touched* row = find(change.key);
    if (row == nullptr) {
      row = &add(change);
      row->in_snapshot = true;
    }
    TRY_DO(put(*row, change, known ? &*known : nullptr));
    if (!known && chunk_.rows == nullptr) row->filled = row->partial;  // from what is not at hand
    return {};
  }

  Status insert(const StreamedChange& change) {
    const std::unique_ptr<Known> from = std::exchange(moving_, nullptr);
    Touched* row = find(change.key);
    if (row == nullptr) {
      row = &add(change);
      // Where a snapshot does not say all that it shows, it may show this already.
      row->in_snapshot = chunk_.rows != nullptr && chunk_.rows->find(change.key) != nullptr;
    }
    TRY_DO(put(*row, change, change.moved ? from.get() : nullptr));
    if (change.moved && moves_from_chunk_) row->filled = row->partial;
    return {};
  }

  Status put(Touched& row, const StreamedChange& change, const Known* known) {
    TRY(const Schema schema, schema_of_(change.schema));
    TRY(row.partial, has_unchanged(change.body, schema));
    row.present = true;
    row.filled = false;
    row.schema = change.schema;
    row.row = change.body;
    if (!row.partial || known == nullptr) return {};
    std::string whole;
    TRY_DO(put_filled(whole, {change.body, &schema}, {known->row, &known->schema}));
    row.row = std::move(whole);
    row.filled = known->from_chunk;
    TRY(row.partial, has_unchanged(row.row, schema));
    return {};
  }

  const KeyedChunk& chunk_;
  const SchemaOf& schema_of_;
  std::vector<Touched> touched_;  // in the order of their first change
  absl::flat_hash_map<std::string, std::size_t> by_key_;
  // From the first half of a key change to the second.
  std::unique_ptr<Known> moving_;
  // The row is the chunk's: not at hand, or, where the chunk shows more than its snapshot says,
  // perhaps already another one that has taken its key.
  bool moves_from_chunk_ = false;
};

}  // namespace

ChunkRows::ChunkRows(const BatchBuilder& chunk) {
  chunk.for_each_open([this](const EventBody& event) {
    by_key_.insert_or_assign(event.key.value_or(""), event.body.value_or(""));
  });
}

const std::string_view* ChunkRows::find(std::string_view key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : &found->second;
}

Result<std::optional<std::vector<Correction>>> corrections_of_keyed(
    const std::vector<const StreamedChange*>& changes, const KeyedChunk& chunk,
    const SchemaOf& schema_of) {
  KeyedCorrections corrections(chunk, schema_of);
  for (const StreamedChange* const change : changes) TRY_DO(corrections.see(*change));
  return corrections.take();
}

std::vector<Correction> corrections_of_keyless(const std::vector<const StreamedChange*>& changes) {
  std::vector<Correction> all;
  for (const StreamedChange* const change : changes) {
    if (change->type != EventType::insert)
      all.push_back({EventType::remove, change->schema, {}, change->before});
    if (change->type != EventType::remove)
      all.push_back({EventType::load, change->schema, {}, change->body});
  }
  return all;
}

}  // namespace tidelog
