#pragma once
/// @file  Combinations of listed values, of which some cannot be run: what is left out, and whether a value is in none.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace ringworld {

/// Which values of the lists are in a combination that is run, and which only in combinations that cannot be.
class UsedValues {
 public:
  /// Of each value of one combination, with the name of its list.
  using Names = std::vector<std::string>;

  void use(const Names& names) {
    for (const std::string& name : names) {
      why_not_[name].clear();
    }
  }

  void leave_out(const Names& names, const std::string& reason) {
    first_ = left_out_++ == 0 ? reason : first_;
    for (const std::string& name : names) {
      why_not_.try_emplace(name, reason);
    }
  }

  [[nodiscard]] std::int64_t left_out() const { return left_out_; }
  [[nodiscard]] const std::string& first_of_left_out() const { return first_; }

  /// @throws Error(bad_input) when a value is in no combination that is run.
  void require_all() const {
    for (const auto& [name, reason] : why_not_) {
      require_input(reason.empty(), reason);
    }
  }

 private:
  std::map<std::string, std::string> why_not_;  // empty: it is run
  std::int64_t left_out_ = 0;
  std::string first_;
};

}  // namespace ringworld
