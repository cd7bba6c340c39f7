#pragma once
/// @file  The keys of [optimizer] that every training has.

#include "experiments/common/toml_table.hpp"
#include "train/adamw_shards.hpp"

namespace ringworld {

void read_optimizer_keys(TomlTable& table, AdamWSettings& settings);

}  // namespace ringworld
