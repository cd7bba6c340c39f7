#pragma once
/// @file  What a sweep of simulated stages goes through: the product of lists of rates, meshes, layouts and recomputations.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiments/common/options.hpp"
#include "model/model.hpp"
#include "sequence/partition.hpp"

namespace ringworld {

/// The lists as given; an empty one leaves each run what its file says.
struct AssumptionLists {
  std::vector<std::string> rates;
  std::vector<std::string> mesh;
  std::vector<Layout> layout;
  std::vector<Recomputation> recomputation;
  std::vector<std::int64_t> layers_simulated;

  /// The first flag that was given; empty when none was.
  [[nodiscard]] std::string first_given() const;
};

/// One combination; what is missing is the file's own.
struct Assumptions {
  std::string rates;
  std::string mesh;
  std::optional<Layout> layout;
  std::optional<Recomputation> recomputation;
  std::vector<std::int64_t> layers_simulated;
};

/// Declares --rates, --mesh, --layout, --recomputation and --layers-simulated.
void declare(Options& options, AssumptionLists& lists);

/// The product, of at least one combination.
[[nodiscard]] std::vector<Assumptions> product_of(const AssumptionLists& lists);

/// The flags that make a run of `train` simulate under these assumptions.
[[nodiscard]] std::vector<std::string> flags_of(const Assumptions& assumptions);

/// "137e12-1-4-16-4-zigzag": a part of a file's name.
[[nodiscard]] std::string word_for(const Assumptions& assumptions);

}  // namespace ringworld
