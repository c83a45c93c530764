#include "eventstore/index_cache.h"

namespace tidelog {

SegmentIndex* IndexCache::find(const format::Manifest& manifest, std::size_t segment) {
  if (segment + 1 >= manifest.segments.size()) return nullptr;
  const format::ManifestSegment& subject = manifest.segments[segment];
  const Key key{subject.id, subject.generation};
  if (distrusted_.contains(key)) return nullptr;
  const auto known = open_.find(key);
  if (known != open_.end()) return known->second.get();
  auto opened = SegmentIndex::open(disk_, paths_, manifest.uuid, subject,
                                   manifest.segments[segment + 1].base);
  // A missing one may come; a damaged one is made anew under the same name. Neither is an error:
  // the segment has everything that its index says.
  if (!opened) return nullptr;
  if (open_.size() >= open_count_max) open_.clear();
  return open_.emplace(key, *std::move(opened)).first->second.get();
}

void IndexCache::distrust(const format::ManifestSegment& segment) {
  open_.erase({segment.id, segment.generation});
  distrusted_.insert({segment.id, segment.generation});
}

}  // namespace tidelog
