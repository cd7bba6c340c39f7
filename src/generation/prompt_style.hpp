#pragma once
/// @file  Prompts around pictures and videos, in two styles: as the formats of training have them, and as Large World
/// Model's programs write them.
/// Source: the inference programs of LargeWorldModel/LWM (lwm/vision_chat.py, lwm/vision_generation.py). Deviation: no
/// second bos stands before a delimiter or a text.
///
///             answer is text                                        answer is an image or a video
///   caption   bos <vision>..</vision> question                      bos caption <vision>
///   lwm       bos "You are a helpful assistant. USER: question\n"   bos "You are a helpful assistant. USER: Generate
///             <vision>..</vision> " ASSISTANT:"                     an image of caption ASSISTANT:" <vision>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/enumerators.hpp"
#include "tasks/vision/format.hpp"
#include "tokens/tokenizer.hpp"

namespace ringworld {

enum class PromptStyle : std::uint8_t { caption, lwm };

template <>
struct Enumerators<PromptStyle> {
  static constexpr std::string_view what = "prompt style";
  static constexpr std::array<std::string_view, 2> names{"caption", "lwm"};
};

/// A text alone, to be continued or answered.
[[nodiscard]] std::vector<Token> text_prompt(const Tokenizer& tokenizer, PromptStyle style, std::string_view text);

/// What is asked about a picture or a video.
/// @param codes     of whole frames
/// @param question  may be empty: the answer is then a caption
/// @throws ringworld::Error (bad_input) as VisionFormat::append_vision
[[nodiscard]] std::vector<Token> question_prompt(const VisionFormat& format, PromptStyle style,
                                                 std::span<const Token> codes, std::string_view question);

/// A prompt that ends where the first code of a new frame is due.
struct FramePrompt {
  std::string_view caption;
  bool is_video = false;         ///< LWM's prompt says "an image of" or "a video of"
  std::span<const Token> given;  ///< codes of whole frames that the video begins with; none for an image
};
/// @throws ringworld::Error (bad_input) as VisionFormat::append_vision
[[nodiscard]] std::vector<Token> frame_prompt(const VisionFormat& format, PromptStyle style, const FramePrompt& prompt);

/// The same without a caption, which guidance leads away from: bos <vision>, then the given frames.
[[nodiscard]] std::vector<Token> unconditional_prompt(const VisionFormat& format, std::span<const Token> given);

}  // namespace ringworld
