#include "eventstore/derived_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "eventstore/aggregate_snapshots.h"
#include "eventstore/state_file.h"

namespace tidelog {
namespace {

// 0 for one that is not there.
Result<std::uint64_t> bytes_of(Disk& disk, const std::string& path) {
  const auto file = disk.open_read(path);
  if (!file && file.error().code == Code::not_found) return std::uint64_t{0};
  if (!file) return error_of(file);
  return (*file)->size();
}

// A newer tidelog's form is as good as damage here: this one makes no use of the file.
bool is_finding(Code code) { return code == Code::corrupt || code == Code::unsupported; }

// A stream that the catalog does not know may be newer than what was read of the log.
bool has_name(const Catalog& catalog, StreamId stream, const std::string& name) {
  const format::StreamEntry* const known = catalog.stream(stream);
  return known == nullptr || known->name == name;
}

}  // namespace

Result<std::uint64_t> DerivedFiles::bytes(const format::Manifest& manifest) const {
  std::vector<std::string> files;
  for (const auto& segment : manifest.segments)
    files.push_back(paths_.index(segment.id, segment.generation));
  const StateDirectory states(disk_, paths_.directory);
  TRY(const auto names, states.list());
  for (const SnapshotName& name : names) files.push_back(states.path(name));
  TRY(const auto aggregates, aggregate_files(disk_, paths_.directory));
  for (const AggregateFileName& file : aggregates) files.push_back(file.path);
  std::uint64_t total = 0;
  for (const std::string& file : files) {
    TRY(const std::uint64_t bytes, bytes_of(disk_, file));
    total += bytes;
  }
  return total;
}

// Counts the file, unless it went meanwhile, and notes what is wrong with it.
Status DerivedFiles::look_at(const std::string& path, std::uint64_t& count, const Check& check,
                             const Note& note, const OnBytes& on_bytes) {
  TRY(const std::uint64_t bytes, bytes_of(disk_, path));
  if (const Status checked = check(); !checked) {
    if (checked.error().code == Code::not_found) return {};
    if (!is_finding(checked.error().code)) return checked;
    TRY_DO(note(checked.error().what));
  }
  ++count;
  on_bytes(bytes);
  return {};
}

Status DerivedFiles::check_snapshots(const Catalog& catalog, const OnBytes& on_bytes) {
  const StateDirectory states(disk_, paths_.directory);
  TRY(const auto names, states.list());
  for (const SnapshotName& name : names) {
    TRY_DO(look_at(
        states.path(name), findings_.state_count, [&] { return check_state(name, catalog); },
        [&](const std::string& what) {
          if (name.base) {
            findings_.damage.push_back("base snapshot " + what);
          } else {
            findings_.warnings.push_back("state snapshot " + what +
                                         ": it is not used, and made anew with the next one");
          }
          return Status();
        },
        on_bytes));
  }
  TRY(const auto aggregates, aggregate_files(disk_, paths_.directory));
  for (const AggregateFileName& file : aggregates) {
    TRY_DO(look_at(
        file.path, findings_.aggregate_count,
        [&] { return check_aggregate(file.path, file.stream, catalog); },
        [&](const std::string& what) {
          findings_.warnings.push_back("aggregate snapshot " + what +
                                       ": it is not used, and replaced by the next one");
          return Status();
        },
        on_bytes));
  }
  return {};
}

Status DerivedFiles::check_state(const SnapshotName& name, const Catalog& catalog) const {
  const std::string path = StateDirectory(disk_, paths_.directory).path(name);
  TRY(const auto file, StateFile::open(disk_, path));
  const StateAbout& about = file->about();
  const bool fits = about.store == uuid_ && about.stream == name.stream &&
                    about.position == name.position && about.base == name.base;
  if (fits && has_name(catalog, about.stream, about.stream_name))
    return verify_state_file(disk_, path);
  return fail(Code::corrupt,
              fmt::format("{}: it is of stream {} ({}) at position {}, or of another store, and "
                          "not what its name says",
                          path, about.stream.value, about.stream_name, about.position.value));
}

Status DerivedFiles::check_aggregate(const std::string& path, StreamId stream,
                                     const Catalog& catalog) const {
  TRY(const std::string bytes, read_file(disk_, path));
  const auto file = read_aggregate_file(bytes);
  if (!file) return fail_in(path, file.error());
  if (file->store == uuid_ && file->stream == stream &&
      has_name(catalog, stream, file->stream_name))
    return {};
  return fail(Code::corrupt, fmt::format("{}: it is of stream {} ({}), or of another store", path,
                                         file->stream.value, file->stream_name));
}

}  // namespace tidelog
