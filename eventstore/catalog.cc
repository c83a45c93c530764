#include "eventstore/catalog.h"

#include <fmt/format.h>

#include <algorithm>

namespace tidelog {
namespace {

template <class Map, class Key>
auto find_or_null(const Map& map, const Key& key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

// A number names one thing for ever: met again, it has the same name.
template <class Entry, class Key>
Status name_once(std::map<Key, Entry>& entries, std::map<std::string, Key, std::less<>>& ids,
                 Key id, const std::string& name, std::string_view what) {
  const auto [it, is_new] = entries.try_emplace(id);
  if (is_new) {
    it->second.id = id;
    it->second.name = name;
    ids.emplace(name, id);
  }
  if (it->second.name == name && ids.at(name) == id) return {};
  return fail(Code::corrupt,
              fmt::format("{} {} is named both {} and {}", what, id.value, it->second.name, name));
}

}  // namespace

Status Catalog::define(const format::SchemaEntry& entry) {
  last_schema_id_ = std::max(last_schema_id_, entry.id.value);
  newest_schemas_[entry.stream] = entry;
  if (schemas_.contains(entry.id)) return {};
  TRY(auto schema, read_schema(entry.schema));
  schemas_.emplace(entry.id, std::make_unique<const Schema>(std::move(schema)));
  return {};
}

void Catalog::restart() {
  streams_.clear();
  sources_.clear();
  stream_ids_.clear();
  source_ids_.clear();
  newest_schemas_.clear();
  append_time_ = {};
}

Status Catalog::apply(const format::SegmentHead& head) {
  for (const auto& s : head.streams) {
    TRY_DO(name_once(streams_, stream_ids_, s.id, s.name, "stream"));
    streams_[s.id].next = s.next;
    streams_[s.id].life = s.life;
    has_lives_ = has_lives_ || s.life != StreamLife{};
  }
  for (const auto& s : head.sources) {
    TRY_DO(name_once(sources_, source_ids_, s.id, s.name, "source"));
    sources_[s.id] = s;
  }
  for (const auto& s : head.schemas) TRY_DO(define(s));
  if (head.next_schema.value > 0)
    last_schema_id_ = std::max(last_schema_id_, head.next_schema.value - 1);
  append_time_ = std::max(append_time_, head.append_time);
  return {};
}

Status Catalog::define(const format::BatchExtension& extension) {
  for (const auto& s : extension.streams)
    TRY_DO(name_once(streams_, stream_ids_, s.id, s.name, "stream"));
  for (const auto& s : extension.sources)
    TRY_DO(name_once(sources_, source_ids_, s.id, s.name, "source"));
  for (const auto& s : extension.schemas) TRY_DO(define(s));
  return {};
}

Status Catalog::apply(const format::BatchHeader& header, const format::StreamChange& change) {
  const auto it = streams_.find(change.stream);
  const bool is_there = it != streams_.end() && change.revision < it->second.next &&
                        change.life.first <= it->second.next;
  if (!is_there) {
    return fail(Code::corrupt,
                fmt::format("batch {} changes stream {} at revision {}, which it does not have",
                            header.sequence, change.stream.value, change.revision.value));
  }
  it->second.life = change.life;
  has_lives_ = true;
  return {};
}

Status Catalog::apply(const format::BatchHeader& header, const format::BatchExtension& extension) {
  TRY_DO(define(extension));
  for (const auto& run : extension.runs) {
    const auto it = streams_.find(run.stream);
    if (it == streams_.end() || it->second.next != run.base) {
      return fail(Code::corrupt,
                  fmt::format("batch {} begins stream {} at revision {}, which does not follow",
                              header.sequence, run.stream.value, run.base.value));
    }
    it->second.next = run.base + run.count;
  }
  for (const auto& change : extension.changes) TRY_DO(apply(header, change));
  append_time_ = std::max(append_time_, header.append_time);
  if (header.source.value == 0) return {};
  const auto it = sources_.find(header.source);
  if (it == sources_.end()) {
    return fail(Code::corrupt, fmt::format("batch {} is of source {}, which has no name",
                                           header.sequence, header.source.value));
  }
  it->second.position = extension.source_position;
  it->second.commit_time = header.commit_time;
  it->second.append_time = header.append_time;
  return {};
}

void Catalog::describe(format::SegmentHead& head) const {
  for (const auto& [id, s] : streams_) head.streams.push_back(s);
  for (const auto& [id, s] : sources_) head.sources.push_back(s);
  for (const auto& [id, s] : newest_schemas_) head.schemas.push_back(s);
  head.next_schema.value = last_schema_id_ + 1;
  head.append_time = append_time_;
}

const format::StreamEntry* Catalog::stream(StreamId id) const { return find_or_null(streams_, id); }
const format::SourceEntry* Catalog::source(SourceId id) const { return find_or_null(sources_, id); }

const format::StreamEntry* Catalog::stream_named(std::string_view name) const {
  const auto it = stream_ids_.find(name);
  return it == stream_ids_.end() ? nullptr : stream(it->second);
}

const format::SourceEntry* Catalog::source_named(std::string_view name) const {
  const auto it = source_ids_.find(name);
  return it == source_ids_.end() ? nullptr : source(it->second);
}

const Schema* Catalog::schema(SchemaId id) const {
  const auto it = schemas_.find(id);
  return it == schemas_.end() ? nullptr : it->second.get();
}

const format::SchemaEntry* Catalog::newest_schema(StreamId id) const {
  return find_or_null(newest_schemas_, id);
}

}  // namespace tidelog
