#pragma once
/// @file  Documents about cards: images, clips and videos with needles, each with caption or questions, and text.
///
///   image_text  <bos> <vision> 16 codes EOV </vision> red seven top left <eos>       loss: caption, eos
///   text_image  <bos> red seven top left <vision> 16 codes EOV </vision> <eos>       loss: all after the caption
///   video_text  <bos> <vision> 16 codes EOF ... EOV </vision> red seven moves leftwards <eos>
///   text_video  <bos> red seven moves leftwards <vision> ... </vision> <eos>;  video: without caption
///   text        <bos> and a window of the haystack                                   loss: all
///   needle      <bos> <vision> F frames </vision>, then of each needle: what digit is red seven .    loss: the digits

#include <span>
#include <utility>

#include "cards/card_bank.hpp"
#include "data/haystack.hpp"
#include "tasks/vision/examples.hpp"

namespace ringworld {

struct CardExampleOptions {
  std::uint64_t seed = 0;
  std::uint64_t stage = 0;
  double caption_drop = 0.1;  ///< share of text_image and text_video documents that have no caption
  double shape_share = 0.2;   ///< share of white shapes among the objects of captions
  std::int64_t frames = 8;    ///< of a needle video
  std::int64_t max_needles = 6;
  /// Probability that a needle video has as many needles as it may; else 1 to that many, uniformly.
  double dense_probability = 0.5;
  std::int64_t text_tokens = 48;  ///< of a text document, bos included
};

/// @throws ringworld::Error (bad_input) when an option makes no sense.
void validate(const CardExampleOptions& options);

/// A kind and how many documents of it are in one cycle of the mixture.
using MixtureShare = std::pair<VisionKind, std::int64_t>;

/// "image_text:24, text_image:24, text:4"
/// @throws ringworld::Error (bad_input) for an unknown format, one that stands twice, or a share that is no number.
[[nodiscard]] std::vector<MixtureShare> parse_mixture(std::string_view text);

/// Documents of a mixture: number n is entry n % cycle of the cycle, whose entries are the kinds in order, each as
/// often as its share says. The bank's world is used with its training split.
class CardExamples final : public VisionExamples {
 public:
  /// All that is given by reference must outlive the object.
  /// @param bank  null where no kind has frames
  /// @throws ringworld::Error (bad_input) for a haystack shorter than a text document, or frames without a bank.
  CardExamples(std::span<const MixtureShare> mixture, const CardExampleOptions& options, const VisionFormat& format,
               CardBank* bank, const Haystack& haystack);

  /// Kinds of the entries of a cycle.
  [[nodiscard]] const std::vector<VisionKind>& cycle() const { return cycle_; }
  /// The most tokens that a document of this kind has.
  [[nodiscard]] std::int64_t longest(VisionKind kind) const;
  /// "needle of 64 frames", for messages.
  [[nodiscard]] std::string describe(VisionKind kind) const;

  /// Encodes the frames of all documents in one pass of the network: one by one takes several times as long.
  void prepare(std::span<const std::int64_t> numbers, std::int64_t round) override;
  [[nodiscard]] VisionExample example(std::int64_t number, std::int64_t round) override;
  [[nodiscard]] VisionExample outline(std::int64_t number, std::int64_t round) override;
  [[nodiscard]] std::int64_t length(std::int64_t number, std::int64_t round) override;

 private:
  /// @param has_codes  false: zeros in place of codes, no frame is encoded, and all are added to `shown_`
  [[nodiscard]] VisionExample draw(std::int64_t number, std::int64_t round, bool has_codes);
  void append_frames(VisionDocument& document, std::span<const CardFrame> frames, bool is_target, bool has_codes);
  void append_clip_or_image(VisionKind kind, DrawStream& draws, bool has_codes, VisionDocument& document);
  void append_needles(DrawStream& draws, bool has_codes, VisionDocument& document);
  void append_question(VisionDocument& document, std::int64_t colour, std::int64_t digit) const;

  CardExampleOptions options_;
  std::vector<VisionKind> cycle_;
  VisionFormat format_;
  CardBank* bank_;
  std::span<const Token> hay_;
  std::vector<CardFrame> shown_;  ///< frames that were left out since it was cleared
};

}  // namespace ringworld
