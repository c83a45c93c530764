// Errors as values. Every fallible function of tidelog returns Result<T> or Status; dropping one is
// a build error. An error says what was tried, what was met and what was expected, once.
#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tidelog {

// What kind of failure it is. The kind decides behaviour (action_for) and the exit code; the text
// is for people.
enum class Code : std::uint8_t {
  unavailable,    // a server cannot be reached or went away
  timeout,        // no answer within the time that was allowed
  disk_full,      // no space; nothing was lost, and appends go on when space returns
  cancelled,      // we were asked to stop
  corrupt,        // bytes that cannot be what was written
  unsupported,    // valid, but not something this version can represent
  conflict,       // somebody else holds it, or an expectation did not hold
  misconfigured,  // configuration, rights or settings; a person must change something
  not_found,      // the named thing does not exist
  // What a database changed after the stored position is lost to us, or its history is another one:
  // a person must decide how to begin anew. Whoever captures leaves a `gap` event.
  history_lost,
  failed,  // the operating system refused, for another reason
};

enum class Action : std::uint8_t { retry, stop, ask_operator };

// The only place that turns an error into behaviour.
constexpr Action action_for(Code code) {
  switch (code) {
    case Code::unavailable:
    case Code::timeout:
    case Code::disk_full:
      return Action::retry;
    case Code::cancelled:
    case Code::corrupt:
    case Code::unsupported:
    case Code::failed:
      return Action::stop;
    case Code::conflict:
    case Code::misconfigured:
    case Code::not_found:
    case Code::history_lost:
      return Action::ask_operator;
  }
  return Action::stop;
}

struct Error {
  Code code;
  std::string what;
  std::source_location where = std::source_location::current();
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

template <>
class [[nodiscard]] Result<void> : public tl::expected<void, Error> {
 public:
  using tl::expected<void, Error>::expected;
};

using Status = Result<void>;

inline tl::unexpected<Error> fail(Code code, std::string what,
                                  std::source_location where = std::source_location::current()) {
  return tl::unexpected<Error>(Error{code, std::move(what), where});
}

// The error of a result that failed, to be returned as it is.
template <class T>
tl::unexpected<Error> error_of(const Result<T>& failed) {
  return tl::unexpected<Error>(failed.error());
}

// The same error, with what the caller was doing put in front.
inline tl::unexpected<Error> fail_in(std::string_view doing, Error error) {
  error.what = std::string(doing) + ": " + error.what;
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace tidelog

#define TIDELOG_JOIN2(a, b) a##b
#define TIDELOG_JOIN(a, b) TIDELOG_JOIN2(a, b)

// TRY(auto x, f()): x is the value of f(), or the enclosing function returns f()'s error.
#define TRY(declaration, ...) TIDELOG_TRY(TIDELOG_JOIN(tried_, __LINE__), declaration, __VA_ARGS__)
#define TIDELOG_TRY(tried, declaration, ...)                                     \
  auto tried = (__VA_ARGS__);                                                    \
  if (!tried) return tl::unexpected<::tidelog::Error>(std::move(tried).error()); \
  declaration = *std::move(tried)

// TRY_DO(f()): for a Status, or a Result whose value is not needed.
#define TRY_DO(...)                                                      \
  do {                                                                   \
    if (auto tried = (__VA_ARGS__); !tried)                              \
      return tl::unexpected<::tidelog::Error>(std::move(tried).error()); \
  } while (false)
