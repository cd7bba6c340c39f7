/// Hugging Face folders whose files were changed at random places: they are refused in a line, or read as something else;
/// none ends the program.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/error.hpp"
#include "core/text_file.hpp"
#include "io/temporary_directory.hpp"
#include "tensors/safetensors_writer.hpp"
#include "tensors/tensor_source.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

constexpr const char* configuration = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
  "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 16,
  "rms_norm_eps": 1e-05, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
  "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, "torch_dtype": "float32", "eos_token_id": [1, 2]})";

constexpr const char* index_text = R"({"metadata": {"total_size": 704}, "weight_map":
  {"model.embed_tokens.weight": "one.safetensors", "model.norm.weight": "one.safetensors",
   "lm_head.weight": "two.safetensors"}})";

void write(const fs::path& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

class DamagedFolder : public ::testing::Test {
 protected:
  DamagedFolder() {
    write(folder / "config.json", configuration);
    write(folder / "model.safetensors.index.json", index_text);
    write_shard("one.safetensors", {{"model.embed_tokens.weight", {16, 8}}, {"model.norm.weight", {8}}});
    write_shard("two.safetensors", {{"lm_head.weight", {16, 8}}});
  }

  void write_shard(const char* name, const std::vector<PlannedTensor>& tensors) const {
    SafetensorsWriter writer(folder / name, tensors, DType::float32);
    for (const PlannedTensor& tensor : tensors) {
      const std::vector<float> values(
          static_cast<std::size_t>(tensor.shape.front() * (tensor.shape.size() == 2 ? 8 : 1)));
      writer.write(tensor.name, 0, values);
    }
    writer.publish();
  }

  /// Reads all that the folder holds. @return whether it was refused
  [[nodiscard]] bool is_refused() const {
    try {
      const auto source = open_tensor_source(Communicator::world(), folder);
      for (const std::string& name : source->attribute_names()) {
        static_cast<void>(source->attribute(name));
      }
      for (const std::string& name : source->names()) {
        TensorRange range{.shape = source->describe(name).shape, .end = 1};
        for (const std::int64_t extent : range.shape) {
          range.end *= extent;
        }
        std::vector<float> values(static_cast<std::size_t>(range.size()));
        source->read(name, range, values);
      }
      return false;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_input) << error.what();
      return true;
    }
  }

  test::TemporaryDirectory directory;
  fs::path folder = directory.path();
};

TEST_F(DamagedFolder, IsReadWhenItIsWhole) { EXPECT_FALSE(is_refused()); }

TEST_F(DamagedFolder, NeverEndsTheProgram) {
  std::mt19937_64 random(17);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  int refused = 0;
  for (const char* const name : {"config.json", "model.safetensors.index.json", "one.safetensors", "two.safetensors"}) {
    const std::string whole = read_binary_file(folder / name);
    for (int file = 0; file < RINGWORLD_FUZZED_FILES / 4; ++file) {
      std::string content = whole;
      for (std::size_t change = 0; change <= below(4); ++change) {
        content[below(content.size())] = static_cast<char>(random());
      }
      if (below(4) == 0) {
        content.resize(below(content.size()));
      }
      write(folder / name, content);
      refused += is_refused() ? 1 : 0;
    }
    write(folder / name, whole);
  }
  EXPECT_FALSE(is_refused());
  EXPECT_GT(refused, RINGWORLD_FUZZED_FILES / 4);
}

}  // namespace
}  // namespace ringworld
