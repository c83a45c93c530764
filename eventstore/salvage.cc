#include "eventstore/salvage.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "core/event.h"
#include "eventstore/block.h"
#include "eventstore/damaged_store.h"
#include "eventstore/erasure.h"
#include "eventstore/new_store.h"
#include "eventstore/rebuilt_log.h"
#include "eventstore/recovery.h"
#include "eventstore/state_directory.h"
#include "eventstore/state_file.h"
#include "eventstore/store_marks.h"
#include "eventstore/verified_copy.h"

namespace tidelog {
namespace {

// Everything that has a name in any part of the log that can be read: a name is stored where it is
// used first and at each segment's begin, so what was lost in one place may stand in another.
struct Names {
  std::map<StreamId, std::string> streams;
  std::map<SourceId, std::string> sources;
  std::map<SchemaId, format::SchemaEntry> schemas;

  void take(const format::SegmentHead& head) {
    for (const auto& s : head.streams) streams.emplace(s.id, s.name);
    for (const auto& s : head.sources) sources.emplace(s.id, s.name);
    for (const auto& s : head.schemas) schemas.emplace(s.id, s);
  }
  void take(const format::BatchExtension& extension) {
    for (const auto& s : extension.streams) streams.emplace(s.id, s.name);
    for (const auto& s : extension.sources) sources.emplace(s.id, s.name);
    for (const auto& s : extension.schemas) schemas.emplace(s.id, s);
  }
  // An event is brought out even when the name of its stream is lost.
  std::string stream(StreamId id) const {
    const auto known = streams.find(id);
    return known == streams.end() ? fmt::format("$salvaged.stream.{}", id.value) : known->second;
  }
  std::string source(SourceId id) const {
    const auto known = sources.find(id);
    return known == sources.end() ? fmt::format("$salvaged.source.{}", id.value) : known->second;
  }
};

// The first walk: names, and what each gap must have held for the streams' revisions to follow.
class Survey final : public DamagedStoreVisitor {
 public:
  Survey(Disk& disk, const StorePaths& paths) : disk_(disk), paths_(paths) {}

  Status head(const format::SegmentHead& head) override {
    names.take(head);
    for (const auto& s : head.streams) {
      go_to(s.id, s.next);
      live_on(s);
    }
    if (is_begun_) return {};
    is_begun_ = true;
    first_.sources = head.sources;
    first_.schemas = head.schemas;
    first_.append_time = head.append_time;
    first_.base = head.base;
    return {};
  }

  Status batch(std::uint64_t segment_id, BatchCursor& cursor) override {
    begin_at(cursor.header().base);
    names.take(cursor.extension());
    for (const auto& run : cursor.extension().runs) {
      go_to(run.stream, run.base);
      next_[run.stream] = run.base + run.count;
    }
    for (const auto& change : cursor.extension().changes) lives_[change.stream] = change.life;
    for (const auto& adopted : cursor.extension().adopted) {
      const auto file =
          disk_.open_read(paths_.adopted(segment_id, adopted.staging_id, adopted.generation));
      if (!file && file.error().code != Code::not_found) return error_of(file);
      if (!file) continue;
      DamagedLog log(**file, begin_of(adopted), {});
      for (;;) {
        TRY(const auto found, log.next());
        if (found == DamagedLog::Found::end) break;
        if (found == DamagedLog::Found::batch) names.take(log.cursor().extension());
      }
    }
    return {};
  }

  Status gap(const LogGap& gap) override {
    begin_at(gap.begin);
    runs.emplace_back();
    changes.emplace_back();
    return {};
  }

  // The head of the new log: what is known before its first batch.
  format::SegmentHead head_of_new_log() const {
    format::SegmentHead head = first_;
    for (const auto& [id, next] : before_) {
      const auto life = lives_before_.find(id);
      head.streams.push_back(
          {id, names.stream(id), next, life == lives_before_.end() ? StreamLife{} : life->second});
    }
    return head;
  }

  Names names;
  // Of each gap.
  std::vector<std::vector<format::StreamRun>> runs;
  std::vector<std::vector<format::StreamChange>> changes;

 private:
  void begin_at(Position base) {
    if (!is_begun_) first_.base = base;
    is_begun_ = true;
  }

  // The stream goes on at this revision: what is between was in the last gap, or before all.
  void go_to(StreamId stream, Revision revision) {
    const auto known = next_.find(stream);
    const Revision from = known == next_.end() ? Revision{} : known->second;
    if (revision <= from) return;
    next_[stream] = revision;
    if (runs.empty()) {
      before_.insert_or_assign(stream, revision);
    } else {
      runs.back().push_back({stream, from, revision.value - from.value});
      lost_[stream] = {runs.size() - 1, {revision.value - 1}};
    }
  }

  // A head tells what became of a stream by then, also by events that were lost.
  void live_on(const format::StreamEntry& entry) {
    if (lives_[entry.id] == entry.life) return;
    lives_[entry.id] = entry.life;
    const auto lost = lost_.find(entry.id);
    if (lost == lost_.end()) {
      lives_before_[entry.id] = entry.life;
    } else if (entry.life.first <= lost->second.last + std::uint64_t{1}) {
      changes[lost->second.gap].push_back({entry.id, lost->second.last, entry.life});
    }
  }

  Disk& disk_;
  const StorePaths& paths_;
  format::SegmentHead first_;
  bool is_begun_ = false;
  std::map<StreamId, Revision> next_;
  std::map<StreamId, Revision> before_;  // before the first batch
  // The last gap with events of the stream, and the last of them.
  struct Lost {
    std::size_t gap = 0;
    Revision last;
  };
  std::map<StreamId, Lost> lost_;
  std::map<StreamId, StreamLife> lives_;
  std::map<StreamId, StreamLife> lives_before_;
};

// The second walk: writes what can be read, and notes what cannot.
class Salvager final : public DamagedStoreVisitor {
 public:
  Salvager(Disk& disk, const StorePaths& from, RebuiltLog& log, const Survey& survey,
           SalvageReport& report, std::uint64_t bytes_total, const OnCopyProgress& on_progress)
      : disk_(disk),
        from_(from),
        log_(log),
        survey_(survey),
        report_(report),
        on_progress_(on_progress) {
    progress_.bytes_total = bytes_total;
  }

  Status head(const format::SegmentHead& /*head*/) override { return {}; }

  Status gap(const LogGap& gap) override {
    const auto& runs = survey_.runs[gap_index_];
    const auto& changes = survey_.changes[gap_index_++];
    miss(gap.begin, gap.end.value - gap.begin.value, gap.file, gap.why, runs);
    RebuiltBatch batch;
    batch.header.append_time = log_.catalog().append_time();
    batch.extension.runs = runs;
    batch.extension.changes = changes;
    TRY_DO(put_removed(batch, gap.end.value - gap.begin.value));
    return add(batch);
  }

  Status batch(std::uint64_t segment_id, BatchCursor& cursor) override {
    const auto& adopted = cursor.extension().adopted;
    if (adopted.size() > 1) {
      return fail(Code::unsupported, fmt::format("batch {} adopts {} files: use a newer tidelog",
                                                 cursor.header().sequence, adopted.size()));
    }
    RebuiltBatch batch;
    batch.header = cursor.header();
    batch.header.commit = false;
    batch.extension.runs = cursor.extension().runs;
    batch.extension.changes = cursor.extension().changes;
    batch.extension.schemas = cursor.extension().schemas;
    batch.extension.source_position = cursor.extension().source_position;
    if (adopted.empty()) {
      Scope scope{cursor.header().base,
                  relative(from_.segment(segment_id, cursor.header().file_generation)), nullptr};
      TRY_DO(copy_blocks(cursor, scope, batch));
    } else {
      TRY_DO(copy_adopted(segment_id, cursor.header().base, adopted.front(), batch));
    }
    TRY_DO(add(batch));
    progress_.bytes += cursor.header().total_bytes();
    on_progress_(progress_);
    return {};
  }

 private:
  // What a file of the new store has defined so far: an adopted one must name all that it uses.
  struct Defined {
    std::set<StreamId> streams;
    std::set<SchemaId> schemas;
  };
  // Where a batch comes from.
  struct Scope {
    Position base;     // of the batch, in the store
    std::string file;  // which holds it
    Defined* defined;  // of an adopted file; null for the log
  };

  std::string relative(const std::string& path) const {
    return path.substr(from_.directory.size() + 1);
  }

  void miss(Position first, std::uint64_t count, const std::string& file, const std::string& why,
            const std::vector<format::StreamRun>& runs) {
    if (count == 0) return;
    report_.missing += count;
    MissingEvents missing{first, count, file, why, {}};
    for (const auto& run : runs) missing.streams.push_back(survey_.names.stream(run.stream));
    report_.missing_events.push_back(std::move(missing));
  }

  static Status put_removed(RebuiltBatch& batch, std::uint64_t count) {
    batch.header.event_count += count;
    if (count == 0) return {};
    std::string raw;
    put_removed_record(raw, count);
    TRY(auto entry, put_block(batch.body, raw, count));
    batch.extension.blocks.push_back(entry);
    return {};
  }

  // A batch of the log with the names that are new there. After a missing event no source goes
  // further: what it sent next does not follow what is left.
  Status add(RebuiltBatch& batch) {
    auto& extension = batch.extension;
    for (const auto& run : extension.runs) {
      if (log_.catalog().stream(run.stream) == nullptr)
        extension.streams.push_back({run.stream, survey_.names.stream(run.stream)});
    }
    const SourceId source = batch.header.source;
    if (source.value != 0) {
      const auto* known = log_.catalog().source(source);
      if (known == nullptr) extension.sources.push_back({source, survey_.names.source(source)});
      if (report_.missing != 0)
        extension.source_position = known == nullptr ? std::string() : known->position;
    }
    return log_.add(batch);
  }

  bool is_defined(const Scope& scope, SchemaId schema, const RebuiltBatch& batch) const {
    const auto& here = batch.extension.schemas;
    if (std::any_of(here.begin(), here.end(), [&](const auto& s) { return s.id == schema; }))
      return true;
    if (scope.defined != nullptr) return scope.defined->schemas.contains(schema);
    return log_.catalog().schema(schema) != nullptr;
  }

  // Why the event cannot be read; empty when it can. Its schema is defined where that is lost.
  std::string problem_of(const Record& record, const Scope& scope, RebuiltBatch& batch) const {
    const auto& runs = batch.extension.runs;
    const StreamId stream = record.event.stream;
    if (std::none_of(runs.begin(), runs.end(), [&](const auto& r) { return r.stream == stream; }))
      return fmt::format("it is of stream {}, which its batch does not list", stream.value);
    const SchemaId schema = record.event.schema;
    if (schema.value == 0 || is_defined(scope, schema, batch)) return {};
    const auto known = survey_.names.schemas.find(schema);
    if (known == survey_.names.schemas.end())
      return fmt::format("its schema {} is lost", schema.value);
    batch.extension.schemas.push_back(known->second);
    return {};
  }

  // The blocks of the cursor's batch; what cannot be read becomes removed records.
  Status copy_blocks(BatchCursor& cursor, const Scope& scope, RebuiltBatch& batch) {
    batch.header.event_count = 0;
    Position at = scope.base;
    for (std::size_t i = 0; i < cursor.extension().blocks.size(); ++i) {
      const std::uint64_t count = cursor.extension().blocks[i].event_count;
      const auto raw = cursor.block(i);
      if (!raw && raw.error().code != Code::corrupt) return error_of(raw);
      Status copied = raw ? copy_records(*raw, at, count, scope, batch) : Status(error_of(raw));
      if (!copied && copied.error().code != Code::corrupt) return copied;
      if (!copied) {
        miss(at, count, scope.file, copied.error().what, batch.extension.runs);
        TRY_DO(put_removed(batch, count));
      }
      at = at + count;
    }
    return {};
  }

  // Code::corrupt, and nothing done, when these are not the records of `count` positions.
  Status copy_records(std::string_view raw, Position base, std::uint64_t count, const Scope& scope,
                      RebuiltBatch& batch) {
    std::string kept;
    std::vector<MissingEvents> missing;
    std::uint64_t positions = 0;
    std::uint64_t events = 0;
    ByteReader in(raw);
    while (in.remaining() != 0) {
      const std::size_t begin = raw.size() - in.remaining();
      TRY(const Record record, read_record(in));
      const std::string_view bytes = raw.substr(begin, raw.size() - in.remaining() - begin);
      if (record.is_transaction || record.removed_count != 0) {
        kept += bytes;
        positions += record.removed_count;
        continue;
      }
      const std::string problem = problem_of(record, scope, batch);
      if (problem.empty()) {
        kept += bytes;
        ++events;
      } else {
        put_removed_record(kept, 1);
        missing.push_back({base + positions,
                           1,
                           scope.file,
                           problem,
                           {survey_.names.stream(record.event.stream)}});
      }
      ++positions;
    }
    if (positions != count)
      return fail(Code::corrupt,
                  fmt::format("a block holds {} events and says {}", positions, count));
    report_.recovered += events;
    report_.missing += missing.size();
    std::move(missing.begin(), missing.end(), std::back_inserter(report_.missing_events));
    TRY(auto entry, put_block(batch.body, kept, count));
    batch.extension.blocks.push_back(entry);
    batch.header.event_count += count;
    return {};
  }

  // The adopted file anew; or, when nothing of it is left, its positions in the commit batch
  // itself.
  Status copy_adopted(std::uint64_t segment_id, Position base, const format::AdoptedFile& adopted,
                      RebuiltBatch& commit) {
    const std::string path = from_.adopted(segment_id, adopted.staging_id, adopted.generation);
    commit.header.event_count = 0;
    const auto source = disk_.open_read(path);
    if (!source && source.error().code != Code::not_found) return error_of(source);
    if (!source) {
      miss(base, adopted.event_count, relative(path), "the file is missing", commit.extension.runs);
      return put_removed(commit, adopted.event_count);
    }
    BatchCursor::Expected first;
    first.file_id = adopted.staging_id;
    first.staged = true;
    TRY(const std::string to, log_.path_of_adopted(adopted.staging_id));
    TRY(auto file, RebuiltFile::create(disk_, to, {}, first));
    TRY_DO(copy_staged(**source, path, base, adopted, commit, file));
    TRY_DO(file.sync());
    const auto& end = file.end();
    commit.header.commit = true;
    commit.header.event_count = adopted.event_count;
    commit.extension.adopted = {
        {adopted.staging_id, 0, end.file_offset, end.sequence, end.base.value, end.chain}};
    return {};
  }

  Status copy_staged(const File& source, const std::string& path, Position base,
                     const format::AdoptedFile& adopted, const RebuiltBatch& commit,
                     RebuiltFile& file) {
    DamagedLog log(source, begin_of(adopted), {adopted.batch_count, Position{adopted.event_count}});
    Defined defined;
    const auto put_gap = [&](Position begin, Position end) -> Status {
      const std::string why = log.why().empty() ? "the file ends too early" : log.why();
      miss(base + begin.value, end.value - begin.value, relative(path), why, commit.extension.runs);
      RebuiltBatch gap;
      gap.header.append_time = commit.header.append_time;
      TRY_DO(put_removed(gap, end.value - begin.value));
      return file.add(gap);
    };
    for (;;) {
      TRY(const auto found, log.next());
      if (found == DamagedLog::Found::end) break;
      if (found == DamagedLog::Found::gap) {
        if (log.gap_begin() < log.gap_end()) TRY_DO(put_gap(log.gap_begin(), log.gap_end()));
        continue;
      }
      TRY_DO(copy_staged_batch(
          log.cursor(), {base + log.cursor().header().base.value, relative(path), &defined}, file));
    }
    const Position end{adopted.event_count};
    return log.expected().base < end ? put_gap(log.expected().base, end) : Status();
  }

  Status copy_staged_batch(BatchCursor& cursor, const Scope& scope, RebuiltFile& file) {
    RebuiltBatch batch;
    batch.header = cursor.header();
    batch.extension.runs = cursor.extension().runs;
    batch.extension.schemas = cursor.extension().schemas;
    TRY_DO(copy_blocks(cursor, scope, batch));
    for (const auto& run : batch.extension.runs) {
      if (scope.defined->streams.insert(run.stream).second)
        batch.extension.streams.push_back({run.stream, survey_.names.stream(run.stream)});
    }
    for (const auto& schema : batch.extension.schemas) scope.defined->schemas.insert(schema.id);
    return file.add(batch);
  }

  Disk& disk_;
  const StorePaths& from_;
  RebuiltLog& log_;
  const Survey& survey_;
  SalvageReport& report_;
  const OnCopyProgress& on_progress_;
  CopyProgress progress_;
  std::size_t gap_index_ = 0;
};

// Where retention cut a table's history, its rows of then stand in a base snapshot alone.
Status salvage_bases(Disk& disk, const StorePaths& from, const StorePaths& to,
                     SalvageReport& report) {
  const StateDirectory source(disk, from.directory);
  const StateDirectory copy(disk, to.directory);
  TRY(const auto names, source.list());
  for (const SnapshotName& name : names) {
    if (!name.base) continue;
    const std::string path = source.path(name);
    if (name.position > report.end) {
      report.lost_states.push_back(fmt::format(
          "{}: it is of position {}, and the events from {} on are lost; the file is as it was",
          path, name.position.value, report.end.value));
      continue;
    }
    TRY_DO(disk.make_directory(copy.path()));
    const auto file = StateFile::open(disk, path);
    const Status copied = file ? copy_state_file(disk, **file, copy.path(name), report.uuid,
                                                 [](const StoredRow&) { return false; })
                               : Status(error_of(file));
    if (copied) continue;
    if (copied.error().code != Code::corrupt) return copied;
    report.lost_states.push_back(copied.error().what);
    TRY(const bool begun, disk.exists(copy.path(name)));
    if (begun) TRY_DO(disk.remove(copy.path(name)));
  }
  TRY(const bool any, disk.exists(copy.path()));
  return any ? disk.sync_directory(copy.path()) : Status();
}

// One that cannot be read says so: what it was to erase may be in the new store.
Status salvage_erasures(Disk& disk, const StorePaths& from, const StorePaths& to,
                        SalvageReport& report) {
  Status inherited = inherit_erasures(disk, from.erasures, to, report.end);
  if (inherited || inherited.error().code != Code::corrupt) return inherited;
  report.notes.push_back(inherited.error().what + ": an erasure that was not done yet is lost");
  return {};
}

}  // namespace

Result<SalvageReport> salvage_store(Disk& disk, Clock& clock, const std::string& damaged,
                                    const std::string& store, const OnCopyProgress& on_progress) {
  TRY(DamagedStore from, DamagedStore::open(disk, damaged));
  const StorePaths to(store);
  TRY(const auto new_store, NewStore::begin(disk, to, StorePaths(damaged).directory,
                                            fmt::format("a salvage of {}", damaged)));
  Survey survey(disk, from.paths());
  TRY_DO(from.walk(survey));

  SalvageReport report;
  RebuiltLog log(disk, to, survey.head_of_new_log());
  Salvager salvager(disk, from.paths(), log, survey, report, from.bytes(), on_progress);
  TRY_DO(from.walk(salvager));
  report.notes = from.notes();
  report.uuid = new_uuid();

  TRY(report.end, log.finish_segments());
  TRY_DO(salvage_bases(disk, from.paths(), to, report));
  TRY_DO(salvage_erasures(disk, from.paths(), to, report));

  Origin origin;
  origin.kind = OriginKind::salvaged;
  origin.incomplete = report.missing != 0 || !report.lost_states.empty();
  constexpr std::size_t uuid_bytes = 16;
  origin.uuid = from.manifest() ? from.manifest()->uuid : std::string(uuid_bytes, '\0');
  origin.time = clock.now();
  origin.position = report.end;
  TRY_DO(write_origin(disk, to, origin));
  TRY_DO(log.name_store(report.uuid));
  new_store->finish();
  return report;
}

}  // namespace tidelog
