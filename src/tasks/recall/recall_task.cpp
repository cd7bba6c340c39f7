#include "tasks/recall/recall_task.hpp"

namespace ringworld {
namespace {

struct Properties {
  std::int64_t answer_tokens;
  RecallCount count;
};

/// In the order of the enumerators. Source: RULER's scripts/data/synthetic/constants.py, tokens_to_generate.
constexpr std::array<Properties, Enumerators<RecallTask>::names.size()> properties{
    Properties{.answer_tokens = 32, .count = {}},
    Properties{.answer_tokens = 128, .count = {.planted = 1, .asked = 1}},
    Properties{.answer_tokens = 128, .count = {.planted = 4, .asked = 1}},
    Properties{.answer_tokens = 128, .count = {.planted = 4, .asked = 4}},
    Properties{.answer_tokens = 128, .count = {.planted = 4, .asked = 4}},
    Properties{.answer_tokens = 30, .count = {.planted = 5, .asked = 5}},
    Properties{.answer_tokens = 120, .count = {.planted = 10, .asked = 10}},
    Properties{.answer_tokens = 50, .count = {.planted = 3, .asked = 3}}};

}  // namespace

std::int64_t answer_tokens_of(RecallTask task) { return properties[static_cast<std::size_t>(task)].answer_tokens; }

RecallCount count_of(RecallTask task) { return properties[static_cast<std::size_t>(task)].count; }

}  // namespace ringworld
