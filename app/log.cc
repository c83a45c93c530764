#include "app/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>

#include "formats/json_text.h"

namespace tidelog {
namespace {

constexpr const char* text_pattern = "%Y-%m-%dT%H:%M:%S.%fZ %l %v";
constexpr const char* json_pattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})";

std::shared_ptr<spdlog::logger> logger_to(spdlog::sink_ptr sink, LogFormat format) {
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format == LogFormat::json ? json_pattern : text_pattern, spdlog::pattern_time_type::utc));
  auto logger = std::make_shared<spdlog::logger>("tidelog", std::move(sink));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > 0x20 && c != 0x7F && c != '"' && c != '=' && c != '\\';
  });
}

std::string quoted_when_needed(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string out;
  put_json_text(out, text);
  return out;
}

}  // namespace

Result<Log> Log::to_stderr(LogFormat format, const Secrets& secrets) {
  try {
    return Log(logger_to(std::make_shared<spdlog::sinks::stderr_sink_mt>(), format), format,
               secrets);
  } catch (const spdlog::spdlog_ex& error) {
    return fail(Code::failed, fmt::format("cannot log to standard error: {}", error.what()));
  }
}

Result<Log> Log::to_stream(std::ostream& out, LogFormat format, const Secrets& secrets) {
  try {
    return Log(logger_to(std::make_shared<spdlog::sinks::ostream_sink_mt>(out), format), format,
               secrets);
  } catch (const spdlog::spdlog_ex& error) {
    return fail(Code::failed, fmt::format("cannot log: {}", error.what()));
  }
}

std::string Log::print(std::string_view message, Fields fields) const {
  std::string out;
  if (format_ == LogFormat::text) {
    out = secrets_->mask(message);
    for (const LogField& field : fields) {
      out += fmt::format(" {}={}", field.name, quoted_when_needed(secrets_->mask(field.value)));
    }
    return out;
  }
  out = "\"message\":";
  put_json_text(out, secrets_->mask(message));
  for (const LogField& field : fields) {
    out += fmt::format(",\"{}\":", field.name);
    put_json_text(out, secrets_->mask(field.value));
  }
  return out;
}

void Log::info(std::string_view message, Fields fields) {
  logger_->info("{}", print(message, fields));
}

void Log::warning(std::string_view message, Fields fields) {
  logger_->warn("{}", print(message, fields));
}

void Log::error(std::string_view message, Fields fields) {
  logger_->error("{}", print(message, fields));
}

}  // namespace tidelog
