// Waiting that a stop ends. For the threads of `run`.
#pragma once

#include <chrono>
#include <stop_token>

namespace tidelog {

// Returns after `duration`, or at once when a stop is asked for: then false.
bool pause(std::chrono::milliseconds duration, const std::stop_token& stop);

}  // namespace tidelog
