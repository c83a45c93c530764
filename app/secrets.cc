#include "app/secrets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace tidelog {
namespace {

constexpr std::string_view mask_text = "***";

bool is_name_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The name in "{NAME}rest", and how many bytes it took.
struct Reference {
  std::string_view name;
  std::size_t bytes = 0;
};

std::optional<Reference> read_reference(std::string_view text) {
  if (text.empty() || text.front() != '{') return std::nullopt;
  const std::size_t end = text.find('}');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view name = text.substr(1, end - 1);
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_name_char)) return std::nullopt;
  return Reference{name, end + 1};
}

// A part of a text: [begin, end).
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

bool ends_url(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0 || c == '"' || c == '\'' || c == '`';
}

// The password of the URL whose "://" stands at `scheme_end`. A password may hold an unescaped '@'
// or
// '/', so everything up to the last '@' before the end of the URL's host part is taken.
std::optional<Span> password_of_url(std::string_view text, std::size_t scheme_end) {
  const std::size_t begin = scheme_end + 3;
  std::size_t end = begin;
  while (end < text.size() && !ends_url(text[end])) ++end;
  const std::string_view rest = text.substr(begin, end - begin);
  const std::size_t at = rest.rfind('@');
  const std::size_t colon = rest.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) return {};
  return Span{begin + colon + 1, begin + at};
}

// The value after "password=": quoted as libpq does, or up to white space or '&'.
Span password_value(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  if (begin < text.size() && text[begin] == '\'') {
    for (end = begin + 1; end < text.size() && text[end] != '\''; ++end) {
      if (text[end] == '\\') ++end;
    }
    return {begin, std::min(end + 1, text.size())};
  }
  while (end < text.size() && !ends_url(text[end]) && text[end] != '&') ++end;
  return {begin, end};
}

std::vector<Span> passwords_in_urls(std::string_view text) {
  std::vector<Span> found;
  for (std::size_t at = text.find("://"); at != std::string_view::npos;
       at = text.find("://", at + 3)) {
    if (const auto span = password_of_url(text, at)) found.push_back(*span);
  }
  return found;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::vector<Span> passwords_in_settings(std::string_view text) {
  std::vector<Span> found;
  const std::string folded = lower(text);
  for (const std::string_view word : {"password", "passwd"}) {
    for (std::size_t at = folded.find(word); at != std::string::npos;
         at = folded.find(word, at + 1)) {
      std::size_t next = folded.find_first_not_of(" \t", at + word.size());
      if (next == std::string::npos || folded[next] != '=') continue;
      next = std::min(folded.find_first_not_of(" \t", next + 1), text.size());
      found.push_back(password_value(text, next));
    }
  }
  return found;
}

std::vector<Span> password_spans(std::string_view text) {
  std::vector<Span> spans = passwords_in_urls(text);
  const std::vector<Span> settings = passwords_in_settings(text);
  spans.insert(spans.end(), settings.begin(), settings.end());
  std::erase_if(spans, [](Span span) { return span.begin == span.end; });
  std::sort(spans.begin(), spans.end(), [](Span a, Span b) { return a.begin < b.begin; });
  return spans;
}

void replace_all(std::string& text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + mask_text.size())) {
    text.replace(at, what.size(), mask_text);
  }
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (std::size_t begin = text.find_first_not_of(" \t\n"); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(" \t\n", begin), text.size());
    found.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(" \t\n", end);
  }
  return found;
}

}  // namespace

Environment process_environment() {
  return [](std::string_view name) -> std::optional<std::string> {
    const char* const value = std::getenv(std::string(name).c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Result<std::string> expand(std::string_view text, const Environment& environment) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '$') {
      out.push_back(text[at]);
      continue;
    }
    if (text.substr(at + 1).starts_with('$')) {
      out.push_back('$');
      ++at;
      continue;
    }
    const auto reference = read_reference(text.substr(at + 1));
    if (!reference) {
      return fail(Code::misconfigured,
                  "a $ must begin ${NAME}, an environment variable; a plain dollar sign is $$");
    }
    const auto value = environment(reference->name);
    if (!value) {
      return fail(Code::misconfigured,
                  fmt::format("the environment variable {} is not set", reference->name));
    }
    out += *value;
    at += reference->bytes;
  }
  return out;
}

Result<std::string> read_secret(std::string_view text, const Environment& environment, Disk& disk) {
  constexpr std::string_view prefix = "file:";
  if (!text.starts_with(prefix)) return expand(text, environment);
  TRY(const std::string path, expand(text.substr(prefix.size()), environment));
  auto content = read_file(disk, path);
  if (!content) return fail(Code::misconfigured, content.error().what);
  while (content->ends_with('\n') || content->ends_with('\r')) content->pop_back();
  return *std::move(content);
}

std::string mask_passwords(std::string_view text) {
  std::string out;
  std::size_t done = 0;
  for (const Span& span : password_spans(text)) {
    if (span.begin < done) {
      done = std::max(done, span.end);
      continue;
    }
    out += text.substr(done, span.begin - done);
    out += mask_text;
    done = span.end;
  }
  out += text.substr(std::min(done, text.size()));
  return out;
}

void Secrets::add_connection(std::string_view connection) {
  for (const Span& span : password_spans(connection)) {
    std::string_view password = connection.substr(span.begin, span.end - span.begin);
    if (password.size() >= 2 && password.front() == '\'' && password.back() == '\'') {
      password = password.substr(1, password.size() - 2);
    }
    hide(password, connection);
  }
  // libpq names the word that it does not understand; in a connection string that may be the
  // password.
  if (connection.find("://") != std::string_view::npos) return;
  for (const std::string_view word : words(connection)) {
    if (word.find('=') == std::string_view::npos) hide(word, connection);
  }
}

// A word that also stands elsewhere in the connection (the user's name, say) is no secret, and a
// very short one would hide half of every message.
void Secrets::hide(std::string_view secret, std::string_view connection) {
  if (secret.size() < 4) return;
  const bool is_elsewhere = mask_passwords(connection).find(secret) != std::string::npos;
  if (is_elsewhere && connection.find("://") != std::string_view::npos) return;
  remember(secret);
}

void Secrets::add(std::string_view secret) {
  if (secret.size() >= 4) remember(secret);
}

void Secrets::remember(std::string_view secret) {
  hidden_.emplace_back(secret);
  std::sort(hidden_.begin(), hidden_.end(),
            [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string Secrets::mask(std::string_view text) const {
  std::string out = mask_passwords(text);
  for (const std::string& password : hidden_) replace_all(out, password);
  return out;
}

}  // namespace tidelog
