#include "vqgan/weights.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "device/host_access.hpp"
#include "io/non_finite.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t codes_per_side_of_lwm = 16;
constexpr std::int64_t middle_blocks_of_diffusers = 2;
constexpr std::string_view optimizer_prefix = "optimizer/";
constexpr std::string_view training_prefix = "training/";

[[noreturn]] void refuse(const TensorSource& source, const std::string& why) {
  throw Error(ErrorKind::bad_input, fmt::format("'{}' {}", source.path().string(), why)).as_collective();
}

/// Integers of an attribute; one counts as a list.
std::optional<std::vector<std::int64_t>> integers(const AttributeValue& value) {
  if (const auto* const list = std::get_if<std::vector<std::int64_t>>(&value)) {
    return *list;
  }
  if (const auto one = as_integer(value)) {
    return std::vector{*one};
  }
  return std::nullopt;
}

bool is_all(const AttributeValue& value, std::string_view wanted) {
  if (const auto* const list = std::get_if<std::vector<std::string>>(&value)) {
    return std::ranges::all_of(*list, [&](const std::string& item) { return item == wanted; });
  }
  return as_text(value) == std::string(wanted);
}

/// What a configuration can ask for beyond the numbers of VqganConfig, and the only answer that the network has.
struct Demand {
  std::string_view key;
  std::string_view accepted;
  bool (*accepts)(const AttributeValue& value);
};

bool is_three(const AttributeValue& value) { return as_integer(value) == 3; }
bool is_off(const AttributeValue& value) { return as_boolean(value) == false; }
bool is_on(const AttributeValue& value) { return as_boolean(value) == true; }
bool is_zero(const AttributeValue& value) { return as_number(value) == 0; }
bool is_silu(const AttributeValue& value) { return is_all(value, "silu"); }
bool is_group(const AttributeValue& value) { return is_all(value, "group"); }
bool is_down_block(const AttributeValue& value) { return is_all(value, "DownEncoderBlock2D"); }
bool is_up_block(const AttributeValue& value) { return is_all(value, "UpDecoderBlock2D"); }
bool is_empty_list(const AttributeValue& value) { return as_text(value) == "[]"; }

constexpr std::array demands{
    Demand{"in_channels", "3", is_three},
    Demand{"out_channels", "3", is_three},
    Demand{"act_fn", "silu", is_silu},
    Demand{"norm_type", "group", is_group},
    Demand{"down_block_types", "DownEncoderBlock2D at every level, which has no attention", is_down_block},
    Demand{"up_block_types", "UpDecoderBlock2D at every level, which has no attention", is_up_block},
    Demand{"mid_block_add_attention", "false: the network has no attention", is_off},
    Demand{"num_channels", "3", is_three},
    Demand{"attn_resolutions", "an empty list: the network has no attention", is_empty_list},
    Demand{"no_attn_mid_block", "true: the network has no attention", is_on},
    Demand{"resample_with_conv", "true", is_on},
    Demand{"dropout", "0", is_zero},
};

/// Reads the first of two keys that is there, diffusers' and open-MUSE's.
std::int64_t read_integer(const TensorSource& source, const std::string& key, const std::string& other) {
  return source.get<std::int64_t>(source.attribute(key).has_value() || !source.attribute(other).has_value() ? key
                                                                                                            : other);
}

std::vector<std::int64_t> read_integers(const TensorSource& source, const std::string& key) {
  const auto value = source.attribute(key);
  const auto list = value.has_value() ? integers(*value) : std::nullopt;
  if (!list.has_value()) {
    refuse(source, fmt::format("has no attribute '{}' that is a list of integers", key));
  }
  return *list;
}

void read_channels(const TensorSource& source, VqganConfig& config) {
  if (source.attribute("channel_mult").has_value()) {
    config.hidden_size = source.get<std::int64_t>("hidden_channels");
    config.multipliers = read_integers(source, "channel_mult");
    return;
  }
  const std::vector<std::int64_t> channels = read_integers(source, "block_out_channels");
  config.hidden_size = channels.front();
  config.multipliers.clear();
  for (const std::int64_t count : channels) {
    if (config.hidden_size < 1 || count % config.hidden_size != 0) {
      refuse(source, fmt::format("says block_out_channels = {}; each must be a multiple of the first",
                                 fmt::join(channels, ", ")));
    }
    config.multipliers.push_back(count / config.hidden_size);
  }
}

/// Whether the tensors have open-MUSE's names.
bool has_muse_names(const TensorSource& source) { return source.has("encoder.down.0.block.0.norm1.weight"); }

void read_tensor(const TensorSource& source, const std::string& name, const VqganTensor& tensor, HostAccess& access,
                 std::span<float> numbers, NonFiniteNumbers& non_finite) {
  std::vector<float> file(static_cast<std::size_t>(tensor.size()));
  source.read(name, {.shape = tensor.shape, .begin = 0, .end = tensor.size()}, file);
  non_finite.count(name, tensor.shape, 0, file);
  access.write(VqganParameters::part(numbers, tensor),
               [&](std::span<float> memory) { from_file_order(tensor, file, memory); });
}

void require_finite(const TensorSource& source, const NonFiniteNumbers& non_finite) {
  if (!non_finite.is_empty()) {
    throw Error(ErrorKind::bad_input, fmt::format("'{}': {}", source.path().string(), non_finite.to_string()))
        .as_collective();
  }
}

}  // namespace

bool is_vqgan(const TensorSource& source) {
  return source.attribute("block_out_channels").has_value() || source.attribute("channel_mult").has_value();
}

VqganConfig read_vqgan_config(const TensorSource& source) {
  if (!is_vqgan(source)) {
    refuse(source,
           "is no VQGAN: it has neither the attribute block_out_channels (diffusers, and our own checkpoints) nor "
           "channel_mult (open-MUSE); a safetensors file needs its config.json beside it");
  }
  for (const Demand& demand : demands) {
    const auto value = source.attribute(std::string(demand.key));
    if (value.has_value() && !demand.accepts(*value)) {
      refuse(source, fmt::format("says {} = {}, which the network does not do; it can be {}", demand.key,
                                 describe(*value), demand.accepted));
    }
  }
  VqganConfig config;
  read_channels(source, config);
  config.blocks = read_integer(source, "layers_per_block", "num_res_blocks");
  config.latent_channels = read_integer(source, "latent_channels", "z_channels");
  config.codebook_size = read_integer(source, "num_vq_embeddings", "num_embeddings");
  const auto read_optional = [&](const std::string& key, std::int64_t& target) {
    if (source.attribute(key).has_value()) {
      target = source.get<std::int64_t>(key);
    }
  };
  read_optional("norm_num_groups", config.norm_groups);
  config.middle_blocks = middle_blocks_of_diffusers;
  read_optional("middle_blocks", config.middle_blocks);
  config.frame_side = codes_per_side_of_lwm << (config.levels() - 1);
  read_optional("resolution", config.frame_side);
  read_optional("frame_side", config.frame_side);
  for (const char* const key : {"commitment", "commitment_cost"}) {
    if (source.attribute(key).has_value()) {
      config.commitment = source.get<double>(key);
    }
  }
  for (const char* const key : {"vq_embed_dim", "quantized_embed_dim"}) {
    if (source.attribute(key).has_value() && source.get<std::int64_t>(key) != config.latent_channels) {
      refuse(source,
             fmt::format("says {} = {}, which the network does not do; it can be the number of latent channels, {}",
                         key, source.get<std::int64_t>(key), config.latent_channels));
    }
  }
  try {
    validate(config);
  } catch (const Error& error) {
    refuse(source, fmt::format("cannot be used: {}", error.what()));
  }
  return config;
}

void read_vqgan_values(const TensorSource& source, VqganParameters& parameters) {
  const bool is_muse = has_muse_names(source);
  const std::vector<VqganTensor>& tensors = parameters.architecture().tensors;
  std::set<std::string> known;
  for (const VqganTensor& tensor : tensors) {
    known.insert(is_muse ? tensor.muse_name : tensor.name);
  }
  for (const std::string& name : source.names()) {
    const bool is_ours = name.starts_with(optimizer_prefix) || name.starts_with(training_prefix);
    if (!is_ours && !known.contains(name)) {
      refuse(source, fmt::format("has a tensor '{}', for which the network that it describes has no place", name));
    }
  }
  HostAccess access(parameters.memory());
  NonFiniteNumbers non_finite;
  for (const VqganTensor& tensor : tensors) {
    read_tensor(source, is_muse ? tensor.muse_name : tensor.name, tensor, access, parameters.values(), non_finite);
  }
  require_finite(source, non_finite);
}

void read_vqgan_group(const TensorSource& source, const std::string& prefix, const VqganParameters& parameters,
                      std::span<float> numbers) {
  HostAccess access(parameters.memory());
  NonFiniteNumbers non_finite;
  for (const VqganTensor& tensor : parameters.architecture().tensors) {
    read_tensor(source, prefix + tensor.name, tensor, access, numbers, non_finite);
  }
  require_finite(source, non_finite);
}

void write_vqgan_config(CheckpointWriter& writer, const VqganConfig& config) {
  std::vector<std::int64_t> channels;
  for (std::int64_t level = 0; level < config.levels(); ++level) {
    channels.push_back(config.channels(level));
  }
  writer.set_attribute("_class_name", std::string("VQModel"));
  writer.set_attribute("block_out_channels", channels);
  writer.set_attribute("layers_per_block", config.blocks);
  writer.set_attribute("latent_channels", config.latent_channels);
  writer.set_attribute("num_vq_embeddings", config.codebook_size);
  writer.set_attribute("norm_num_groups", config.norm_groups);
  writer.set_attribute("mid_block_add_attention", false);
  writer.set_attribute("middle_blocks", config.middle_blocks);
  writer.set_attribute("frame_side", config.frame_side);
  writer.set_attribute("commitment", config.commitment);
}

void write_vqgan_group(CheckpointWriter& writer, const Communicator& communicator, const std::string& prefix,
                       const VqganParameters& parameters, std::span<float> numbers) {
  HostAccess access(parameters.memory());
  for (const VqganTensor& tensor : parameters.architecture().tensors) {
    std::vector<float> file;
    if (communicator.is_root()) {
      file.resize(static_cast<std::size_t>(tensor.size()));
      to_file_order(tensor, access.read(VqganParameters::part(numbers, tensor)), file);
    }
    writer.write(prefix + tensor.name, {.shape = tensor.shape, .begin = 0, .end = std::ssize(file)}, file);
  }
}

}  // namespace ringworld
