// CheckingHandler: whatever a decoder hands on can be stored: transactions one at a time, rows that
// fit their schema.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/invariant.h"
#include "core/source.h"
#include "core/value_codec.h"
#include "tests/support/held_in_memory.h"

namespace tidelog::fuzz {

class CheckingHandler : public ChangeHandler {
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
  std::vector<KnownTable> known_tables(std::string_view) override { return {}; }
  StreamId stream_of(std::string_view) override { return StreamId{1}; }
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

}  // namespace tidelog::fuzz
