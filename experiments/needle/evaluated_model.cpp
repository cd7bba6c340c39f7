#include "experiments/needle/evaluated_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>

#include "core/error.hpp"
#include "data/corpus.hpp"
#include "experiments/score/hugging_face_checkpoint.hpp"
#include "io/tensor_file.hpp"

namespace ringworld {
namespace {

/// Spreads 64 bits over 64 bits.
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64's finaliser).
std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31U);
}

std::uint64_t digest_of(std::string_view text) {
  std::uint64_t digest = text.size();
  for (const char c : text) {
    digest = mixed(digest + static_cast<unsigned char>(c) + 1);
  }
  return digest;
}

/// A sum over elements, so that it does not matter which rank holds which.
std::uint64_t digest_of(const ShardedParameters& parameters) {
  std::uint64_t digest = 0;
  const bool is_first_of_tp = parameters.mesh().coordinate(MeshAxis::tp) == 0;
  for (const ParameterPiece& piece : parameters.pieces()) {
    if (piece.tensor->slice.is_replicated() && !is_first_of_tp) {
      continue;
    }
    const std::uint64_t name = digest_of(piece.tensor->name);
    for (std::size_t i = 0; i < piece.parameter.size(); ++i) {
      const std::int64_t element = piece.tensor->global_index(piece.begin + static_cast<std::int64_t>(i));
      digest += mixed(name ^ mixed((static_cast<std::uint64_t>(element) << 1U) + 1) ^
                      std::bit_cast<std::uint32_t>(piece.parameter[i]));
    }
  }
  const Mesh& mesh = parameters.mesh();
  auto total = static_cast<std::int64_t>(digest);
  for (const MeshAxis axis : {MeshAxis::fsdp, MeshAxis::tp, MeshAxis::sp}) {
    total = mesh.along(axis).all_reduce(total, Reduction::sum);
  }
  return static_cast<std::uint64_t>(total);
}

Corpus read_corpus(const std::vector<std::string>& words, std::int64_t training_seed) {
  if (words.size() == 1 && words.front() == "kjv") {
    return read_kjv_corpus();
  }
  if (words.size() == 1 && words.front() == "synthetic") {
    return make_synthetic_corpus({.seed = static_cast<std::uint64_t>(training_seed)});
  }
  const std::vector<std::filesystem::path> files(words.begin(), words.end());
  return read_text_corpus(files);
}

/// What `ringworld train` says of its model beside Hugging Face's attributes.
template <class T>
T training_attribute(const TensorReader& file, const std::string& name) {
  const std::optional<AttributeValue> value = file.attribute(name);
  const T* typed = value ? std::get_if<T>(&*value) : nullptr;
  require_input(typed != nullptr,
                fmt::format("{}: the attribute '{}' is missing; is it a checkpoint of ringworld train?",
                            file.path().string(), name));
  return *typed;
}

}  // namespace

EvaluatedModel::EvaluatedModel(const NeedleOptions& values, const Mesh& mesh) {
  const TensorReader file = TensorReader::open(values.checkpoint);
  const ModelConfig config = read_model_config(file);
  const auto tokenizer_text = training_attribute<std::string>(file, "tokenizer");
  schedule_ = training_attribute<std::string>(file, "schedule");
  stage_ = training_attribute<std::int64_t>(file, "stage");
  training_seed_ = training_attribute<std::int64_t>(file, "seed");
  trained_ = {.context_length = training_attribute<std::int64_t>(file, "context_length"),
              .rope_theta = config.rope_theta};
  parameters_ = std::make_unique<ShardedParameters>(config, mesh);
  read_parameters(file, *parameters_);
  digest_ = fmt::format("{:016x}", digest_of(*parameters_) ^ digest_of(tokenizer_text));

  tokenizer_ = restore_tokenizer(tokenizer_text);
  require_input(tokenizer_->vocab_size() <= config.vocab_size,
                fmt::format("{}: the tokenizer has {} tokens, the model {}", values.checkpoint,
                            tokenizer_->vocab_size(), config.vocab_size));
  haystack_.emplace(read_corpus(values.haystack, training_seed_), *tokenizer_);
  if (const auto* words = dynamic_cast<const WordTokenizer*>(tokenizer_.get())) {
    const auto trained_with = training_attribute<std::string>(file, "needle_template");
    format_.emplace(
        *words, parse_needle_template(values.needle_template == "checkpoint" ? trained_with : values.needle_template));
  } else {
    prompt_.emplace(*tokenizer_, *haystack_);
  }
}

NeedleTrial EvaluatedModel::draw(const NeedleCell& cell, std::int64_t trial) const {
  return format_ ? draw_needle_trial(*format_, *haystack_, cell, trial) : prompt_->draw(cell, trial);
}

}  // namespace ringworld
