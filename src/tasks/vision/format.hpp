#pragma once
/// @file  Images and videos as tokens between text, in the format of Large World Model.
/// Source: Liu et al., arXiv:2402.08268, and its released data processing (LargeWorldModel/LWM, lwm/data.py).
///
///   <vision> c c ... c EOF c c ... c EOF c c ... c EOV </vision>     a video of three frames; an image has one
///   text     vision                                    text            part of the vocabulary that holds the token
///
/// The delimiters are text: three pieces each in LLaMA's vocabulary, one token each in a word vocabulary. A code c of
/// the codebook is token `vision.begin + c`; then follow EOF (end of frame) and EOV (end of vision).
///
/// Deviations: text is encoded without a bos, so that none stands in the middle of a sequence; codes that are no whole
/// number of frames are an error.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tokens/tokenizer.hpp"
#include "tokens/vocabulary.hpp"

namespace ringworld {

/// The text tokens around images and videos.
struct VisionDelimiters {
  std::vector<Token> begin;  ///< <vision>
  std::vector<Token> end;    ///< </vision>

  bool operator==(const VisionDelimiters&) const = default;
};

/// LLaMA's pieces 529 4924 29958 and 1533 4924 29958 for a SentencePiece model of 32,000 pieces; a word vocabulary's
/// own tokens; else the text in the tokenizer's tokens.
/// @throws ringworld::Error (bad_input) for a word vocabulary without those tokens.
[[nodiscard]] VisionDelimiters vision_delimiters_of(const Tokenizer& tokenizer);

/// Tokens, and which of them are predicted with a loss.
struct VisionDocument {
  std::vector<Token> tokens;
  std::vector<bool> is_target;  ///< of each token

  bool operator==(const VisionDocument&) const = default;
};

/// Codes and their places in the vocabulary of a model.
class VisionFormat {
 public:
  /// Rows of the vision part beside the codes: EOF and EOV.
  static constexpr std::int64_t markers = 2;

  /// @param tokenizer   must outlive the format
  /// @param vocabulary  of the model; its part `vision` holds the codes and the markers, and may have more rows (of
  /// LWM's
  ///                    8448 the last 254 are never used)
  /// @throws ringworld::Error (bad_input) when there is no part `vision`, or it is too small for the codebook.
  VisionFormat(const Tokenizer& tokenizer, const Vocabulary& vocabulary, std::int64_t codes_per_frame,
               std::int64_t codebook_size);

  [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
  [[nodiscard]] std::int64_t codes_per_frame() const { return codes_per_frame_; }
  [[nodiscard]] std::int64_t codebook_size() const { return codebook_size_; }
  [[nodiscard]] const VocabularyPart& part() const { return part_; }
  [[nodiscard]] std::span<const Token> begin_of_vision() const { return delimiters_.begin; }
  [[nodiscard]] std::span<const Token> end_of_vision() const { return delimiters_.end; }
  /// The marker after every frame but the last.
  [[nodiscard]] Token end_of_frame() const { return token_of(codebook_size_); }
  /// The marker after the last frame.
  [[nodiscard]] Token last_marker() const { return token_of(codebook_size_ + 1); }
  [[nodiscard]] bool is_code(Token token) const { return token >= part_.begin && token < part_.begin + codebook_size_; }
  /// @throws ringworld::Error (bad_input) unless the code is in [0, codebook_size).
  [[nodiscard]] Token token_of_code(Token code) const;
  /// @pre is_code(token)
  [[nodiscard]] Token code_of(Token token) const { return token - token_of(0); }
  /// Tokens of a vision field of so many frames, delimiters and markers included: 257 n + 6 with LLaMA's pieces and 256
  /// codes a frame.
  [[nodiscard]] std::int64_t vision_length(std::int64_t frames) const;

  /// Has no effect without a bos. It is never a target.
  void append_bos(VisionDocument& document) const;
  /// Has no effect without an eos. It is a target unless the caller says otherwise.
  void append_eos(VisionDocument& document, bool is_target = true) const;
  void append_text(VisionDocument& document, std::string_view text, bool is_target) const;
  void append_tokens(VisionDocument& document, std::span<const Token> tokens, bool is_target) const;
  /// Delimiters, codes and markers, all with or all without loss.
  /// @param codes  of whole frames, one after the other, each in [0, codebook_size)
  /// @throws ringworld::Error (bad_input) for no frame, a part of a frame, or a code outside the codebook.
  void append_vision(VisionDocument& document, std::span<const Token> codes, bool is_target) const;

 private:
  [[nodiscard]] Token token_of(std::int64_t row) const { return static_cast<Token>(part_.begin + row); }

  const Tokenizer& tokenizer_;
  VocabularyPart part_;
  VisionDelimiters delimiters_;
  std::int64_t codes_per_frame_;
  std::int64_t codebook_size_;
};

/// The vocabulary of a model that reads `text_tokens` of text and frames of a codebook: "text:<n>,vision:<codes + 2>".
[[nodiscard]] Vocabulary vision_vocabulary(std::int64_t text_tokens, std::int64_t codebook_size);

}  // namespace ringworld
