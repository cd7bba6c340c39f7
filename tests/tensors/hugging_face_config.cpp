#include "tensors/hugging_face_config.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "io/expect_error.hpp"

namespace ringworld {
namespace {

TEST(HuggingFaceConfig, BecomesAttributes) {
  const AttributeMap found = attributes_of_config(
      R"({"hidden_size": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "model_type": "llama",
          "rope_scaling": null, "architectures": ["LlamaForCausalLM"], "sizes": [1, 2], "rates": [1, 0.5],
          "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}, "num_attention_heads": 4, "empty": []})",
      "config");
  EXPECT_EQ(found.at("hidden_size"), AttributeValue(std::int64_t{64}));
  EXPECT_EQ(found.at("rms_norm_eps"), AttributeValue(1e-5));
  EXPECT_EQ(found.at("tie_word_embeddings"), AttributeValue(true));
  EXPECT_EQ(found.at("model_type"), AttributeValue(std::string("llama")));
  EXPECT_FALSE(found.at("rope_scaling").has_value());
  EXPECT_EQ(found.at("architectures"), AttributeValue(std::vector<std::string>{"LlamaForCausalLM"}));
  EXPECT_EQ(found.at("sizes"), AttributeValue(std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(found.at("rates"), AttributeValue(std::vector<double>{1, 0.5}));
  EXPECT_EQ(found.at("rope_parameters"), AttributeValue(std::string(R"({"rope_type":"default","rope_theta":500.0})")));
  EXPECT_EQ(found.at("empty"), AttributeValue(std::string("[]")));
}

TEST(HuggingFaceConfig, FillsInWhatIsLeftOut) {
  const AttributeMap least = attributes_of_config(R"({"num_attention_heads": 4})", "config");
  EXPECT_EQ(least.at("num_key_value_heads"), AttributeValue(std::int64_t{4}));
  EXPECT_EQ(least.at("attention_bias"), AttributeValue(false));
  EXPECT_EQ(least.at("tie_word_embeddings"), AttributeValue(false));
  EXPECT_EQ(least.at("rms_norm_eps"), AttributeValue(1e-6));
  EXPECT_EQ(least.at("rope_theta"), AttributeValue(10000.0));
  EXPECT_EQ(least.at("rope_pairing"), AttributeValue(std::string("half_split")));
  const AttributeMap qwen = attributes_of_config(
      R"({"model_type": "qwen2", "rope_parameters": {"rope_theta": 7},
          "num_key_value_heads": 1, "num_attention_heads": 2})",
      "config");
  EXPECT_EQ(qwen.at("attention_bias"), AttributeValue(true));
  EXPECT_EQ(qwen.at("rope_theta"), AttributeValue(std::int64_t{7}));
  EXPECT_EQ(qwen.at("num_key_value_heads"), AttributeValue(std::int64_t{1}));
}

TEST(HuggingFaceConfig, HasToBeAnObject) {
  test::expect_bad_input([] { static_cast<void>(attributes_of_config("{,}", "'x/config.json'")); },
                         {"'x/config.json' is not JSON"});
  test::expect_bad_input([] { static_cast<void>(attributes_of_config("3", "'x/config.json'")); },
                         {"'x/config.json' is no JSON object"});
  test::expect_bad_input([] { static_cast<void>(attributes_of_config(R"({"a": {"b": 1, "b": 2}})", "'c'")); },
                         {"'c' has 'b' twice"});
  const std::string deep = R"({"a": )" + std::string(100000, '[') + std::string(100000, ']') + "}";
  test::expect_bad_input([&] { static_cast<void>(attributes_of_config(deep, "'c'")); },
                         {"'c' has more than 100 levels of brackets"});
}

}  // namespace
}  // namespace ringworld
