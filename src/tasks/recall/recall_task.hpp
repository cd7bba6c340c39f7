#pragma once
/// @file  The tasks that an evaluation of recall asks a model, by name: LWM's needles, and those of RULER.
/// Source: Hsieh et al., "RULER: What's the Real Context Size of Your Long-Context Language Models?", arXiv:2404.06654.

#include <array>
#include <cstdint>
#include <string_view>

#include "core/enumerators.hpp"

namespace ringworld {

enum class RecallTask : std::uint8_t {
  lwm,                ///< needles in LWM's words, N planted of which R are asked for
  niah_single,        ///< one key, one value
  niah_multikey,      ///< four keys of which one is asked for
  niah_multivalue,    ///< one key with four values, all asked for
  niah_multiquery,    ///< four keys, all asked for
  variable_tracking,  ///< five variables, of which one is set to a number and each other to the one before
  common_words,       ///< the ten words that a list holds most often
  frequent_words,     ///< the three most frequent of coded words whose frequencies follow Zipf's law
};
template <>
struct Enumerators<RecallTask> {
  static constexpr std::string_view what = "task";
  static constexpr std::array<std::string_view, 8> names{
      "lwm",          "niah_single",   "niah_multikey", "niah_multivalue", "niah_multiquery", "variable_tracking",
      "common_words", "frequent_words"};
};

/// Most tokens of an answer, as the task's own program has it.
[[nodiscard]] std::int64_t answer_tokens_of(RecallTask task);

/// What a task of RULER plants and asks for; not of lwm, which is told.
struct RecallCount {
  std::int64_t planted = 0;
  std::int64_t asked = 0;
};
[[nodiscard]] RecallCount count_of(RecallTask task);

}  // namespace ringworld
