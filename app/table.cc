#include "app/table.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/invariant.h"
#include "formats/json_text.h"

namespace tidelog {
namespace {

bool begins_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::string padded(const std::string& cell, std::size_t width, Align align) {
  const std::size_t cell_width = display_width(cell);
  const std::string space(width > cell_width ? width - cell_width : 0, ' ');
  return align == Align::right ? space + cell : cell + space;
}

}  // namespace

std::size_t display_width(std::string_view utf8) {
  std::size_t width = 0;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    if (utf8[i] == '\x1b') {
      i = std::min(utf8.find('m', i), utf8.size() - 1);
    } else if (begins_code_point(utf8[i])) {
      ++width;
    }
  }
  return width;
}

std::string one_line(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t used = 0;
  for (const char c : text) {
    if (begins_code_point(c) && ++used > width) return out + "…";
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string json_list(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) {
    if (!list.empty()) list += ',';
    put_json_text(list, text);
  }
  return "[" + list + "]";
}

std::string with_commas(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string print_bytes(std::uint64_t bytes) {
  constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, units[unit]);
}

void Table::add(std::vector<std::string> cells) {
  INVARIANT(cells.size() == columns_.size(), "a row has a cell for every column");
  rows_.push_back(std::move(cells));
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) widths_.push_back(display_width(column.title));
}

void Table::widen() {
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths_[i] = std::max(widths_[i], display_width(row[i]));
    }
  }
}

std::string Table::print_row(const std::vector<std::string>& cells) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += "  ";
    line += padded(cells[i], widths_[i], columns_[i].align);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string Table::take(bool color) {
  widen();
  std::string out;
  if (!has_title_) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    out = color ? fmt::format("\x1b[1m{}\x1b[0m", print_row(titles)) : print_row(titles);
    has_title_ = true;
  }
  for (const auto& row : rows_) out += print_row(row);
  rows_.clear();
  return out;
}

}  // namespace tidelog
