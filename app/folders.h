// Folders that the user names beside each other.
#pragma once

#include <string>

#include "core/result.h"

namespace tidelog {

// Code::misconfigured: `to` is `from` or lies in it, by whatever way (`..`, links) either is named.
// Nothing may be written there.
Status check_elsewhere(const std::string& to, const std::string& from);

}  // namespace tidelog
