#include "experiments/sweep/assumptions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <filesystem>

#include "experiments/common/names.hpp"
#include "experiments/common/run_flags.hpp"

namespace ringworld {
namespace {

template <class T>
std::vector<std::optional<T>> or_as_in_file(const std::vector<T>& given) {
  return given.empty() ? std::vector<std::optional<T>>{std::nullopt}
                       : std::vector<std::optional<T>>(given.begin(), given.end());
}

}  // namespace

std::string AssumptionLists::first_given() const {
  return !rates.empty()              ? "--rates"
         : !mesh.empty()             ? "--mesh"
         : !layout.empty()           ? "--layout"
         : !recomputation.empty()    ? "--recomputation"
         : !layers_simulated.empty() ? "--layers-simulated"
                                     : "";
}

void declare(Options& options, AssumptionLists& lists) {
  options.add("rates", lists.rates, "",
              "with --simulate: tables of measured rates (TOML files), or FLOP/s that every kernel reaches");
  options.add("mesh", lists.mesh, "",
              "with --simulate: dp,fsdp,tp,sp of every stage, each in double quotes; empty: as in the files");
  options.add(text_of(RunFlag::layout).name, lists.layout, "",
              "with --simulate: which tokens of a sequence a rank holds; empty: as in the files");
  options.add("recomputation", lists.recomputation, "",
              "with --simulate: what backward computes again; empty: as in the files");
  options.add("layers-simulated", lists.layers_simulated, "",
              "with --simulate: two numbers of layers, from whose steps that of all layers is extrapolated; 0: all of "
              "them; empty: as train does");
}

std::vector<Assumptions> product_of(const AssumptionLists& lists) {
  std::vector<Assumptions> product;
  for (const auto& rates : or_as_in_file(lists.rates)) {
    for (const auto& mesh : or_as_in_file(lists.mesh)) {
      for (const auto& layout : or_as_in_file(lists.layout)) {
        for (const auto& recomputation : or_as_in_file(lists.recomputation)) {
          product.push_back({.rates = rates.value_or(""),
                             .mesh = mesh.value_or(""),
                             .layout = layout,
                             .recomputation = recomputation,
                             .layers_simulated = lists.layers_simulated});
        }
      }
    }
  }
  return product;
}

std::vector<std::string> flags_of(const Assumptions& assumptions) {
  std::vector<std::string> flags{"--backend=simulated", fmt::format("--rates={}", assumptions.rates)};
  if (!assumptions.mesh.empty()) {
    flags.push_back(fmt::format("--mesh={}", assumptions.mesh));
  }
  if (assumptions.layout.has_value()) {
    flags.push_back(fmt::format("--layout={}", name_of(*assumptions.layout)));
  }
  if (assumptions.recomputation.has_value()) {
    flags.push_back(fmt::format("--recomputation={}", name_of(*assumptions.recomputation)));
  }
  if (!assumptions.layers_simulated.empty()) {
    flags.push_back(fmt::format("--layers-simulated={}", fmt::join(assumptions.layers_simulated, ",")));
  }
  return flags;
}

std::string word_for(const Assumptions& assumptions) {
  // Of a file of rates its name.
  std::string word = std::filesystem::path(assumptions.rates).filename().string();
  const auto append = [&](std::string_view text) { word += text.empty() ? "" : fmt::format("-{}", text); };
  append(assumptions.mesh);
  append(assumptions.layout.has_value() ? name_of(*assumptions.layout) : std::string_view());
  append(assumptions.recomputation.has_value() ? name_of(*assumptions.recomputation) : std::string_view());
  for (char& letter : word) {
    const bool is_kept = std::isalnum(static_cast<unsigned char>(letter)) != 0 || letter == '.' || letter == '_';
    letter = is_kept ? letter : '-';
  }
  return word;
}

}  // namespace ringworld
