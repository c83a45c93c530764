#include "eventstore/segment_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/event.h"
#include "core/record_reader.h"
#include "eventstore/index_builder.h"
#include "eventstore/recovery.h"
#include "eventstore/segment_index.h"
#include "eventstore/segment_walk.h"
#include "eventstore/stream_table.h"

namespace tidelog {
namespace {

constexpr Position no_limit{UINT64_MAX};

// A segment's index file beside what is made anew.
class IndexComparison {
 public:
  // Null: the segment has none.
  static Result<std::unique_ptr<IndexComparison>> open(Disk& disk, const StorePaths& paths,
                                                       const IndexSubject& subject) {
    std::string path = paths.index(subject.segment.id, subject.segment.generation);
    auto file = disk.open_read(path);
    if (!file && file.error().code == Code::not_found) return nullptr;
    if (!file) return error_of(file);
    return std::make_unique<IndexComparison>(disk, paths, subject, *std::move(file),
                                             std::move(path));
  }

  IndexComparison(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                  std::unique_ptr<File> file, std::string path)
      : path_(std::move(path)),
        file_(std::move(file)),
        output_([this](std::uint64_t offset, std::string_view bytes) {
          return compare(offset, bytes);
        }),
        builder_(disk, paths, subject, output_) {}

  // Null once they differ.
  IndexBuilder* builder() { return status_ ? &builder_ : nullptr; }
  void end_batch(SegmentWalk& walk) {
    if (status_) status_ = builder_.end_batch(walk);
  }
  void finish(const SegmentWalk& walk) {
    if (status_) status_ = builder_.finish(walk, {});
    if (status_) status_ = compare_size();
  }
  const Status& status() const { return status_; }
  Result<std::uint64_t> file_bytes() const { return file_->size(); }

 private:
  Status compare(std::uint64_t offset, std::string_view bytes) {
    TRY_DO(file_->read(offset, bytes.size(), stored_));
    end_ = std::max(end_, offset + bytes.size());
    if (stored_ == bytes) return {};
    return fail(Code::corrupt,
                fmt::format("{}: differs from its segment at offset {}", path_, offset));
  }

  Status compare_size() const {
    TRY(const std::uint64_t size, file_->size());
    if (size == end_) return {};
    return fail(Code::corrupt, fmt::format("{}: has {} bytes, expected {}", path_, size, end_));
  }

  const std::string path_;
  const std::unique_ptr<File> file_;
  std::string stored_;
  std::uint64_t end_ = 0;
  Status status_;
  const IndexOutput output_;
  IndexBuilder builder_;
};

class SegmentCheck {
 public:
  SegmentCheck(Disk& disk, const StorePaths& paths, const SegmentSubject& subject,
               CheckProgress& progress, const std::function<void()>& on_advance)
      : disk_(disk),
        paths_(paths),
        subject_(subject),
        index_subject_{subject.uuid, subject.segment, subject.end.value_or(Position{})},
        progress_(progress),
        on_advance_(on_advance) {}

  // Code::corrupt is damage of the segment itself.
  Status run() {
    TRY(const auto file, open_segment(disk_, paths_, subject_.segment));
    TRY(const std::uint64_t file_bytes, file->size());
    TRY(auto opened, read_head(*file, paths_, subject_.segment));
    findings_.is_begun_since = opened.first.sequence > subject_.durable_batches;
    if (findings_.is_begun_since) return {};
    findings_.first = opened.first;
    findings_.head = std::move(opened.head);
    TRY(walk_, SegmentWalk::open(disk_, paths_, subject_.segment, findings_.catalog));
    walk_->read_batches_before(subject_.durable_batches);
    if (subject_.end) {
      TRY(index_, IndexComparison::open(disk_, paths_, index_subject_));
    }
    if (index_) index_->builder()->begin(*walk_, findings_.catalog);
    TRY_DO(walk());
    findings_.end = walk_->expected();
    findings_.is_whole = true;
    findings_.batch_count = findings_.end.sequence - findings_.first.sequence;
    // The zeros behind it were not read.
    const std::uint64_t zeros = file_bytes - std::min(counted_, file_bytes);
    progress_.bytes_total -= zeros;
    seen_.bytes_total -= zeros;
    return check_index();
  }

  SegmentFindings& findings() { return findings_; }

  // What was looked at does not count.
  void take_back_progress() {
    progress_.bytes -= seen_.bytes;
    progress_.bytes_total -= seen_.bytes_total;
    progress_.events -= seen_.events;
  }

 private:
  Status walk() {
    while (!walk_->ended()) {
      TRY(const bool more, walk_->next(no_limit, [](auto&&...) { return true; }));
      if (more) TRY_DO(check_batch());
      // Batches that adopt a file are met with the first batch in it.
      const std::uint64_t offset = walk_->expected().file_offset;
      advance(offset - std::exchange(counted_, offset));
    }
    return {};
  }

  Status check_batch() {
    if (index_ && index_->builder() != nullptr) index_->builder()->begin_batch(*walk_);
    BatchCursor& batch = walk_->batch();
    for (std::size_t i = 0; i < batch.extension().blocks.size(); ++i)
      TRY_DO(check_block(batch, i, index_ ? index_->builder() : nullptr));
    if (index_) index_->end_batch(*walk_);
    if (walk_->adopted() != nullptr) advance_in_adopted(*walk_->adopted());
    return {};
  }

  Status check_block(BatchCursor& batch, std::size_t index, IndexBuilder* builder) {
    TRY(const std::string_view raw, batch.block(index));
    ByteReader in(raw);
    std::uint64_t positions = 0;
    std::uint64_t events = 0;
    while (in.remaining() != 0) {
      TRY_DO(read_next_record(in, record_));
      if (record_.is_transaction) continue;
      positions += std::max<std::uint64_t>(record_.removed_count, 1);
      if (record_.removed_count != 0) continue;
      ++events;
      if (!is_defined(record_.event)) {
        return fail(Code::corrupt,
                    fmt::format("{}: an event of stream {} and schema {}, which are not defined",
                                batch.batch_place(), record_.event.stream.value,
                                record_.event.schema.value));
      }
      if (builder != nullptr) builder->add(record_);
    }
    if (builder != nullptr) builder->end_block();
    progress_.events += events;
    seen_.events += events;
    const std::uint64_t expected = batch.extension().blocks[index].event_count;
    if (positions == expected) return {};
    return fail(Code::corrupt, fmt::format("{}: block {} holds {} positions and says {}",
                                           batch.batch_place(), index, positions, expected));
  }

  // Most events are of the schema of their stream's event before.
  bool is_defined(const EventBody& event) {
    const std::uint64_t wanted = std::uint64_t{event.schema.value} + 1;
    const std::uint64_t* const known = known_.find(event.stream);
    if (known != nullptr && *known == wanted) return true;
    if (findings_.catalog.stream(event.stream) == nullptr) return false;
    if (event.schema.value != 0 && findings_.catalog.schema(event.schema) == nullptr) return false;
    known_[event.stream] = wanted;
    return true;
  }

  // Says what is wrong with the index, unless the segment itself does not end where it must.
  Status check_index() {
    if (!index_ || findings_.end.base != *subject_.end) return {};
    index_->finish(*walk_);
    findings_.has_index = true;
    TRY(const std::uint64_t bytes, index_->file_bytes());
    advance(bytes);
    if (index_->status()) return {};
    const Error& error = index_->status().error();
    // A newer tidelog's form is as good as damage here: this one makes no use of the file.
    if (error.code != Code::corrupt && error.code != Code::unsupported)
      return error_of(index_->status());
    // One with checksums that fit is used, whatever it says.
    const auto index =
        SegmentIndex::open(disk_, paths_, subject_.uuid, subject_.segment, *subject_.end);
    const bool is_used = index && (*index)->verify();
    if (is_used) {
      findings_.damage.push_back("index " + error.what +
                                 ", though its checksums fit: remove it, and it is made anew");
    } else {
      findings_.warnings.push_back("index " + error.what +
                                   ": it is not used, and the next writer makes it anew");
    }
    return {};
  }

  void advance_in_adopted(const format::AdoptedFile& adopted) {
    if (walk_->batch().header().sequence == 0) {
      progress_.bytes_total += adopted.file_bytes;
      seen_.bytes_total += adopted.file_bytes;
    }
    advance(walk_->batch().header().total_bytes());
  }

  void advance(std::uint64_t bytes) {
    progress_.bytes += bytes;
    seen_.bytes += bytes;
    on_advance_();
  }

  Disk& disk_;
  const StorePaths& paths_;
  const SegmentSubject& subject_;
  const IndexSubject index_subject_;
  CheckProgress& progress_;
  const std::function<void()>& on_advance_;
  SegmentFindings findings_;
  std::unique_ptr<SegmentWalk> walk_;
  std::unique_ptr<IndexComparison> index_;
  Record record_;
  StreamTable<std::uint64_t> known_;  // the schema of its last event, and one; 0: none
  std::uint64_t counted_ = 0;         // bytes of the log's file
  struct {
    std::uint64_t bytes = 0;
    std::uint64_t bytes_total = 0;
    std::uint64_t events = 0;
  } seen_;  // what this check added to the progress
};

}  // namespace

Result<SegmentFindings> check_segment(Disk& disk, const StorePaths& paths, SegmentSubject subject,
                                      CheckProgress& progress,
                                      const std::function<void()>& on_advance) {
  for (;;) {
    SegmentCheck check(disk, paths, subject, progress, on_advance);
    const Status checked = check.run();
    SegmentFindings& found = check.findings();
    if (!checked && checked.error().code != Code::corrupt) return error_of(checked);
    if (!checked) found.damage.push_back(checked.error().what);
    if (found.damage.empty() && found.warnings.empty()) return std::move(found);
    // Rewritten or let go meanwhile: its files are not what they were.
    TRY(const auto manifest, read_manifest(disk, paths));
    const auto now =
        std::find_if(manifest.segments.begin(), manifest.segments.end(),
                     [&](const auto& segment) { return segment.id == subject.segment.id; });
    if (now != manifest.segments.end() && *now == subject.segment) return std::move(found);
    check.take_back_progress();
    if (now == manifest.segments.end()) return SegmentFindings();
    subject.segment = *now;
  }
}

}  // namespace tidelog
