// Floats as Postgres prints them with extra_float_digits above 0. For value_text.cc.
#pragma once

#include <string>

namespace tidelog {

// The shortest digits that read back as `value`; fixed notation from 1e-4 up to below 1e6 (float)
// or 1e15 (double).
void print_float(std::string& out, float value);
void print_float(std::string& out, double value);

}  // namespace tidelog
