#pragma once
/// @file  Sources and tools of this build: the constant half of a record's provenance.

#include <string_view>

namespace ringworld {

struct BuildInfo {
  std::string_view version;
  std::string_view git_revision;  ///< commit of the sources, "unknown" outside a checkout
  bool git_is_dirty;              ///< the sources differed from that commit
  std::string_view compiler;
  std::string_view compiler_flags;
  std::string_view build_type;
  std::string_view enabled_backends;  ///< comma-separated
  std::string_view library_versions;  ///< "name version, ..." of what was found at configure time
};

[[nodiscard]] const BuildInfo& build_info();

}  // namespace ringworld
