#include "eventstore/batch_builder.h"

#include "core/invariant.h"
#include "eventstore/staging.h"

namespace tidelog {
namespace {

// Record length, type, flags and the varints in front of an event's bytes, at most.
constexpr std::size_t record_overhead_max = 64;

// More than what batches usually take is given back.
constexpr std::size_t kept_bytes_max = 16 << 20;

std::size_t record_bytes_max(const EventBody& event) {
  return record_overhead_max + (event.key ? event.key->size() : 0) + event.before.size() +
         (event.body ? event.body->size() : 0) + event.attributes.size();
}

}  // namespace

void BatchBuilder::begin(const Transaction& transaction) {
  INVARIANT(!in_transaction_, "transactions do not nest");
  in_transaction_ = true;
  open_ = {raw_.size(),
           block_starts_.size(),
           block_starts_.empty() ? 0 : block_starts_.back().event_count,
           schemas_.size(),
           event_count_,
           commit_time_};
  transaction_.keep(transaction);
  transaction_.set_count(0);
  transaction_.set_index(0);
  count_offsets_.clear();
  commit_time_ = std::max(commit_time_, transaction.commit_time);
  const bool fits =
      !block_starts_.empty() &&
      raw_.size() - block_starts_.back().offset + record_overhead_max + transaction_.text_bytes() <
          format::block_raw_bytes_target;
  if (fits) {
    put_transaction();
  } else {
    start_block();
  }
}

void BatchBuilder::start_block() {
  block_starts_.push_back({raw_.size(), 0});
  put_transaction();  // a block can be read without the ones before it
}

void BatchBuilder::put_transaction() {
  count_offsets_.push_back(put_transaction_record(raw_, transaction_.get()));
}

std::uint64_t BatchBuilder::next_of_stream(StreamId stream) {
  const auto [it, is_new] = run_of_.try_emplace(stream, runs_.size());
  if (is_new) runs_.push_back({stream, {}, 0});
  return runs_[it->second].count++;
}

std::uint64_t BatchBuilder::event_count(StreamId stream) const {
  const auto it = run_of_.find(stream);
  return it == run_of_.end() ? 0 : runs_[it->second].count;
}

void BatchBuilder::add(const EventBody& event) {
  INVARIANT(in_transaction_, "every event has its transaction");
  INVARIANT(event.stream.value != 0, "every event has its stream");
  const std::size_t in_block = raw_.size() - block_starts_.back().offset;
  const bool has_events = block_starts_.back().event_count != 0;
  if (has_events && in_block + record_bytes_max(event) > format::block_raw_bytes_target)
    start_block();
  // Behind a very large event there is room for small ones: the bytes need not move for them.
  if (record_bytes_max(event) > kept_bytes_max)
    raw_.reserve(raw_.size() + record_bytes_max(event) + format::block_raw_bytes_target);
  put_event_record(raw_, event, next_of_stream(event.stream));
  if (event.type == EventType::schema)
    schemas_.push_back({event.schema, event.stream, std::string(*event.body)});
  ++block_starts_.back().event_count;
  ++event_count_;
  transaction_.set_index(transaction_.get().event_index + 1);
}

void BatchBuilder::commit() {
  INVARIANT(in_transaction_, "a commit ends a transaction");
  // Nothing in it was captured: only its position matters.
  if (transaction_.get().event_index == 0) {
    roll_back();
    return;
  }
  INVARIANT(transaction_.get().event_index <= UINT32_MAX,
            "a transaction of that size goes to a staging file");
  const auto count = static_cast<std::uint32_t>(transaction_.get().event_index);
  for (const std::size_t offset : count_offsets_) patch_le(raw_, offset, count);
  in_transaction_ = false;
  open_ = {raw_.size(),     block_starts_.size(), block_starts_.back().event_count,
           schemas_.size(), event_count_,         commit_time_};
}

void BatchBuilder::for_each_open(const std::function<void(const EventBody&)>& visit) const {
  ByteReader in(std::string_view(raw_).substr(open_.raw_bytes));
  while (in.remaining() != 0) {
    const auto record = read_record(in);
    INVARIANT(record.has_value(), "our own records read back");
    if (!record->is_transaction) visit(record->event);
  }
}

void BatchBuilder::roll_back() {
  INVARIANT(in_transaction_, "a roll-back ends a transaction");
  for_each_open([this](const EventBody& event) { --runs_[run_of_.at(event.stream)].count; });
  // A run that the transaction began would stand empty in the batch.
  while (!runs_.empty() && runs_.back().count == 0) {
    run_of_.erase(runs_.back().stream);
    runs_.pop_back();
  }
  raw_.resize(open_.raw_bytes);
  block_starts_.resize(open_.block_count);
  if (!block_starts_.empty()) block_starts_.back().event_count = open_.last_block_events;
  schemas_.resize(open_.schema_count);
  event_count_ = open_.event_count;
  commit_time_ = open_.commit_time;
  in_transaction_ = false;
}

Status BatchBuilder::move_open_transaction_to(StagingWriter& staging) {
  INVARIANT(in_transaction_, "only an open transaction moves");
  TRY_DO(staging.begin(transaction_.get()));
  Status status;
  for_each_open([&](const EventBody& event) {
    if (status) status = staging.add(event);
  });
  TRY_DO(std::move(status));
  roll_back();
  return {};
}

void BatchBuilder::set_source(SourceId source, std::string_view position) {
  INVARIANT(source_.value == 0 || source_ == source, "a batch has one source");
  source_ = source;
  position_ = position;
}

void BatchBuilder::drop_open_transaction() {
  in_transaction_ = false;
  clear();
}

void BatchBuilder::clear() {
  INVARIANT(!in_transaction_, "an open transaction is not forgotten");
  if (raw_.capacity() > kept_bytes_max) std::string().swap(raw_);
  raw_.clear();
  block_starts_.clear();
  runs_.clear();
  run_of_.clear();
  schemas_.clear();
  event_count_ = 0;
  source_ = {};
  position_.clear();
  commit_time_ = {};
  open_ = {};
}

std::vector<BatchBuilder::Block> BatchBuilder::blocks() const {
  std::vector<Block> result;
  for (std::size_t i = 0; i < block_starts_.size(); ++i) {
    const std::size_t end =
        i + 1 < block_starts_.size() ? block_starts_[i + 1].offset : raw_.size();
    const std::string_view raw =
        std::string_view(raw_).substr(block_starts_[i].offset, end - block_starts_[i].offset);
    result.push_back({raw, block_starts_[i].event_count});
  }
  return result;
}

}  // namespace tidelog
