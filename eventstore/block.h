// Blocks: the unit of compression and of verification inside a batch. Reading one event verifies
// and inflates one block.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "eventstore/format.h"

namespace tidelog {

// Appends the stored form of `raw` to `body` and describes it. Compressed with `codec` when that
// saves an eighth or more. Code::unsupported for more than a reader takes.
Result<format::BlockEntry> put_block(std::string& body, std::string_view raw,
                                     std::uint64_t event_count,
                                     format::Codec codec = format::Codec::lz4);

// The raw bytes, verified and inflated: `stored` itself when it was not compressed, otherwise in
// `buffer`.
Result<std::string_view> open_block(const format::BlockEntry& entry, std::string_view stored,
                                    std::string& buffer);

}  // namespace tidelog
