// Random row changes that need not make sense: rows inserted twice, rows deleted that never were,
// values that were never sent, tables that change their key, lose it, or get it back. A fold takes
// them all and counts what contradicts; whatever saves and restores folds must do exactly the same.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/projections/script.h"

namespace tidelog::testing {

class HostileTable {
 public:
  HostileTable(std::string stream, std::uint32_t seed, bool keyed)
      : stream_(std::move(stream)), random_(seed), keyed_(keyed) {
    new_version();
  }

  std::vector<Change> transaction() {
    std::vector<Change> changes;
    if (number() % 40 == 0) change_shape();
    for (std::uint32_t left = 1 + number() % 6; left > 0; --left) {
      for (Change& change : keyed_ ? keyed_changes() : keyless_changes()) {
        changes.push_back(std::move(change).of(stream_));
      }
    }
    return changes;
  }

  const std::string& stream() const { return stream_; }

 private:
  std::uint32_t number() { return static_cast<std::uint32_t>(random_()); }

  void change_shape() {
    if (number() % 3 == 0) keyed_ = !keyed_;
    if (number() % 2 == 0) two_keys_ = !two_keys_;
    new_version();
  }

  void new_version() {
    schema_ = table("orders", {column("id", ValueKind::int64, keyed_),
                               column("note", ValueKind::text, keyed_ && two_keys_),
                               column("price", ValueKind::decimal)});
    if (!keyed_) schema_.identity = ReplicaIdentity::full;
    if (++version_ > 1) {
      schema_.columns.push_back(column("x" + std::to_string(version_), ValueKind::int64));
    }
  }

  Value text() {
    constexpr std::string_view texts[] = {"", "a", "b"};
    return Text{texts[number() % 3]};
  }

  // `whole`: nothing is left out.
  Values row(bool whole) {
    Values values = {static_cast<std::int64_t>(number() % 12) - 3, text(),
                     Decimal{number() % 2 == 0 ? "1.5" : "2.5"}};
    if (version_ > 1) values.emplace_back(static_cast<std::int64_t>(number() % 2));
    for (std::size_t i = 2; i < values.size(); ++i) {
      if (!whole && number() % 3 == 0) values[i] = Unchanged{};
    }
    if (!whole && !two_keys_ && number() % 3 == 0) values[1] = Unchanged{};
    return values;
  }

  Values key_of_row(const Values& values) const {
    return two_keys_ ? Values{values[0], values[1]} : Values{values[0]};
  }

  std::vector<Change> keyed_changes() {
    const Values values = row(false);
    switch (number() % 16) {
      case 0:
        return number() % 4 == 0 ? std::vector<Change>{truncated()} : std::vector<Change>{};
      case 1:
      case 2:
      case 3:
        return {removed(schema_, key_of_row(values))};
      case 4:
      case 5: {
        const Values from = key_of_row(row(true));
        return {moved_away(schema_, from), moved_here(schema_, from, values)};
      }
      case 6:
        return {loaded(schema_, row(true))};
      case 7:
      case 8:
      case 9:
      case 10:
        return {added(schema_, row(true))};
      default:
        return {updated(schema_, values)};
    }
  }

  std::vector<Change> keyless_changes() {
    switch (number() % 12) {
      case 0:
        return number() % 6 == 0 ? std::vector<Change>{truncated()} : std::vector<Change>{};
      case 1:
      case 2:
      case 3:
        return {removed_row(schema_, row(true))};
      case 4:
      case 5:
      case 6:
        return {updated_from(schema_, row(true), row(number() % 3 != 0))};
      default:
        return {added(schema_, row(number() % 30 != 0))};
    }
  }

  std::string stream_;
  std::mt19937 random_;
  bool keyed_;
  bool two_keys_ = false;
  int version_ = 0;
  Schema schema_;
};

// ---- A fold in words ----

inline std::string line_of(const StoredRow& row) {
  std::string line;
  for (const char c : std::string(row.key) + "|" + std::string(row.row)) {
    constexpr std::string_view digits = "0123456789abcdef";
    line += digits[static_cast<unsigned char>(c) >> 4];
    line += digits[static_cast<unsigned char>(c) & 15];
  }
  return line + " schema " + std::to_string(row.schema.value) + " position " +
         std::to_string(row.position.value) + " revision " + std::to_string(row.revision.value) +
         " copies " + std::to_string(row.copies);
}

inline std::string line_of(const StateAbout& about) {
  std::string line = "schema " + std::to_string(about.schema.value) + " rows " +
                     std::to_string(about.row_count) + " loaded " + std::to_string(about.loaded) +
                     " unknown " + std::to_string(about.some_unknown) + " contradictions " +
                     std::to_string(about.contradiction_count) + " before history " +
                     std::to_string(about.before_history_count);
  for (const auto& one : about.contradictions) {
    line += " " + std::to_string(one.what) + "@" + std::to_string(one.position.value);
  }
  return line;
}

inline Lines lines_of(const TableFold& fold) {
  StateAbout about;
  fold.describe(about);
  Lines lines = {line_of(about)};
  for (const StoredRow& row : fold.stored_rows()) lines.push_back(line_of(row));
  return lines;
}

inline Lines lines_of(const StateFile& file) {
  Lines lines = {line_of(file.about())};
  StateCursor rows(file);
  while (const StoredRow* row = must(rows.next())) lines.push_back(line_of(*row));
  return lines;
}

// The fold of everything from the log's begin, by nothing but TableFold: what all else must equal.
inline std::unique_ptr<TableFold> plain_fold(StoreReader& reader, const std::string& stream,
                                             Position end) {
  reader.only_streams({stream});
  reader.read_until(end);
  must(reader.seek(Position{0}));
  auto fold = std::make_unique<TableFold>([&reader](SchemaId id) { return reader.schema(id); });
  while (const Event* event = must(reader.next())) must(fold->apply(*event));
  return fold;
}

}  // namespace tidelog::testing
