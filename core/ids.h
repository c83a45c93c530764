// Numbers that name things, each a type of its own, so that a place in the store is never taken for
// a place in a stream.
#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace tidelog {

// `Tag` only tells the types apart.
template <class Tag, class Number>
struct Id {
  Number value{};
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

// An event's place in the store's single total order: 0, 1, 2 …, gapless.
using Position = Id<struct PositionTag, std::uint64_t>;
// An event's place in its stream: 0, 1, 2 …, gapless.
using Revision = Id<struct RevisionTag, std::uint64_t>;
// A stream's, a schema version's and a source's number in one store. 0 is none; numbers are never
// reused.
using StreamId = Id<struct StreamIdTag, std::uint32_t>;
using SchemaId = Id<struct SchemaIdTag, std::uint32_t>;
using SourceId = Id<struct SourceIdTag, std::uint32_t>;
// A byte position in the write-ahead log of Postgres (manual, "WAL Internals"), shown as X/Y in
// hexadecimal.
using Lsn = Id<struct LsnTag, std::uint64_t>;

template <class Tag, class Number>
constexpr Id<Tag, Number> operator+(Id<Tag, Number> id, Number n) {
  return {static_cast<Number>(id.value + n)};
}

template <class H, class Tag, class Number>
H AbslHashValue(H state, const Id<Tag, Number>& id) {
  return H::combine(std::move(state), id.value);
}

// Microseconds since 1970-01-01 00:00:00 UTC: commit times and append times.
struct UnixMicros {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(const UnixMicros&, const UnixMicros&) = default;
};

}  // namespace tidelog
