#pragma once
/// @file  The last lines of a verb: what it measured, for programs that read a log.
///
///   FOM attention_rate 1.234e+11 FLOP/s context_length=4096 ranks=2 schedule=ring valid=yes

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ringworld {

struct FigureOfMerit {
  std::string name;
  double value = 0;
  std::string unit;  ///< "1" for a share
  /// What it is a figure of, in the order of the line.
  std::vector<std::pair<std::string, std::string>> keys;
  bool is_valid = false;  ///< whether every check of it passed
};

/// One line, without its end: words are separated by one blank, so blanks inside a key's value become underscores, and an
/// empty value becomes "none".
[[nodiscard]] std::string describe(const FigureOfMerit& figure);

/// One line each on standard output. The root calls it.
void print_figures(std::span<const FigureOfMerit> figures);

}  // namespace ringworld
