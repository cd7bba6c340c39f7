#pragma once
/// @file  Where the documents of the vision task come from, and the parts of the loss that they are counted in.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/enumerators.hpp"
#include "data/batch.hpp"
#include "tasks/vision/format.hpp"

namespace ringworld {

/// What a document teaches.
enum class VisionKind : std::uint8_t { image_text, text_image, video, text_video, video_text, text, needle };

template <>
struct Enumerators<VisionKind> {
  static constexpr std::string_view what = "vision format";
  static constexpr std::array<std::string_view, 7> names{"image_text", "text_image", "video", "text_video",
                                                         "video_text", "text",       "needle"};
};

inline constexpr std::size_t vision_kinds = Enumerators<VisionKind>::names.size();

/// Whether its frames are what is predicted.
[[nodiscard]] constexpr bool predicts_frames(VisionKind kind) noexcept {
  return kind == VisionKind::text_image || kind == VisionKind::video || kind == VisionKind::text_video;
}

/// How the loss weighs its targets. Text and vision weigh the same.
enum class VisionLoss : std::uint8_t {
  formats,  ///< mean over each format's targets, then over the formats of a modality
  tokens,   ///< mean over all targets of a modality in the step
  rows,     ///< mean over the targets of a modality in each row, then over all rows: LWM's, in whose code a row without
            ///< targets of a modality adds 0 and yet divides
};

template <>
struct Enumerators<VisionLoss> {
  static constexpr std::string_view what = "loss";
  static constexpr std::array<std::string_view, 3> names{"formats", "tokens", "rows"};
};

/// The terms of the loss: one a kind, and after them `delimiters`, the text tokens that a document whose frames are
/// predicted has round them (</vision>, eos), which are easy and would hide the accuracy of the codes.
class VisionTerms {
 public:
  /// @param kinds        that occur, in any order, each once or more
  /// @param text_weight  of plain text beside captions and answers, with VisionLoss::formats
  VisionTerms(std::vector<VisionKind> kinds, VisionLoss loss, double text_weight);

  [[nodiscard]] const std::vector<LossTerm>& terms() const { return terms_; }
  /// The term of a target in a document of this kind.
  /// @pre the kind is one of those given
  [[nodiscard]] TermIndex term_of(VisionKind kind, bool is_vision_token) const {
    const auto index = static_cast<std::size_t>(kind);
    return predicts_frames(kind) && !is_vision_token ? delimiters_ : term_of_kind_[index];
  }

 private:
  std::vector<LossTerm> terms_;
  std::array<TermIndex, vision_kinds> term_of_kind_{};
  TermIndex delimiters_ = no_term;
};

/// A document with the kind that its targets are counted under.
struct VisionExample {
  VisionKind kind = VisionKind::text;
  VisionDocument document;
};

/// A numbered set of documents, each of which may be another one in every round: the step of a mixture, the epoch of a
/// file.
class VisionExamples {
 public:
  VisionExamples() = default;
  VisionExamples(const VisionExamples&) = delete;
  VisionExamples& operator=(const VisionExamples&) = delete;
  virtual ~VisionExamples() = default;

  /// Announces documents that are asked for next: what they need is made for all of them together.
  virtual void prepare(std::span<const std::int64_t> /*numbers*/, std::int64_t /*round*/) {}
  /// A pure function of its arguments. Called by one thread at a time.
  [[nodiscard]] virtual VisionExample example(std::int64_t number, std::int64_t round) = 0;
  /// The same targets, tokens of equal number, but any codes: what counting needs.
  [[nodiscard]] virtual VisionExample outline(std::int64_t number, std::int64_t round) = 0;
  /// Its tokens.
  [[nodiscard]] virtual std::int64_t length(std::int64_t number, std::int64_t round) = 0;
};

}  // namespace ringworld
