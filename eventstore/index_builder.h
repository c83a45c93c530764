// Makes the index of a sealed segment from the segment itself and the files that it adopted. The
// same segment always gives the same bytes, so that an index can be checked against a fresh one.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>

#include "core/disk.h"
#include "core/ids.h"
#include "core/result.h"
#include "eventstore/format.h"
#include "eventstore/store_files.h"

namespace tidelog {

// Which index: of the store `uuid`, for a segment that ends before position `end`, where the next
// one begins.
struct IndexSubject {
  std::string_view uuid;
  format::ManifestSegment segment;
  Position end;
};

// Takes the bytes of an index: everything from the header's end on in rising order, the header
// last.
using IndexOutput = std::function<Status(std::uint64_t file_offset, std::string_view bytes)>;
// Code::cancelled when asked to stop. Damage in the segment is Code::corrupt: it has no index then.
Status build_index(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                   const std::stop_token& stop, const IndexOutput& output);

// Builds it into a file of a temporary name, syncs and renames that. The name's own durability does
// not matter: an index that a power loss takes away is made again.
Status make_index(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                  const std::stop_token& stop);

// Compares the index file, byte by byte, with a fresh one. Code::corrupt says where they part;
// Code::not_found that there is none, which is no damage.
Status check_index(Disk& disk, const StorePaths& paths, const IndexSubject& subject,
                   const std::stop_token& stop);

}  // namespace tidelog
