#pragma once
/// @file  One question of a needle evaluation: a context with planted needles, and what the right answers are.
///
/// Every length is in the model's own tokens. Each (cell, trial) has its own window of the held-out haystack and its
/// own random numbers, so trials may be drawn in any order, and a resumed run draws the same.

#include <optional>
#include <string>

#include "data/haystack.hpp"
#include "tasks/needle/format.hpp"

namespace ringworld {

/// A cell of the evaluation grid.
struct NeedleCell {
  std::int64_t context_length = 0;  ///< the whole trial: prompt and right answers
  /// Where the first needle that is asked for stands: 0 at the start of the hay, 1 next to the question. Without it
  /// that one, too, stands anywhere.
  std::optional<double> depth = std::nullopt;
  std::int64_t planted = 1;  ///< N needles, the others at distinct random places
  std::int64_t asked = 1;    ///< R of them
  std::uint64_t seed = 0;

  bool operator==(const NeedleCell&) const = default;
};

struct PlantedNeedle {
  std::string key;    ///< as printed: "Paris"
  std::string value;  ///< its digits
  std::int64_t begin = 0;
  std::int64_t length = 0;
  double depth = 0;  ///< where it came to stand, in the hay
  bool operator==(const PlantedNeedle&) const = default;
};

struct AskedNeedle {
  std::int64_t needle = 0;        ///< of NeedleTrial::needles
  std::int64_t answer_begin = 0;  ///< position of the answer's first token; the token before it predicts it
  std::int64_t answer_length = 0;
  bool operator==(const AskedNeedle&) const = default;
};

/// Tokens with the right answers filled in: one pass over them scores every answer, the earlier ones given.
struct NeedleTrial {
  std::vector<Token> tokens;           ///< (context_length)
  std::vector<PlantedNeedle> needles;  ///< as they stand, first to last
  std::vector<AskedNeedle> asked;      ///< in the order of their questions
  /// Tokens before the first answer: what a model that decodes by itself is given.
  std::int64_t prompt_length = 0;

  bool operator==(const NeedleTrial&) const = default;
};

/// Throws Error (bad_input) when counts or depth make no sense, or there are fewer keys than needles.
void require_cell(const NeedleCell& cell, std::int64_t keys);

/// The trial's own random numbers.
[[nodiscard]] DrawStream draws_of_trial(const NeedleCell& cell, std::int64_t trial);

/// `planted` places in 0..hay, distinct and rising, and which of them are asked for, in order. With a depth, the first
/// asked stands at round(depth * hay).
/// @pre planted <= hay + 1
struct TrialPlaces {
  std::vector<std::int64_t> places;
  std::vector<std::int64_t> asked;
};
[[nodiscard]] TrialPlaces draw_places(const NeedleCell& cell, std::int64_t hay, DrawStream& draws);

/// A trial over the word vocabulary. Questions stand one after another, each with its answer.
/// @param haystack  its evaluation part is used
/// @throws ringworld::Error (bad_input) as require_cell(), and when the needles or the haystack do not fit; the message
/// says what would. (check_failed) when a needle does not stand where it should.
[[nodiscard]] NeedleTrial draw_needle_trial(const NeedleFormat& format, const Haystack& haystack,
                                            const NeedleCell& cell, std::int64_t trial);

}  // namespace ringworld
