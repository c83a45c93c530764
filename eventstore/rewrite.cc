#include "eventstore/rewrite.h"

#include <map>
#include <memory>
#include <string>

#include "core/bytes.h"
#include "eventstore/batch_cursor.h"
#include "eventstore/batch_rewriter.h"
#include "eventstore/catalog.h"
#include "eventstore/recovery.h"
#include "eventstore/verified_copy.h"

namespace tidelog {
namespace {

// A file written from its begin to its end, in large pieces.
class AppendFile {
 public:
  static Result<AppendFile> create(Disk& disk, const std::string& path) {
    TRY(auto file, disk.create(path));
    return AppendFile(std::move(file));
  }

  Status append(std::string_view bytes) {
    buffer_ += bytes;
    return buffer_.size() >= piece_bytes ? flush() : Status();
  }
  void pad() { buffer_.resize(format::aligned(size()) - written_, '\0'); }
  std::uint64_t size() const { return written_ + buffer_.size(); }

  Status sync() {
    TRY_DO(flush());
    return file_->sync();
  }

 private:
  static constexpr std::size_t piece_bytes = 1 << 20;
  explicit AppendFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Status flush() {
    TRY_DO(file_->write(written_, buffer_));
    written_ += buffer_.size();
    buffer_.clear();
    return {};
  }

  std::unique_ptr<File> file_;
  std::string buffer_;
  std::uint64_t written_ = 0;
};

// Where the events of a file lie in the store.
struct Place {
  Position base;                          // of the file's first event
  std::map<StreamId, Revision> revision;  // of each stream's first event in the file
};

// What becomes of a file from which no event is taken.
enum class Untouched : std::uint8_t { left, written };

class KeepAll : public RewritePlan {
 public:
  bool touches(Position, Position) override { return true; }
  Result<Fate> fate(const Event&) override { return Fate::keep; }
};

class SegmentRewriting {
 public:
  SegmentRewriting(Disk& disk, const StorePaths& paths, const format::ManifestSegment& segment,
                   Position end, RewritePlan& plan, format::Codec codec, Untouched untouched)
      : disk_(disk),
        paths_(paths),
        old_(segment),
        new_(segment),
        end_(end),
        plan_(plan),
        untouched_(untouched),
        batch_(codec) {
    ++new_.generation;
  }

  Result<std::optional<RewrittenSegment>> run() {
    auto done = rewrite();
    const bool changed = done && is_wanted({});
    if (!changed) drop_new_files();
    if (!done) return error_of(done);
    if (!changed) return std::optional<RewrittenSegment>();
    TRY_DO(disk_.sync_directory(paths_.segments));
    return std::optional(RewrittenSegment{new_, counts_});
  }

 private:
  Status rewrite() {
    const std::string path = paths_.segment(old_.id, old_.generation);
    TRY(const auto file, open_segment(disk_, paths_, old_));
    TRY(auto opened, read_head(*file, paths_, old_));
    TRY_DO(catalog_.apply(opened.head));
    opened.head.generation = new_.generation;
    TRY(auto out, create(paths_.segment(new_.id, new_.generation)));
    TRY_DO(out.append(format::encode(opened.head)));
    BatchCursor cursor(*file, opened.first);
    for (;;) {
      TRY(const auto step, cursor.next());
      if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
      if (step == BatchCursor::Step::zeros) break;
      TRY_DO(catalog_.apply(cursor.header(), cursor.extension()));
      append_time_ = cursor.header().append_time;
      const format::SourceEntry* source = catalog_.source(cursor.header().source);
      source_name_ = source == nullptr ? std::string() : source->name;
      Place place{cursor.header().base, {}};
      for (const auto& run : cursor.extension().runs) place.revision[run.stream] = run.base;
      const RewriteCounts before = counts_;
      format::BatchExtension extension = cursor.extension();
      for (format::AdoptedFile& adopted : extension.adopted)
        TRY_DO(rewrite_adopted(adopted, place, cursor.header().kept_count));
      const std::uint64_t in_adopted = counts_.kept + counts_.erased - before.kept - before.erased;
      TRY_DO(rewrite_batch(*file, cursor, place, {std::move(extension), in_adopted}, out));
    }
    if (cursor.expected().base != end_) {
      return fail(Code::corrupt,
                  path + ": ends before position " + std::to_string(cursor.expected().base.value) +
                      ", but the next segment begins at " + std::to_string(end_.value));
    }
    counts_.bytes_before += cursor.expected().file_offset;
    counts_.bytes_after += out.size();
    return out.sync();
  }

  bool is_wanted(const RewriteCounts& before) const {
    return untouched_ == Untouched::written ||
           counts_.removed + counts_.erased != before.removed + before.erased;
  }

  Result<AppendFile> create(const std::string& path) {
    made_.push_back(path);
    return AppendFile::create(disk_, path);
  }

  // An adopted file of which nothing is taken stays as it is.
  Status rewrite_adopted(format::AdoptedFile& adopted, const Place& commit, std::uint64_t kept) {
    const Position end = commit.base + adopted.event_count;
    if (!plan_.touches(commit.base, end)) {
      counts_.kept += kept;
      return {};
    }
    TRY(const auto file,
        open_named(disk_, paths_.adopted(old_.id, adopted.staging_id, adopted.generation)));
    const std::string new_path = paths_.adopted(new_.id, adopted.staging_id, new_.generation);
    TRY(auto out, create(new_path));
    const RewriteCounts before = counts_;
    BatchCursor cursor(*file, begin_of(adopted));
    for (;;) {
      TRY(const auto step, cursor.next());
      if (step == BatchCursor::Step::bad) return fail(Code::corrupt, cursor.why());
      if (step == BatchCursor::Step::zeros) break;
      TRY_DO(catalog_.define(cursor.extension()));
      Place place{commit.base + cursor.header().base.value, {}};
      for (const auto& run : cursor.extension().runs) {
        const auto at_commit = commit.revision.find(run.stream);
        if (at_commit == commit.revision.end())
          return fail(Code::corrupt, fmt_stream(adopted.staging_id, run.stream));
        place.revision[run.stream] = at_commit->second + run.base.value;
      }
      TRY_DO(rewrite_batch(*file, cursor, place, {cursor.extension(), 0}, out));
    }
    const BatchCursor::Expected& last = cursor.expected();
    if (last.file_offset != adopted.file_bytes || last.sequence != adopted.batch_count ||
        last.base.value != adopted.event_count || last.chain != adopted.chain)
      return fail(Code::corrupt, paths_.adopted(old_.id, adopted.staging_id, adopted.generation) +
                                     ": does not end as its commit says");
    TRY_DO(out.sync());
    if (!is_wanted(before)) {
      made_.pop_back();
      return disk_.remove(new_path);
    }
    counts_.bytes_before += adopted.file_bytes;
    counts_.bytes_after += out.size();
    adopted.generation = new_.generation;
    adopted.file_bytes = out.size();
    return {};
  }

  static std::string fmt_stream(std::uint64_t staging_id, StreamId stream) {
    return "adopted file " + std::to_string(staging_id) + " has events of stream " +
           std::to_string(stream.value) + ", which its commit does not list";
  }

  // What of a batch does not come from its records.
  struct Surroundings {
    format::BatchExtension extension;
    std::uint64_t kept_in_adopted = 0;
  };

  Status rewrite_batch(const File& file, BatchCursor& cursor, const Place& place,
                       Surroundings around, AppendFile& out) {
    std::string original;
    TRY_DO(file.read(cursor.file_offset(), format::batch_fixed_bytes, original));
    batch_.begin();
    position_ = place.base;
    transaction_ = {};
    for (std::size_t i = 0; i < cursor.extension().blocks.size(); ++i) {
      TRY(const std::string_view raw, cursor.block(i));
      TRY_DO(rewrite_block(raw, place));
    }
    TRY_DO(batch_.end());
    format::BatchHeader header = cursor.header();
    around.extension.blocks = batch_.blocks();
    header.file_generation = new_.generation;
    header.body_bytes = batch_.body().size();
    header.kept_count = batch_.kept_count() + around.kept_in_adopted;
    TRY_DO(out.append(format::encode_rewritten(original, header, around.extension)));
    TRY_DO(out.append(batch_.body()));
    out.pad();
    return {};
  }

  Status rewrite_block(std::string_view raw, const Place& place) {
    ByteReader in(raw);
    while (in.remaining() != 0) {
      const std::size_t begin = raw.size() - in.remaining();
      TRY(const Record record, read_record(in));
      if (record.is_transaction) {
        transaction_ = record.transaction;
        batch_.transaction(record.transaction);
      } else if (record.removed_count != 0) {
        batch_.remove(record.removed_count);
        pass(record.removed_count);
      } else {
        TRY_DO(
            rewrite_event(record, raw.substr(begin, raw.size() - in.remaining() - begin), place));
        pass(1);
      }
    }
    return {};
  }

  void pass(std::uint64_t count) {
    position_ = position_ + count;
    transaction_.event_index += count;
  }

  Status rewrite_event(const Record& record, std::string_view bytes, const Place& place) {
    TRY(const Fate fate, fate_of(record, place));
    switch (fate) {
      case Fate::keep:
        ++counts_.kept;
        return batch_.keep(bytes);
      case Fate::remove:
        ++counts_.removed;
        batch_.remove(1);
        return {};
      case Fate::erase:
        ++counts_.erased;
        return batch_.erase(record.event, record.relative_revision);
    }
    return fail(Code::failed, "a fate of no known kind");
  }

  Result<Fate> fate_of(const Record& record, const Place& place) {
    const format::StreamEntry* stream = catalog_.stream(record.event.stream);
    const auto revision = place.revision.find(record.event.stream);
    if (stream == nullptr || revision == place.revision.end()) {
      return fail(Code::corrupt, "the event at position " + std::to_string(position_.value) +
                                     " is of a stream that its batch does not list");
    }
    Event event;
    static_cast<EventBody&>(event) = record.event;
    event.position = position_;
    event.revision = revision->second + record.relative_revision;
    event.append_time = append_time_;
    event.stream_name = stream->name;
    event.source_name = source_name_;
    event.transaction = transaction_;
    TRY(const Fate fate, plan_.fate(event));
    const bool is_erased_again = fate == Fate::erase && event.type == EventType::erased;
    return is_erased_again ? Fate::keep : fate;
  }

  // Best effort: recovery removes what is left.
  void drop_new_files() {
    for (const std::string& path : made_) static_cast<void>(disk_.remove(path));
  }

  Disk& disk_;
  const StorePaths& paths_;
  const format::ManifestSegment old_;
  format::ManifestSegment new_;
  const Position end_;  // where the segment ends
  RewritePlan& plan_;
  const Untouched untouched_;
  Catalog catalog_;
  BatchRewriter batch_;
  RewriteCounts counts_;
  std::vector<std::string> made_;

  // Of the record that is being read.
  Position position_;
  UnixMicros append_time_;
  std::string source_name_;
  Transaction transaction_;
};

}  // namespace

RewriteCounts& RewriteCounts::operator+=(const RewriteCounts& other) {
  kept += other.kept;
  removed += other.removed;
  erased += other.erased;
  bytes_before += other.bytes_before;
  bytes_after += other.bytes_after;
  return *this;
}

Result<std::optional<RewrittenSegment>> rewrite_segment(Disk& disk, const StorePaths& paths,
                                                        const format::ManifestSegment& segment,
                                                        Position end, RewritePlan& plan,
                                                        format::Codec codec) {
  if (!plan.touches(segment.base, end)) return std::optional<RewrittenSegment>();
  return SegmentRewriting(disk, paths, segment, end, plan, codec, Untouched::left).run();
}

Result<RewrittenSegment> repack_segment(Disk& disk, const StorePaths& paths,
                                        const format::ManifestSegment& segment, Position end,
                                        format::Codec codec) {
  KeepAll plan;
  TRY(auto written,
      SegmentRewriting(disk, paths, segment, end, plan, codec, Untouched::written).run());
  return *std::move(written);
}

}  // namespace tidelog
