/// @file  What a rank's memory grows by while it loads weights: its shard and a tenth of it at most, whatever the format.
/// The kernel's own count is read (VmHWM), so that buffers of libraries are in it.

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "comm/communicator.hpp"
#include "io/checkpoint.hpp"
#include "model/parameter_layout.hpp"
#include "perf/resident_memory.hpp"
#include "tensors/tensor_source.hpp"
#include "train/model_checkpoint.hpp"
#include "train/training_problem.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

/// 32 M parameters: 128 MB in all, of which every rank has its share.
ModelConfig large_config() {
  ModelConfig config = model_preset("debug");
  config.hidden_size = 1024;
  config.ffn_size = 2048;
  config.layers = 2;
  config.heads = 8;
  config.kv_heads = 8;
  config.head_size = 128;
  config.vocabulary = 6000;
  config.rope_pairing = RopePairing::half_split;
  return config;
}

struct Extent {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t elements = 0;
};

std::vector<Extent> extents() {
  std::vector<Extent> all;
  const ParameterLayout layout(large_config(), 1, 0);
  for (const UnitLayout& unit : layout.units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      all.push_back({.name = tensor.name, .shape = tensor.global_shape, .elements = tensor.global_elements()});
    }
  }
  return all;
}

/// A file whose tensors are holes, which are read as zeros.
void write_holes(const fs::path& path, const std::string& header, std::int64_t bytes) {
  std::ofstream(path, std::ios::binary) << header;
  fs::resize_file(path, header.size() + static_cast<std::uintmax_t>(bytes));
}

template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::string counted(const std::string& text) { return bytes_of<std::uint64_t>(text.size()) + text; }

nlohmann::json configuration() {
  const ModelConfig config = large_config();
  return {{"hidden_size", config.hidden_size},      {"intermediate_size", config.ffn_size},
          {"num_hidden_layers", config.layers},     {"num_attention_heads", config.heads},
          {"vocab_size", config.vocabulary.size()}, {"rope_theta", config.rope_theta},
          {"rms_norm_eps", config.rms_norm_eps},    {"model_type", "llama"}};
}

/// @param type, bytes_per_element  of the numbers in the file
void write_safetensors(const fs::path& folder, const std::string& type, std::int64_t bytes_per_element) {
  nlohmann::ordered_json header;
  std::int64_t end = 0;
  for (const Extent& tensor : extents()) {
    const std::int64_t begin = end;
    end += tensor.elements * bytes_per_element;
    header[tensor.name] = {{"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  fs::create_directories(folder);
  std::ofstream(folder / "config.json") << configuration();
  write_holes(folder / "model.safetensors", counted(header.dump()), end);
}

void write_gguf(const fs::path& path) {
  constexpr std::uint32_t version = 3;
  constexpr std::uint32_t text_type = 8;
  constexpr std::uint32_t integer_type = 4;
  constexpr std::uint32_t float_type = 6;
  constexpr std::uint32_t q8_0 = 8;
  constexpr std::int64_t alignment = 32;
  const ModelConfig config = large_config();
  std::string keys = counted("general.architecture") + bytes_of(text_type) + counted("llama");
  std::uint64_t key_count = 1;
  const auto integer = [&](const std::string& name, std::int64_t value) {
    keys += counted("llama." + name) + bytes_of(integer_type) + bytes_of(static_cast<std::uint32_t>(value));
    ++key_count;
  };
  integer("embedding_length", config.hidden_size);
  integer("feed_forward_length", config.ffn_size);
  integer("block_count", config.layers);
  integer("attention.head_count", config.heads);
  keys += counted("llama.attention.layer_norm_rms_epsilon") + bytes_of(float_type) + bytes_of(1e-6F);
  ++key_count;
  const auto gguf_name = [](std::string name) {
    constexpr std::array<std::pair<const char*, const char*>, 13> parts{{{"model.layers.", "blk."},
                                                                         {"model.embed_tokens", "token_embd"},
                                                                         {"model.norm", "output_norm"},
                                                                         {"lm_head", "output"},
                                                                         {"input_layernorm", "attn_norm"},
                                                                         {"post_attention_layernorm", "ffn_norm"},
                                                                         {"self_attn.q_proj", "attn_q"},
                                                                         {"self_attn.k_proj", "attn_k"},
                                                                         {"self_attn.v_proj", "attn_v"},
                                                                         {"self_attn.o_proj", "attn_output"},
                                                                         {"mlp.gate_proj", "ffn_gate"},
                                                                         {"mlp.up_proj", "ffn_up"},
                                                                         {"mlp.down_proj", "ffn_down"}}};
    for (const auto& [from, to] : parts) {
      if (const std::size_t at = name.find(from); at != std::string::npos) {
        name.replace(at, std::string_view(from).size(), to);
      }
    }
    return name;
  };
  std::string tensors;
  std::int64_t end = 0;
  const std::vector<Extent> all = extents();
  for (const Extent& tensor : all) {
    tensors += counted(gguf_name(tensor.name)) + bytes_of(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) {
      tensors += bytes_of(static_cast<std::uint64_t>(*extent));
    }
    tensors += bytes_of(q8_0) + bytes_of(static_cast<std::uint64_t>(end));
    constexpr std::int64_t block_elements = 32;
    constexpr std::int64_t block_bytes = 34;
    end += (tensor.elements / block_elements * block_bytes + alignment - 1) / alignment * alignment;
  }
  std::string header = "GGUF" + bytes_of(version) + bytes_of(static_cast<std::uint64_t>(all.size())) +
                       bytes_of(key_count) + keys + tensors;
  header.resize((header.size() + alignment - 1) / alignment * alignment);
  write_holes(path, header, end);
}

void write_hdf5(const fs::path& from, const fs::path& to) {
  const auto source = open_tensor_source(Communicator::world(), from);
  CheckpointWriter writer(Communicator::world(), to);
  for (const std::string& name : source->attribute_names()) {
    if (const auto value = source->attribute(name); value.has_value()) {
      writer.set_attribute(name, *value);
    }
  }
  for (const Extent& tensor : extents()) {
    TensorRange range{.shape = tensor.shape};
    range.end = Communicator::world().is_root() ? tensor.elements : 0;
    writer.write(tensor.name, range, std::vector<float>(static_cast<std::size_t>(range.end)));
  }
  writer.publish();
}

class LoadingMemory : public ::testing::Test {
 protected:
  /// Expects that loading takes a shard and a tenth of it, on the ranks of one fsdp group.
  void expect_a_shard(const fs::path& weights) {
    const Communicator world = Communicator::world();
    const Mesh mesh(world, {{1, world.size(), 1, 1}});
    const ResidentGrowth growth;
    const auto source = open_tensor_source(world, weights);
    ShardedParameters parameters(read_model_config(*source), mesh, Backend::host, ParameterUse::evaluation);
    read_parameters(*source, parameters);
    const auto shard = static_cast<double>(parameters.shard().size_bytes());
    ASSERT_GT(shard, 20e6) << "what libraries take would hide what is measured";
    if (growth.peak_bytes() > 0) {
      EXPECT_LE(static_cast<double>(growth.peak_bytes()), 1.1 * shard) << weights << " rank " << world.rank();
    }
  }

  /// Made by the root, seen by all.
  [[nodiscard]] fs::path make(const std::string& name, const std::function<void(const fs::path&)>& write) const {
    const fs::path path = directory / name;
    on_root(Communicator::world(), [&] { write(path); });
    return path;
  }

  test::SharedDirectory directory{Communicator::world()};
};

TEST_F(LoadingMemory, OfSafetensorsIsAShard) {
  expect_a_shard(make("halves", [](const fs::path& path) { write_safetensors(path, "F16", 2); }));
  expect_a_shard(make("singles", [](const fs::path& path) { write_safetensors(path, "F32", 4); }));
}

TEST_F(LoadingMemory, OfQuantisedBlocksIsAShard) { expect_a_shard(make("model.gguf", write_gguf)); }

TEST_F(LoadingMemory, OfHdf5IsAShard) {
  const fs::path weights = make("singles", [](const fs::path& path) { write_safetensors(path, "F32", 4); });
  write_hdf5(weights, directory / "model.h5");
  expect_a_shard(directory / "model.h5");
}

}  // namespace
}  // namespace ringworld
