#include "experiments/common/trained_model.hpp"

#include <fmt/format.h>

#include <bit>

#include "core/error.hpp"
#include "device/host_access.hpp"
#include "tokens/read_tokenizer.hpp"

namespace ringworld {
namespace {

/// Spreads 64 bits over 64 bits.
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64's finaliser).
std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31U);
}

std::uint64_t digest_of_text(std::string_view text) {
  std::uint64_t digest = text.size();
  for (const char c : text) {
    digest = mixed(digest + static_cast<unsigned char>(c) + 1);
  }
  return digest;
}

/// A sum over elements, so that it does not matter which rank holds which.
std::uint64_t digest_of_parameters(const ShardedParameters& parameters) {
  std::uint64_t digest = 0;
  HostAccess access(parameters.memory());
  const bool is_first_of_tp = parameters.mesh().coordinate(MeshAxis::tp) == 0;
  for (const ParameterPiece& piece : parameters.pieces()) {
    if (piece.tensor->slice.is_replicated() && !is_first_of_tp) {
      continue;
    }
    const std::uint64_t name = digest_of_text(piece.tensor->name);
    const std::span<const float> values = access.read(piece.parameter);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::int64_t element = piece.tensor->global_index(piece.begin + static_cast<std::int64_t>(i));
      digest += mixed(name ^ mixed((static_cast<std::uint64_t>(element) << 1U) + 1) ^
                      std::bit_cast<std::uint32_t>(values[i]));
    }
  }
  const Mesh& mesh = parameters.mesh();
  auto total = static_cast<std::int64_t>(digest);
  for (const MeshAxis axis : {MeshAxis::fsdp, MeshAxis::tp, MeshAxis::sp}) {
    total = mesh.along(axis).all_reduce(total, Reduction::sum);
  }
  return static_cast<std::uint64_t>(total);
}

}  // namespace

TrainedModel::TrainedModel(const Communicator& world, const Mesh& mesh, const std::string& checkpoint,
                           const RunFlags& flags) {
  const auto source = open_tensor_source(world, checkpoint);
  const ModelConfig config = read_model_config(*source);
  const bool is_foreign = !source->attribute("tokenizer").has_value();
  description_ = is_foreign ? read_foreign_description(*source) : read_description(*source);
  on_every_rank(world, [&] {
    if (is_foreign) {
      tokenizer_ = read_tokenizer_of_weights(checkpoint);
      description_.tokenizer = tokenizer_->to_text();
    } else {
      try {
        tokenizer_ = restore_tokenizer(description_.tokenizer);
      } catch (const Error& error) {
        throw Error(error.kind(), fmt::format("'{}': attribute 'tokenizer': {}", checkpoint, error.what()),
                    error.where());
      }
    }
    require_input(tokenizer_->vocab_size() <= config.vocabulary.parts().front().size,
                  fmt::format("'{}': the tokenizer has {} tokens, the model {} of text", checkpoint,
                              tokenizer_->vocab_size(), config.vocabulary.parts().front().size));
    check_schedule_flags(flags.schedule, config, flags.layout, mesh.shape());
    parameters_ = std::make_unique<ShardedParameters>(config, mesh, flags.backend, ParameterUse::evaluation);
  });
  read_parameters(*source, *parameters_);
  digest_ = fmt::format("{:016x}", digest_of_parameters(*parameters_) ^ digest_of_text(description_.tokenizer));
}

}  // namespace ringworld
