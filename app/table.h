// A table for people on a terminal: columns aligned by their widest cell.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidelog {

enum class Align : std::uint8_t { left, right };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns);

  // As many cells as columns.
  void add(std::vector<std::string> cells);

  // The title line (the first time; bold when `color`) and the rows, which are gone after it. Later
  // rows keep the columns at least as wide.
  std::string take(bool color);

 private:
  void widen();
  std::string print_row(const std::vector<std::string>& cells) const;

  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
  bool has_title_ = false;
  std::vector<std::vector<std::string>> rows_;
};

// How many character cells a text takes, roughly: its code points, without terminal colours.
std::size_t display_width(std::string_view utf8);

// A cell on one line: control characters escaped, and cut to `width` with an ellipsis.
std::string one_line(std::string_view text, std::size_t width);

// A JSON array of texts.
std::string json_list(const std::vector<std::string>& texts);

// 12345678 as "12,345,678".
std::string with_commas(std::uint64_t number);
// 1536 as "1.5 KiB".
std::string print_bytes(std::uint64_t bytes);

}  // namespace tidelog
