#include "experiments/train/optimizer_keys.hpp"

namespace ringworld {

void read_optimizer_keys(TomlTable& table, AdamWSettings& settings) {
  table.read("beta1", settings.beta1);
  table.read("beta2", settings.beta2);
  table.read("epsilon", settings.epsilon);
  table.read("weight_decay", settings.weight_decay);
  table.read("clip", settings.clip);
}

}  // namespace ringworld
