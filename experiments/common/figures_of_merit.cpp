#include "experiments/common/figures_of_merit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace ringworld {
namespace {

std::string word_of(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\n'; }, '_');
  return text.empty() ? "none" : text;
}

}  // namespace

std::string describe(const FigureOfMerit& figure) {
  std::string line = fmt::format("FOM {} {:.6g} {}", figure.name, figure.value, figure.unit);
  for (const auto& [key, value] : figure.keys) {
    line += fmt::format(" {}={}", key, word_of(value));
  }
  return line + (figure.is_valid ? " valid=yes" : " valid=no");
}

void print_figures(std::span<const FigureOfMerit> figures) {
  for (const FigureOfMerit& figure : figures) {
    fmt::print("{}\n", describe(figure));
  }
  std::fflush(stdout);
}

}  // namespace ringworld
