#include "experiments/common/trained_model.hpp"

#include <fmt/format.h>

#include <bit>

#include "core/error.hpp"
#include "device/host_access.hpp"

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
  HostAccess access(parameters.memory());
  const bool is_first_of_tp = parameters.mesh().coordinate(MeshAxis::tp) == 0;
  for (const ParameterPiece& piece : parameters.pieces()) {
    if (piece.tensor->slice.is_replicated() && !is_first_of_tp) {
      continue;
    }
    const std::uint64_t name = digest_of(piece.tensor->name);
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
                           Backend backend) {
  const CheckpointReader reader(world, checkpoint);
  const ModelConfig config = read_model_config(reader);
  if (!reader.attribute("tokenizer").has_value()) {
    throw Error(ErrorKind::bad_input,
                fmt::format("'{}' has no attribute 'tokenizer'; is it a checkpoint of ringworld train?", checkpoint))
        .as_collective();
  }
  description_ = read_description(reader);
  on_every_rank(world, [&] {
    try {
      tokenizer_ = restore_tokenizer(description_.tokenizer);
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("'{}': attribute 'tokenizer': {}", checkpoint, error.what()),
                  error.where());
    }
    require_input(tokenizer_->vocab_size() <= config.vocab_size,
                  fmt::format("'{}': the tokenizer has {} tokens, the model {}", checkpoint, tokenizer_->vocab_size(),
                              config.vocab_size));
    parameters_ = std::make_unique<ShardedParameters>(config, mesh, backend);
  });
  read_parameters(reader, *parameters_);
  digest_ = fmt::format("{:016x}", digest_of(*parameters_) ^ digest_of(description_.tokenizer));
}

}  // namespace ringworld
