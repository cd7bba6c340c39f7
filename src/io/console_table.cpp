#include "io/console_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/spelling.hpp"
#include "io/csv_table.hpp"

namespace ringworld {

namespace {

std::vector<Column> chosen_columns(const RowLayout& layout, std::span<const std::string_view> names) {
  if (names.empty()) {
    return layout.columns;
  }
  std::vector<Column> chosen;
  for (const auto name : names) {
    const auto found = std::ranges::find(layout.columns, name, &Column::name);
    if (found == layout.columns.end()) {
      std::vector<std::string_view> known;
      std::ranges::transform(layout.columns, std::back_inserter(known), &Column::name);
      throw_unknown_name("column", name, known);
    }
    chosen.push_back(*found);
  }
  return chosen;
}

template <class T>
T value_at(const std::byte* place) {
  T value;
  std::memcpy(&value, place, sizeof(T));
  return value;
}

std::string integer_cell(std::int64_t value, const Column& column) {
  // Bytes and FLOPs are quantities; tokens, ranks and the like are counts that a reader compares digit by digit.
  const bool is_quantity = column.unit == "B" || column.unit == "FLOP";
  return is_quantity ? with_si_prefix(static_cast<double>(value)) : fmt::format("{}", value);
}

std::string real_cell(double value, const Column& column) {
  const bool has_dimension = !column.unit.empty() && column.unit != "1";
  return has_dimension ? with_si_prefix(value) : fmt::format("{:.4g}", value);
}

std::string cell(const std::byte* row, const Column& column) {
  const auto* const place = row + column.offset;
  switch (column.kind) {
    case ColumnKind::uint8:
      return integer_cell(value_at<std::uint8_t>(place), column);
    case ColumnKind::int32:
      return integer_cell(value_at<std::int32_t>(place), column);
    case ColumnKind::int64:
      return integer_cell(value_at<std::int64_t>(place), column);
    case ColumnKind::float32:
      return real_cell(static_cast<double>(value_at<float>(place)), column);
    case ColumnKind::float64:
      return real_cell(value_at<double>(place), column);
    case ColumnKind::boolean:
      return value_at<bool>(place) ? "yes" : "no";
    case ColumnKind::text: {
      const auto* const text = reinterpret_cast<const char*>(place);
      return {text, ::strnlen(text, static_cast<std::size_t>(column.size))};
    }
  }
  return {};
}

/// A value of CSV: a number with all its digits, or text, in quotes where it needs them.
std::string whole_cell(const std::byte* row, const Column& column) {
  const auto* const place = row + column.offset;
  switch (column.kind) {
    case ColumnKind::int64:
      return fmt::format("{}", value_at<std::int64_t>(place));
    case ColumnKind::float32:
      return fmt::format("{}", value_at<float>(place));
    case ColumnKind::float64:
      return fmt::format("{}", value_at<double>(place));
    case ColumnKind::text:
      break;
    default:
      return cell(row, column);
  }
  const std::string text = cell(row, column);
  if (text.find_first_of(",\"\n") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c == '"' ? "\"\"" : std::string(1, c);
  }
  return quoted + "\"";
}

/// Characters, not bytes, of UTF-8 text.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

bool is_left_aligned(const Column& column) {
  return column.kind == ColumnKind::text || column.kind == ColumnKind::boolean;
}

}  // namespace

std::string with_si_prefix(double value) {
  constexpr std::string_view prefixes = "pnum kMGTPE";
  constexpr int unity = 4;  // place of "no prefix"
  if (value == 0 || !std::isfinite(value)) {
    return fmt::format("{:.4g}", value);
  }
  const double digits_before_point = std::floor(std::log10(std::abs(value)) / 3);
  auto power = static_cast<int>(std::clamp(digits_before_point, -4.0, 6.0));
  double scaled = value / std::pow(1000.0, power);
  if (std::abs(scaled) >= 999.95 && power < 6) {  // would be printed as 1000
    ++power;
    scaled /= 1000;
  }
  auto text = fmt::format("{:.4g}", scaled);
  if (power != 0) {
    text += prefixes[static_cast<std::size_t>(power + unity)];
  }
  return text;
}

std::string csv_table(const RowLayout& layout, std::span<const std::byte> rows,
                      std::span<const std::string_view> columns) {
  const auto shown = chosen_columns(layout, columns);
  std::string text;
  for (const auto& column : shown) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", column.name);
  }
  text += "\n";
  for (std::size_t begin = 0; begin < rows.size(); begin += static_cast<std::size_t>(layout.row_size)) {
    std::string line;
    for (const auto& column : shown) {
      line += &column == &shown.front() ? "" : ",";
      line += whole_cell(&rows[begin], column);
    }
    text += line + "\n";
  }
  return text;
}

std::string console_table(const RowLayout& layout, std::span<const std::byte> rows,
                          std::span<const std::string_view> columns) {
  const auto shown = chosen_columns(layout, columns);
  std::vector<std::vector<std::string>> lines(2);
  for (const auto& column : shown) {
    lines[0].emplace_back(column.name);
    const bool has_unit = !column.unit.empty() && column.unit != "1";
    lines[1].push_back(has_unit ? fmt::format("[{}]", column.unit) : std::string());
  }
  for (std::size_t begin = 0; begin < rows.size(); begin += static_cast<std::size_t>(layout.row_size)) {
    auto& line = lines.emplace_back();
    for (const auto& column : shown) {
      line.push_back(cell(&rows[begin], column));
    }
  }

  std::vector<std::size_t> widths(shown.size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(line[i]));
    }
  }

  std::string text;
  for (const auto& line : lines) {
    std::string printed;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - width_of(line[i]), ' ');
      printed += i == 0 ? "" : "  ";
      printed += is_left_aligned(shown[i]) ? line[i] + padding : padding + line[i];
    }
    printed.erase(printed.find_last_not_of(' ') + 1);
    text += printed + "\n";
  }
  return text;
}

}  // namespace ringworld
