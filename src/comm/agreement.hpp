#pragma once
/// @file  Facts that all ranks of a job must have been told alike, compared before anybody acts on them.

#include <functional>
#include <span>
#include <string>

#include "comm/communicator.hpp"

namespace ringworld {

/// What one rank was told.
struct RankFact {
  std::string name;          ///< for people: "the arguments", "file 'in.h5' (--input)"; the same on every rank
  std::uint64_t digest = 0;  ///< equal where the fact is
  std::string description;   ///< for people: what this rank has; empty when there is nothing to say in short
};

/// Compares each rank's facts with the root's, in order; all ranks give the same number of them. Collective.
/// @throws ringworld::Error (bad_input, collective) that names the first fact in which ranks differ, the ranks, and what
/// the first of them and the root have.
void require_agreement(const Communicator& communicator, std::span<const RankFact> facts);

}  // namespace ringworld
