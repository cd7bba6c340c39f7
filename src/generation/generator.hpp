#pragma once
/// @file  Generation of text, images and videos by one model, from prompts of any of them.
/// Shapes: B rows, each a prompt with what is generated after it.
///
///   text     t t t t eos                               drawn among the text tokens, up to the end of the document
///   vision   c c .. c EOF c c .. c EOF c c .. c EOV </vision>
///            drawn among the codes only; markers and delimiter are given, as the format has them
///
/// With guidance a decoder reads both contexts of a row in one batch, padded to one length, and both go on with the one
/// token that was drawn:
///
///   row b        caption <vision> | c0 c1 ..        logits c -+
///                                                             +-- guide --> draw --> the next token of both
///   row B + b    ....... <vision> | c0 c1 ..        logits u -+

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "generation/sampler.hpp"
#include "model/decoder.hpp"
#include "tasks/vision/format.hpp"

namespace ringworld {

struct TextRequest {
  std::int64_t new_tokens = 32;  ///< most that are generated for a row
  TokenRange tokens;             ///< what may be drawn: those that the tokenizer knows
  // NOLINTNEXTLINE(readability-redundant-member-init): lets designated initialisers leave it out without a warning.
  std::optional<Token> end{};  ///< ends a row; it is its last token
  Sampling sampling{};
  std::uint64_t first_row = 0;  ///< number of the first row in its draws
};

struct VisionRequest {
  std::int64_t frames = 1;        ///< that are generated
  std::int64_t given_frames = 0;  ///< that the prompts end with: draws go on behind theirs
  Sampling sampling{};
  double guidance = 1;  ///< s; 1: none, and the unconditional prompts are not read
  // NOLINTNEXTLINE(readability-redundant-member-init): lets designated initialisers leave it out without a warning.
  std::vector<std::vector<Token>> unconditional{};  ///< a prompt a row, without its caption; empty without guidance
  std::uint64_t first_row = 0;                      ///< number of the first row in its draws
};

struct Generation {
  std::vector<std::vector<Token>> rows;  ///< drawn and given tokens of each row, the prompt left out
  double prompt_seconds = 0;             ///< until the first token, on this rank
  std::vector<double> token_seconds;     ///< of each further token that the model was asked for, on this rank
  bool is_finite = true;                 ///< whether all logits that were drawn from were numbers
  bool is_stopped = false;               ///< whether the observer ended it
};

/// Called after each token with the number of tokens so far. False ends the generation; the same on every rank.
using TokenObserver = std::function<bool(std::int64_t tokens)>;

/// Draws depend on the seed, the row and the step only: they are the same for every mesh, up to the rounding of logits.
/// Calls are collective as those of Decoder. A decoder is kept for the next call with prompts of the same shape.
class Generator {
 public:
  /// @param options  batch, lengths and padding are set from the prompts of each call
  Generator(ShardedParameters& parameters, const DecoderOptions& options);

  /// @throws ringworld::Error (bad_input) for an empty prompt, less than one token, or sampling that makes no sense.
  [[nodiscard]] Generation generate_text(std::span<const std::vector<Token>> prompts, const TextRequest& request,
                                         const TokenObserver& observer = {});

  /// @param prompts  each ends with <vision>, or with given frames whose last marker is EOF
  /// @throws ringworld::Error (bad_input) for an empty prompt, no frame, a guidance that is no number, or sampling that
  /// makes no sense.
  [[nodiscard]] Generation generate_vision(std::span<const std::vector<Token>> prompts, const VisionFormat& format,
                                           const VisionRequest& request, const TokenObserver& observer = {});

  /// Keys and values of this rank, in the decoder of the last call.
  [[nodiscard]] std::int64_t cache_bytes() const { return decoder_ ? decoder_->cache_bytes() : 0; }

 private:
  struct Plan;

  Decoder& decoder_for(std::int64_t batch, std::int64_t prompt_length, std::int64_t new_tokens, bool has_padding);
  Generation run(const Plan& plan, const TokenObserver& observer);

  ShardedParameters& parameters_;
  DecoderOptions options_;
  std::unique_ptr<Decoder> decoder_;  // of options_
};

/// The codes, in [0, codebook_size), of generated frames: markers and delimiters left out.
[[nodiscard]] std::vector<Token> codes_of(std::span<const Token> generated, const VisionFormat& format);

}  // namespace ringworld
