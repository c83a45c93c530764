// The log: one structured line an event on standard error, as key=value or as JSON. The only file
// that sees spdlog.
#pragma once

#include <initializer_list>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "app/secrets.h"
#include "core/result.h"

namespace spdlog {
class logger;
}

namespace tidelog {

enum class LogFormat : std::uint8_t { text, json };

struct LogField {
  std::string_view name;
  std::string value;
};

// Any thread.
class Log {
 public:
  using Fields = std::initializer_list<LogField>;

  // `secrets` must outlive the log; whatever it hides is hidden here.
  static Result<Log> to_stderr(LogFormat format, const Secrets& secrets);
  static Result<Log> to_stream(std::ostream& out, LogFormat format, const Secrets& secrets);

  void info(std::string_view message, Fields fields);
  void warning(std::string_view message, Fields fields);
  void error(std::string_view message, Fields fields);

 private:
  Log(std::shared_ptr<spdlog::logger> logger, LogFormat format, const Secrets& secrets)
      : logger_(std::move(logger)), format_(format), secrets_(&secrets) {}
  std::string print(std::string_view message, Fields fields) const;

  std::shared_ptr<spdlog::logger> logger_;
  LogFormat format_;
  const Secrets* secrets_;
};

}  // namespace tidelog
