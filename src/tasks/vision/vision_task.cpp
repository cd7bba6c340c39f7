#include "tasks/vision/vision_task.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "tasks/vision/batches.hpp"
#include "tasks/vision/fields.hpp"
#include "tasks/vision/file_examples.hpp"

namespace ringworld {
namespace {

const FrameData& frames_of(const TaskData& data) {
  require_input(data.frames != nullptr, "data of kind vision need [data] frame_tokenizer");
  return *data.frames;
}

VisionFormat format_of(const TaskData& data) {
  const FrameData& frames = frames_of(data);
  return {data.tokenizer, data.vocabulary, frames.codes_per_frame, frames.codebook_size};
}

Token padding_of(const Tokenizer& tokenizer) { return tokenizer.bos().value_or(0); }

void require_fits(std::int64_t tokens, const std::string& what, const RowShape& row) {
  require_input(tokens <= row.tokens(),
                fmt::format("context_length {} does not hold a document of {} tokens ({}): a stage whose frames do not "
                            "fit its context; give {} or more, or fewer frames",
                            row.context_length, tokens, what, tokens - 1));
}

}  // namespace

void VisionTask::visit_keys(TaskKeys& keys) {
  keys.visit("mix", mix_);
  keys.visit("frames", cards_.frames);
  keys.visit("max_needles", cards_.max_needles);
  keys.visit("dense_probability", cards_.dense_probability);
  keys.visit("caption_drop", cards_.caption_drop);
  keys.visit("shape_share", cards_.shape_share);
  keys.visit("text_tokens", cards_.text_tokens);
  keys.visit("text_weight", text_weight_);
  keys.visit("examples", examples_);
  keys.visit("fields", fields_);
  keys.visit("max_frames", max_frames_);
  keys.visit("packing", packing_);
  keys.visit("loss", loss_);
  validate(cards_);
  static_cast<void>(parse_mixture(mix_));
  if (!fields_.empty()) {
    static_cast<void>(parse_fields(fields_));
  }
  require_input(max_frames_ >= 0, fmt::format("max_frames is {}; give 0 (all) or more", max_frames_));
}

VisionTerms VisionTask::terms_of(std::vector<VisionKind> kinds) const {
  return {std::move(kinds), loss_, text_weight_};
}

std::vector<LossTerm> VisionTask::terms() const {
  std::vector<VisionKind> kinds;
  if (examples_.empty()) {
    std::ranges::transform(parse_mixture(mix_), std::back_inserter(kinds), &MixtureShare::first);
  } else {
    kinds = kinds_of_files();
  }
  return terms_of(std::move(kinds)).terms();
}

TaskWords VisionTask::words() const {
  return {.keys = {},
          .words = examples_.empty() ? card_words() : std::vector<std::string>(),
          .markers = {"<eos>", "<vision>", "</vision>"}};
}

std::vector<std::string> VisionTask::files() const {
  return examples_.empty() ? std::vector<std::string>() : std::vector{examples_};
}

BatchOptions VisionTask::batch_options(const TaskStage& stage, const VisionTerms& terms) const {
  return {.context_length = stage.context_length,
          .sequences_per_step = stage.sequences_per_step,
          .terms = terms.terms(),
          .attends_within_documents = has_documents()};
}

std::unique_ptr<BatchSource> VisionTask::source_of_cards(const TaskData& data, const TaskStage& stage) const {
  const std::vector<MixtureShare> mixture = parse_mixture(mix_);
  CardExampleOptions options = cards_;
  options.seed = data.seed;
  options.stage = static_cast<std::uint64_t>(stage.index);
  auto examples =
      std::make_unique<CardExamples>(mixture, options, format_of(data), frames_of(data).cards, data.haystack);
  const RowShape row{.context_length = stage.context_length};
  std::vector<std::int64_t> lengths;
  for (const VisionKind kind : examples->cycle()) {
    const std::int64_t longest = examples->longest(kind);
    if (packing_ == VisionPacking::masked) {
      require_fits(longest, examples->describe(kind), row);
    }
    lengths.push_back(packing_ == VisionPacking::pad ? std::min(longest, row.tokens()) : longest);
  }
  PackingPlan plan = pack_cycles(packing_, lengths, row, stage.sequences_per_step);
  require_input(
      plan.rows > 0,
      fmt::format("mix '{}' fills {} rows of context_length {}, batch is {}; give a larger batch or context, "
                  "or smaller numbers in the mix",
                  mix_, rows_of_cycle(packing_, lengths, row), stage.context_length, stage.sequences_per_step));
  std::vector<VisionKind> kinds = examples->cycle();
  VisionTerms terms = terms_of(std::move(kinds));
  return std::make_unique<VisionBatches>(
      batch_options(stage, terms),
      VisionBatchOptions{.seed = data.seed, .stage = options.stage, .packing = packing_, .shuffles_rows = false},
      data.vocabulary.part("vision"), terms, std::move(plan), std::move(examples), padding_of(data.tokenizer));
}

std::unique_ptr<BatchSource> VisionTask::source_of_file(const TaskData& data, const TaskStage& stage) const {
  auto examples = std::make_unique<FileExamples>(
      FileExampleOptions{.path = examples_, .fields = fields_, .max_frames = max_frames_}, format_of(data),
      frames_of(data).digest);
  const RowShape row{.context_length = stage.context_length};
  const std::vector<std::int64_t> lengths = examples->lengths();
  for (std::int64_t number = 0; packing_ == VisionPacking::masked && number < std::ssize(lengths); ++number) {
    require_fits(lengths[static_cast<std::size_t>(number)], examples->describe(number), row);
  }
  PackingPlan plan = pack_in_order(packing_, lengths, row);
  require_input(plan.rows > 0, fmt::format("'{}' has not enough tokens for a row of context_length {}", examples_,
                                           stage.context_length));
  VisionTerms terms = terms_of(examples->kinds());
  return std::make_unique<VisionBatches>(batch_options(stage, terms),
                                         VisionBatchOptions{.seed = data.seed,
                                                            .stage = static_cast<std::uint64_t>(stage.index),
                                                            .packing = packing_,
                                                            .shuffles_rows = true},
                                         data.vocabulary.part("vision"), terms, std::move(plan), std::move(examples),
                                         padding_of(data.tokenizer));
}

std::unique_ptr<BatchSource> VisionTask::source(const TaskData& data, const TaskStage& stage) const {
  return examples_.empty() ? source_of_cards(data, stage) : source_of_file(data, stage);
}

}  // namespace ringworld
