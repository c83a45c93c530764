// Random Postgres types and values, for tests whose oracle is the server's own text: built-in types
// with random modifiers, types of extensions, and arrays, composites, domains, enums, ranges and
// multiranges of what there is so far.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/value.h"

namespace tidelog::testing {

// Bounded draws, the same on every platform for a seed.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t bits() { return engine_(); }
  // From `first` to `last`, both included.
  std::int64_t between(std::int64_t first, std::int64_t last);
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(bits() % count); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <class T>
  const T& of(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

struct RandomType {
  std::string name;  // as the server prints it when search_path is pg_catalog alone
  ValueKind kind = ValueKind::other;
  // The input text of a random value, never null. Not large: it may stand in another.
  std::function<std::string(Dice&)> text;
  // The same, in rising order; empty when there is no range of the type.
  std::function<std::vector<std::string>(Dice&, std::size_t)> rising = nullptr;
  char delimiter = ',';   // between the elements of an array
  bool has_array = true;  // has an array type of its own
  int depth = 0;          // of the types that it is made of
};

// The types of a server of this version, before any is made: built-in ones and those of
// extensions().
std::vector<RandomType> existing_types(Dice& dice, int server_version);
const std::vector<std::string>& extensions();

// Adds a type that is made of others, and appends the statement that makes it (empty for an array).
void add_random_type(Dice& dice, std::vector<RandomType>& types, std::string& statements);

// A literal of the value, or NULL now and then. Large values come here alone.
std::string random_literal(Dice& dice, const RandomType& type);
std::string sql_literal(const std::string& text);
std::string sql_name(const std::string& name);

}  // namespace tidelog::testing
