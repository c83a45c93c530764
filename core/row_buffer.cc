#include "core/row_buffer.h"

#include <algorithm>

#include "core/value.h"

namespace tidelog {
namespace {

constexpr std::size_t kept_bytes_max = 1 << 20;
constexpr char unchanged_tag = static_cast<char>(ValueKind::unchanged);

}  // namespace

void empty_for_next(std::string& bytes) {
  if (bytes.capacity() > kept_bytes_max) std::string().swap(bytes);
  bytes.clear();
}

void RowBuffer::begin(std::size_t columns) {
  empty_for_next(bytes_);
  ends_.clear();
  ends_.reserve(columns);
}

std::string_view RowBuffer::value(std::size_t column) const {
  const std::size_t begin = column == 0 ? 0 : ends_[column - 1];
  return std::string_view(bytes_).substr(begin, ends_[column] - begin);
}

bool RowBuffer::is_unchanged(std::size_t column) const {
  return value(column).front() == unchanged_tag;
}

tl::expected<std::string_view, std::size_t> RowBuffer::key(const Schema& schema) {
  std::size_t first = schema.columns.size();
  std::size_t behind = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    if (!schema.columns[i].key) continue;
    if (is_unchanged(i)) return tl::unexpected<std::size_t>(i);
    first = std::min(first, i);
    behind = i + 1;
    ++count;
  }
  if (count == 0) return std::string_view();
  if (count == behind - first) {
    const std::size_t begin = first == 0 ? 0 : ends_[first - 1];
    return std::string_view(bytes_).substr(begin, ends_[behind - 1] - begin);
  }
  empty_for_next(key_);
  for (std::size_t i = first; i < behind; ++i) {
    if (schema.columns[i].key) key_.append(value(i));
  }
  return std::string_view(key_);
}

}  // namespace tidelog
