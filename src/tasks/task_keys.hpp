#pragma once
/// @file  The keys of a task, listed once: the same list reads a configuration and writes what was in force.

#include <cstdint>
#include <string>
#include <string_view>

#include "core/enumerators.hpp"

namespace ringworld {

/// Is shown each key with its value, and may change the value.
class TaskKeys {
 public:
  virtual ~TaskKeys() = default;

  virtual void visit(std::string_view key, bool& value) = 0;
  virtual void visit(std::string_view key, std::int64_t& value) = 0;
  virtual void visit(std::string_view key, double& value) = 0;
  virtual void visit(std::string_view key, std::string& value) = 0;

  /// By its name. @throws ringworld::Error (bad_input) naming the nearest enumerator.
  template <NamedEnumeration Enumeration>
  void visit(std::string_view key, Enumeration& value) {
    std::string name(name_of(value));
    visit(key, name);
    value = parse_enumerator<Enumeration>(name);
  }
};

}  // namespace ringworld
