#pragma once
/// @file  Whether all ranks see the same files: ranks on other nodes, or in other folders, may not.

#include <filesystem>
#include <span>
#include <string>

#include "comm/communicator.hpp"

namespace ringworld {

struct NamedFile {
  std::string name;  ///< for people
  std::filesystem::path path;
};

/// Compares the contents of files that all ranks are about to read; one that no rank has is the same everywhere. Each
/// file is read once a node. Collective; all ranks give the same names.
/// @throws Error(bad_input, collective) naming the first file that differs, and the ranks.
void require_same_files(const Communicator& communicator, std::span<const NamedFile> files);

}  // namespace ringworld
