#pragma once
/// @file  What `ringworld generate` is asked for.

#include <cstdint>
#include <string>

#include "experiments/common/run_flags.hpp"
#include "generation/prompt_style.hpp"

namespace ringworld {

/// What an answer is.
enum class Target : std::uint8_t { text, image, video };

template <>
struct Enumerators<Target> {
  static constexpr std::string_view what = "target";
  static constexpr std::array<std::string_view, 3> names{"text", "image", "video"};
};

struct GenerateOptions : RunFlags {
  GenerateOptions() { output = "ringworld-generate.h5"; }

  std::string checkpoint;
  std::string frame_tokenizer;
  std::string prompt;
  std::string prompt_file;
  PromptStyle prompt_style = PromptStyle::caption;
  std::string chat;
  std::string image;
  std::string video;
  std::int64_t frames = 0;
  double fps = 0;
  Target to = Target::text;
  std::int64_t new_tokens = 32;
  std::int64_t new_frames = 0;
  std::string media_output;
  double media_fps = 4;
  double temperature = 0;
  std::int64_t top_k = 0;
  double guidance = 1;
  std::int64_t seed = 0;
  std::string first_frame_prompt;
  double first_frame_guidance = 1;
  std::int64_t first_frame_top_k = 0;
  std::string rope_theta = "stage";
  bool gather_weights = false;

  /// The file or folder of frames that the prompt holds; empty without.
  [[nodiscard]] const std::string& given_media() const { return image.empty() ? video : image; }
  [[nodiscard]] bool makes_frames() const { return to != Target::text; }
  [[nodiscard]] bool needs_frame_tokenizer() const { return makes_frames() || !given_media().empty(); }
  /// Frames that are generated.
  [[nodiscard]] std::int64_t frames_to_make() const { return to == Target::image ? 1 : new_frames; }
};

void declare(Options& options, GenerateOptions& values);

/// @throws Error(bad_input) naming the flag that is missing, makes no sense, or has no use beside the others.
void require_sensible(const GenerateOptions& values);

}  // namespace ringworld
