#pragma once
/// @file  Images and videos, any to any: captions of frames, frames of captions, and questions about long videos.
/// Source: Liu et al., arXiv:2402.08268; the loss weighs text and vision alike, as there.
/// Terms: one a format (image_text, text_image, video, text_video, video_text, text, needle) and `delimiters`.

#include "tasks/task.hpp"
#include "tasks/vision/card_examples.hpp"
#include "tasks/vision/packing.hpp"

namespace ringworld {

class VisionTask final : public Task {
 public:
  [[nodiscard]] std::string_view kind() const override { return "vision"; }
  void visit_keys(TaskKeys& keys) override;
  [[nodiscard]] std::vector<LossTerm> terms() const override;
  [[nodiscard]] bool has_documents() const override { return packing_ == VisionPacking::masked; }
  [[nodiscard]] bool has_frames() const override { return true; }
  /// Words of captions and questions, and the markers.
  [[nodiscard]] TaskWords words() const override;
  [[nodiscard]] std::vector<std::string> files() const override;
  /// @throws ringworld::Error (bad_input) also when a document does not fit the context, or a cycle of the mixture not
  /// the rows of a step.
  [[nodiscard]] std::unique_ptr<BatchSource> source(const TaskData& data, const TaskStage& stage) const override;

 private:
  [[nodiscard]] VisionTerms terms_of(std::vector<VisionKind> kinds) const;
  [[nodiscard]] BatchOptions batch_options(const TaskStage& stage, const VisionTerms& terms) const;
  [[nodiscard]] std::unique_ptr<BatchSource> source_of_cards(const TaskData& data, const TaskStage& stage) const;
  [[nodiscard]] std::unique_ptr<BatchSource> source_of_file(const TaskData& data, const TaskStage& stage) const;

  std::string mix_ = "image_text:1,text_image:1";
  std::string examples_;  ///< a file of examples in place of cards
  std::string fields_;    ///< of examples that do not say theirs
  std::int64_t max_frames_ = 0;
  VisionPacking packing_ = VisionPacking::masked;
  VisionLoss loss_ = VisionLoss::formats;
  double text_weight_ = 0.1;
  CardExampleOptions cards_;  // all options except seed and stage
};

}  // namespace ringworld
