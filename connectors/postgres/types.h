// Postgres's types, as kinds of Value. Used by the schema look-up of the stream and of the initial
// load.
#pragma once

#include <cstdint>

#include "core/value.h"

namespace tidelog::postgres {

// The kind that a built-in type's text is read as. ValueKind::other for what has no kind of its
// own, and for every type that an extension or a user made: those keep the server's text and the
// type's name.
ValueKind kind_of_type(std::uint32_t type_oid);

}  // namespace tidelog::postgres
