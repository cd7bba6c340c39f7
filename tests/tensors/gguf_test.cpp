/// Weights in GGUF against the `gguf` package, bit by bit: tests/golden/make_gguf_golden.py makes the files. Damaged
/// files are refused in a line, or read as something else; none ends the program.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "core/error.hpp"
#include "core/text_file.hpp"
#include "io/expect_error.hpp"
#include "io/temporary_directory.hpp"
#include "tensors/gguf_model.hpp"
#include "tensors/gguf_source.hpp"
#include "tensors/tensor_source.hpp"

namespace ringworld {
namespace {

const std::filesystem::path golden = RINGWORLD_GOLDEN_GGUF;

std::int64_t elements_of(const std::vector<std::int64_t>& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t extent : shape) {
    elements *= extent;
  }
  return elements;
}

std::vector<std::uint32_t> bits_of(const TensorSource& source, const std::string& name, const TensorRange& range) {
  std::vector<float> values(static_cast<std::size_t>(range.size()));
  source.read(name, range, values);
  std::vector<std::uint32_t> bits;
  std::ranges::transform(values, std::back_inserter(bits),
                         [](float value) { return std::bit_cast<std::uint32_t>(value); });
  return bits;
}

class Gguf : public ::testing::Test {
 protected:
  std::unique_ptr<TensorSource> source = open_tensor_source(Communicator::world(), golden / "blocks.gguf");
  std::unique_ptr<TensorSource> expected = open_tensor_source(Communicator::world(), golden / "blocks.safetensors");
};

TEST_F(Gguf, EveryTypeIsWhatTheGgufPackageReads) {
  EXPECT_EQ(source->names(), expected->names());
  ASSERT_EQ(expected->names().size(), 8U);
  for (const std::string& name : expected->names()) {
    const std::vector<std::int64_t> shape = expected->describe(name).shape;
    ASSERT_EQ(source->describe(name).shape, shape) << name;
    const TensorRange whole{.shape = shape, .begin = 0, .end = elements_of(shape)};
    EXPECT_EQ(bits_of(*source, name, whole), bits_of(*expected, name, whole)) << name;
  }
}

TEST_F(Gguf, PartsOfBlocksAndSlicesAreReadAlike) {
  for (const std::string& name : expected->names()) {
    const std::vector<std::int64_t> shape = expected->describe(name).shape;
    const std::int64_t size = elements_of(shape);
    for (const auto& [begin, end] :
         {std::pair<std::int64_t, std::int64_t>{0, 1}, {7, 41}, {size - 33, size}, {31, size}}) {
      const TensorRange part{.shape = shape, .begin = begin, .end = end};
      EXPECT_EQ(bits_of(*source, name, part), bits_of(*expected, name, part)) << name << begin;
    }
    if (shape.size() == 2) {
      const TensorRange columns{
          .shape = shape, .axis = 1, .slice_begin = 45, .slice_count = 90, .begin = 13, .end = 90 * shape[0] - 5};
      EXPECT_EQ(bits_of(*source, name, columns), bits_of(*expected, name, columns)) << name;
    }
  }
}

TEST_F(Gguf, KeysBecomeTheAttributesOfAConfiguration) {
  EXPECT_EQ(source->get<std::int64_t>("hidden_size"), 256);
  EXPECT_EQ(source->get<std::int64_t>("num_key_value_heads"), 1);
  EXPECT_EQ(source->get<std::int64_t>("vocab_size"), 6);
  EXPECT_EQ(source->get<double>("rope_theta"), 100000.0);
  EXPECT_EQ(source->get<std::string>("rope_pairing"), "half_split");
  EXPECT_TRUE(source->get<bool>("tie_word_embeddings"));
  EXPECT_FALSE(source->get<bool>("attention_bias"));
}

class DamagedGguf : public ::testing::Test {
 protected:
  std::unique_ptr<TensorSource> open(const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
    return open_gguf(Communicator::world(), path);
  }
  void refuse(const std::string& content, std::string_view why) {
    test::expect_bad_input([&] { static_cast<void>(open(content)); }, {path.string(), why});
  }
  /// The file with the first `from` replaced by `to`, which is as long.
  [[nodiscard]] std::string with(std::string_view from, std::string_view to) const {
    std::string changed = whole;
    return changed.replace(changed.find(from), from.size(), to);
  }

  test::TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "damaged.gguf";
  std::string whole = read_binary_file(golden / "blocks.gguf");
};

TEST_F(DamagedGguf, IsRefusedInALine) {
  refuse("", "it is truncated");
  refuse("GGUX" + whole.substr(4), "it is no GGUF file");
  refuse(whole.substr(0, 4) + std::string("\x09\0\0\0", 4) + whole.substr(8), "version 9");
  refuse(whole.substr(0, 8) + std::string(8, '\xff') + whole.substr(16), "it is truncated: its header would have");
  refuse(whole.substr(0, 100), "it is truncated");
  refuse(whole.substr(0, whole.size() - 2000), "bytes behind the end of the file");
  refuse(with("llama", "gemma"), "its architecture is 'gemma', where llama or qwen2 or qwen3 is read");
  refuse(with("llama.rope.freq_base", "llama.rope.freq_bass"), "llama.rope.freq_bass");
  refuse(with("token_embd.weight", "token_embd.weighs"), "it has no tensor 'token_embd.weight'");
  refuse(with("blk.0.attn_k", "blk.0.attn_q"), "tensor 'blk.0.attn_q.weight' stands twice");
}

TEST_F(DamagedGguf, NeverEndsTheProgram) {
  std::mt19937_64 random(16);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  constexpr std::size_t header_bytes = 1000;
  int refused = 0;
  for (int file = 0; file < RINGWORLD_FUZZED_FILES; ++file) {
    std::string content = whole;
    for (std::size_t change = 0; change <= below(4); ++change) {
      content[below(header_bytes)] = static_cast<char>(random());
    }
    if (below(4) == 0) {
      content.resize(below(content.size()));
    }
    try {
      const auto source = open(content);
      for (const std::string& name : source->names()) {
        const std::vector<std::int64_t> shape = source->describe(name).shape;
        if (shape.size() <= 2) {
          static_cast<void>(bits_of(*source, name, {.shape = shape, .begin = 0, .end = elements_of(shape)}));
        }
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_input) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, RINGWORLD_FUZZED_FILES / 4);
}

TEST(GgufModel, RowsOfAHeadAreInterleaved) {
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < 12; ++row) {
    rows.push_back(reordered_row(row, 6));
  }
  EXPECT_EQ(rows, (std::vector<std::int64_t>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
}

}  // namespace
}  // namespace ringworld
