#include "model/parameter_layout.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

ModelConfig grouped() {
  ModelConfig config = model_preset("needle");
  config.kv_heads = 2;
  config.is_head_tied = false;
  return config;
}

TEST(ParameterLayout, HoldsAsManyElementsAsTheConfigurationCounts) {
  for (const auto name : model_preset_names) {
    const ModelConfig config = model_preset(name);
    const ParameterLayout layout(config, 1, 0);
    std::int64_t elements = 0;
    for (const UnitLayout& unit : layout.units()) {
      elements += unit.elements;
    }
    EXPECT_EQ(elements, parameter_count(config)) << name;
  }
}

TEST(ParameterLayout, NamesAndShapesAreThoseOfHuggingFace) {
  const ParameterLayout layout(grouped(), 1, 0);
  EXPECT_EQ(layout.unit_count(), 4);
  EXPECT_EQ(layout.unit(0).tensors.front().name, "model.embed_tokens.weight");
  const TensorLayout& key = layout.unit(2).tensor("k_proj.weight");
  EXPECT_EQ(key.name, "model.layers.1.self_attn.k_proj.weight");
  EXPECT_EQ(key.global_shape, (std::vector<std::int64_t>{32, 64}));
  EXPECT_EQ(layout.unit(1).tensor("down_proj.weight").global_shape, (std::vector<std::int64_t>{64, 192}));
  EXPECT_EQ(layout.unit(3).tensor("lm_head.weight").name, "lm_head.weight");
}

TEST(ParameterLayout, QueriesKeysAndValuesLieSideBySideAndSoDoGateAndUp) {
  const ParameterLayout layout(grouped(), 2, 1);
  const UnitLayout& unit = layout.unit(1);
  for (const auto& [first, second] :
       std::vector<std::pair<std::string, std::string>>{{"q_proj.weight", "k_proj.weight"},
                                                        {"k_proj.weight", "v_proj.weight"},
                                                        {"q_proj.bias", "k_proj.bias"},
                                                        {"k_proj.bias", "v_proj.bias"},
                                                        {"gate_proj.weight", "up_proj.weight"}}) {
    EXPECT_EQ(unit.tensor(first).offset + unit.tensor(first).local_elements(), unit.tensor(second).offset);
  }
}

TEST(ParameterLayout, OnlyMatricesOfLayersAndTheHeadDecay) {
  const ParameterLayout layout(grouped(), 1, 0);
  for (const UnitLayout& unit : layout.units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      EXPECT_EQ(tensor.is_decayed, tensor.global_shape.size() == 2 && tensor.name != "model.embed_tokens.weight")
          << tensor.name;
    }
  }
}

TEST(ParameterLayout, SlicesOfAllRanksCoverEveryElementOnce) {
  std::map<std::string, std::vector<int>> times;
  for (std::int64_t rank = 0; rank < 2; ++rank) {
    const ParameterLayout layout(grouped(), 2, rank);
    for (const UnitLayout& unit : layout.units()) {
      for (const TensorLayout& tensor : unit.tensors) {
        auto& count = times[tensor.name];
        count.resize(static_cast<std::size_t>(tensor.global_elements()));
        for (std::int64_t local = 0; local < tensor.local_elements();) {
          const std::int64_t run = tensor.run_length(local);
          for (std::int64_t i = 0; i < run; ++i) {
            EXPECT_EQ(tensor.global_index(local + i), tensor.global_index(local) + i);
            count[static_cast<std::size_t>(tensor.global_index(local + i))] += tensor.slice.is_replicated() ? 1 : 2;
          }
          local += run;
        }
      }
    }
  }
  for (const auto& [name, count] : times) {
    for (const int element : count) {
      ASSERT_EQ(element, 2) << name;
    }
  }
}

TEST(ParameterLayout, PartsOfTheVocabularyLieSideBySideInEmbeddingAndHead) {
  ModelConfig config = grouped();
  config.vocabulary = Vocabulary::parse("text:101,vision:30");
  for (std::int64_t rank = 0; rank < 2; ++rank) {
    const ParameterLayout layout(config, 2, rank);
    const VocabularySlices& slices = layout.vocabulary();
    ASSERT_EQ(slices.parts().size(), 2U);
    EXPECT_EQ(slices.rows(), slices.parts()[0].count + 15);
    EXPECT_EQ(slices.largest_part(), slices.parts()[0].count);
    const auto expect_tables = [&](const UnitLayout& unit, const std::string& text, const std::string& vision,
                                   std::int64_t offset) {
      EXPECT_EQ(unit.tensor(text).offset, offset);
      EXPECT_EQ(unit.tensor(vision).offset, offset + slices.parts()[1].row * config.hidden_size);
      EXPECT_EQ(unit.tensor(vision).global_shape, (std::vector<std::int64_t>{30, 64}));
    };
    expect_tables(layout.unit(0), "model.embed_tokens.weight", "model.embed_vision.weight",
                  ParameterLayout::embedding_offset());
    expect_tables(layout.unit(3), "lm_head.weight", "vision_head.weight", layout.head_offset());
  }
}

TEST(VocabularySlices, EveryTokenHasARowOnOneRank) {
  const Vocabulary vocabulary = Vocabulary::parse("text:11,vision:4");
  const VocabularySlices ranks[] = {{vocabulary, 3, 0}, {vocabulary, 3, 1}, {vocabulary, 3, 2}};
  for (std::int32_t token = 0; token < 15; ++token) {
    int holders = 0;
    for (const VocabularySlices& slices : ranks) {
      const std::int32_t row = slices.row_of(token);
      if (row >= 0) {
        ++holders;
        const PartSlice& slice = slices.parts()[vocabulary.part_of(token)];
        EXPECT_EQ(slice.first_token() + row - slice.row, token);
        EXPECT_LT(row, slices.rows());
      }
    }
    EXPECT_EQ(holders, 1) << token;
    EXPECT_EQ(ranks[0].row_of(15), -1);
  }
}

TEST(ParameterLayout, RefusesTensorParallelismThatDoesNotDivide) {
  expect_error(ErrorKind::bad_input, [] { ParameterLayout(grouped(), 4, 0); }, {"tp = 4", "kv_heads = 2"});
  expect_error(ErrorKind::bad_input, [] { ParameterLayout(grouped(), 3, 0); }, {"tp = 3", "heads = 4"});
}

}  // namespace
}  // namespace ringworld::test
