// A store whose last and only segment holds given bytes, on a disk in memory.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/format.h"
#include "eventstore/store_files.h"
#include "tests/support/faulty_disk.h"

namespace tidelog::fuzz {

inline testing::FaultyDisk disk_with(const std::string& path, std::string_view bytes) {
  testing::FaultyDisk disk;
  disk.put_file(path, std::string(bytes));
  return disk;
}

inline testing::FaultyDisk store_of_segment(std::string_view bytes,
                                            const format::ManifestSegment& segment) {
  testing::FaultyDisk disk;
  const StorePaths paths("store");
  for (const std::string& folder : {paths.directory, paths.segments, paths.staging})
    INVARIANT(disk.make_directory(folder), "a folder can be made");
  format::Manifest manifest;
  manifest.uuid = "0123456789abcdef";
  manifest.segments.push_back(segment);
  disk.put_file(paths.manifest, format::encode(manifest));
  disk.put_file(paths.segment(segment.id, segment.generation), std::string(bytes));
  return disk;
}

}  // namespace tidelog::fuzz
