#include "eval/greedy_decoder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <set>

#include "core/random.hpp"
#include "eval/ring_predictor.hpp"
#include "support/available_device.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t batch = 2;
constexpr std::int64_t new_tokens = 7;

ModelConfig small_config(bool is_tied, RopePairing pairing) {
  return {.hidden_size = 64,
          .ffn_size = 96,
          .layers = 3,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 16,
          .vocabulary = 61,
          .rope_theta = 500.0,
          .rope_pairing = pairing,
          .is_head_tied = is_tied,
          .has_attention_bias = true,
          .initializer_range = 0.25};
}

Mesh ring_mesh() {
  const Communicator world = Communicator::world();
  return {world, MeshShape{{1, 1, 1, world.size()}}};
}

std::vector<Token> random_prompt(std::int64_t length) {
  const CounterRng rng(4, 1);
  std::vector<Token> tokens;
  for (std::int64_t i = 0; i < batch * length; ++i) {
    tokens.push_back(static_cast<Token>(rng.integer(static_cast<std::uint64_t>(i), 61)));
  }
  return tokens;
}

/// The first `length` tokens of `generated` behind each prompt.
std::vector<Token> joined(std::span<const Token> prompt, std::span<const Token> generated, std::int64_t count,
                          std::int64_t total) {
  const std::int64_t length = std::ssize(prompt) / batch;
  std::vector<Token> tokens;
  for (std::int64_t b = 0; b < batch; ++b) {
    tokens.insert(tokens.end(), prompt.begin() + b * length, prompt.begin() + (b + 1) * length);
    tokens.insert(tokens.end(), generated.begin() + b * count, generated.begin() + b * count + (total - length));
  }
  return tokens;
}

class GreedyDecoding : public ::testing::TestWithParam<std::tuple<Layout, bool>> {};

TEST_P(GreedyDecoding, EqualsArgmaxOfOnePassOverTheFinishedText) {
  const auto [layout, is_tied] = GetParam();
  const Mesh mesh = ring_mesh();
  constexpr std::int64_t total = 23;  // which no ring of 2, 3 or 4 ranks divides
  const std::int64_t prompt_length = total - new_tokens - 1;
  ShardedParameters parameters(small_config(is_tied, is_tied ? RopePairing::half_split : RopePairing::interleaved),
                               mesh);
  parameters.initialize(Initialization::lwm, 11);
  GreedyDecoder decoder(parameters, {.batch = batch,
                                     .prompt_length = prompt_length,
                                     .new_tokens = new_tokens,
                                     .layout = layout,
                                     .rope_theta = 500.0});
  const std::vector<Token> prompt = random_prompt(prompt_length);
  const std::int64_t count = new_tokens + 1;
  const std::vector<Token> generated = decoder.generate(prompt, count);
  ASSERT_EQ(std::ssize(generated), batch * count);

  RingPredictor model(parameters, {.batch = batch, .context_length = total, .layout = layout, .is_forward_only = true},
                      500.0);
  std::vector<TokenPlace> places;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t token = 0; token < count; ++token) {
      places.push_back({.row = b, .position = prompt_length + token});
    }
  }
  const std::vector<NextToken> expected = model.predict(joined(prompt, generated, count, total), places);
  std::set<Token> distinct;
  for (std::size_t index = 0; index < expected.size(); ++index) {
    EXPECT_EQ(generated[index], expected[index].likeliest) << "place " << index;
    distinct.insert(generated[index]);
  }
  EXPECT_GT(distinct.size(), 2U) << "a model that always says the same would prove nothing";
}

TEST_P(GreedyDecoding, LogitsEqualThoseOfReadingTheWholeTextAgain) {
  const auto [layout, is_tied] = GetParam();
  const Mesh mesh = ring_mesh();
  const std::int64_t prompt_length = 11;
  ShardedParameters parameters(small_config(is_tied, RopePairing::half_split), mesh);
  parameters.initialize(Initialization::lwm, 3);
  const auto make = [&](std::int64_t length, std::int64_t tokens) {
    return std::make_unique<GreedyDecoder>(
        parameters,
        DecoderOptions{
            .batch = batch, .prompt_length = length, .new_tokens = tokens, .layout = layout, .rope_theta = 500.0});
  };
  const auto decoder = make(prompt_length, new_tokens);
  const std::vector<Token> prompt = random_prompt(prompt_length);
  const std::vector<Token> text = random_prompt(new_tokens);
  (void)decoder->read(prompt);
  for (std::int64_t token = 0; token < new_tokens; ++token) {
    const std::array<Token, batch> next{text[static_cast<std::size_t>(token)],
                                        text[static_cast<std::size_t>(new_tokens + token)]};
    (void)decoder->add(next);
    const std::int64_t total = prompt_length + token + 1;
    const auto again = make(total, 1);
    (void)again->read(joined(prompt, text, new_tokens, total));
    double largest = 0;
    double difference = 0;
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t v = 0; v < 61; ++v) {
        largest = std::max(largest, std::abs(static_cast<double>(again->logits()(b, v))));
        difference = std::max(difference, std::abs(static_cast<double>(again->logits()(b, v)) -
                                                   static_cast<double>(decoder->logits()(b, v))));
      }
    }
    EXPECT_GT(largest, 0.1);
    EXPECT_LT(difference, 2e-5 * largest) << "token " << token;
  }
}

TEST_P(GreedyDecoding, PromptsOfAnyLengthAreContinuedAsByOneRank) {
  const auto [layout, is_tied] = GetParam();
  const Communicator world = Communicator::world();
  const Mesh alone(world.split(world.rank(), 0), MeshShape{});
  const Mesh mesh = ring_mesh();
  const ModelConfig config = small_config(is_tied, RopePairing::half_split);
  ShardedParameters shared(config, mesh);
  ShardedParameters own(config, alone);
  shared.initialize(Initialization::lwm, 8);
  own.initialize(Initialization::lwm, 8);
  // Fewer tokens than ranks, as many or one more, and lengths that no ring of 2, 3 or 4 divides.
  for (const std::int64_t prompt_length : {1, 2, 3, 5, 11, 23}) {
    const DecoderOptions options{.batch = batch,
                                 .prompt_length = prompt_length,
                                 .new_tokens = new_tokens,
                                 .layout = layout,
                                 .rope_theta = 500.0};
    GreedyDecoder decoder(shared, options);
    GreedyDecoder expected(own, options);
    const std::vector<Token> prompt = random_prompt(prompt_length);
    EXPECT_EQ(decoder.generate(prompt, new_tokens + 1), expected.generate(prompt, new_tokens + 1))
        << "prompt of " << prompt_length;
    double largest = 0;
    double difference = 0;
    const TensorView<const float, 2> logits = decoder.logits();
    const TensorView<const float, 2> right = expected.logits();
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t v = 0; v < config.vocabulary.size(); ++v) {
        largest = std::max(largest, std::abs(static_cast<double>(right(b, v))));
        difference =
            std::max(difference, std::abs(static_cast<double>(logits(b, v)) - static_cast<double>(right(b, v))));
      }
    }
    EXPECT_LT(difference, 1e-5 * largest) << "prompt of " << prompt_length;
  }
}

INSTANTIATE_TEST_SUITE_P(LayoutsAndHeads, GreedyDecoding,
                         ::testing::Combine(::testing::Values(Layout::contiguous, Layout::striped, Layout::zigzag),
                                            ::testing::Bool()));

/// How far the logits of two decoders lie apart, relative to the largest of the second.
double distance(const TensorView<const float, 2>& logits, const TensorView<const float, 2>& right) {
  double largest = 0;
  double difference = 0;
  for (std::int64_t b = 0; b < logits.shape[0]; ++b) {
    for (std::int64_t v = 0; v < logits.shape[1]; ++v) {
      largest = std::max(largest, std::abs(static_cast<double>(right(b, v))));
      difference = std::max(difference, std::abs(static_cast<double>(logits(b, v)) - static_cast<double>(right(b, v))));
    }
  }
  return difference / largest;
}

std::vector<MeshShape> decoding_meshes() {
  switch (Communicator::world().size()) {
    case 2:
      return {{{1, 1, 1, 2}}, {{1, 1, 2, 1}}, {{1, 2, 1, 1}}};
    case 4:
      return {{{1, 1, 1, 4}}, {{1, 1, 2, 2}}, {{1, 2, 2, 1}}};
    default:
      return {{{1, 1, 1, Communicator::world().size()}}};
  }
}

/// Reads a prompt and adds the same tokens, whatever is likeliest.
void follow(GreedyDecoder& decoder, std::span<const Token> prompt) {
  (void)decoder.read(prompt);
  for (Token token = 0; token < new_tokens; ++token) {
    (void)decoder.add(std::array<Token, batch>{token, static_cast<Token>(60 - token)});
  }
}

TEST(GreedyDecoder, MeshesTypesBackendsAndSourcesOfWeightsAgreeWithOneRank) {
  const Communicator world = Communicator::world();
  const Mesh alone(world.split(world.rank(), 0), MeshShape{});
  constexpr std::int64_t prompt_length = 11;
  const std::vector<Token> prompt = random_prompt(prompt_length);
  for (const bool is_tied : {false, true}) {
    ModelConfig config = small_config(is_tied, RopePairing::half_split);
    config.vocabulary = is_tied ? Vocabulary::parse("text:40,vision:21") : Vocabulary(61);
    ShardedParameters own(config, alone);
    own.initialize(Initialization::lwm, 8);
    DecoderOptions options{
        .batch = batch, .prompt_length = prompt_length, .new_tokens = new_tokens, .rope_theta = 500.0};
    GreedyDecoder expected(own, options);
    follow(expected, prompt);
    for (const Backend backend : {Backend::reference, Backend::host, Backend::kokkos, Backend::cuda}) {
      if (!why_unavailable(backend).empty()) {
        continue;
      }
      for (const MeshShape& shape : decoding_meshes()) {
        ShardedParameters shared(config, Mesh(world, shape), backend);
        shared.initialize(Initialization::lwm, 8);
        for (const DType dtype : {DType::float32, DType::bfloat16}) {
          for (const bool holds_weights : {true, false}) {
            options.backend = backend;
            options.dtype = dtype;
            options.holds_weights = holds_weights;
            GreedyDecoder decoder(shared, options);
            follow(decoder, prompt);
            EXPECT_LT(distance(decoder.logits(), expected.logits()), dtype == DType::float32 ? 2e-5 : 0.06)
                << name_of(backend) << " " << shape.to_string() << " " << name_of(dtype)
                << (holds_weights ? " held" : " gathered");
          }
        }
      }
    }
  }
}

TEST(Decoder, TheLikeliestTokenIsThatOfThePartThatIsAskedFor) {
  ModelConfig config = small_config(false, RopePairing::half_split);
  config.vocabulary = Vocabulary::parse("text:40,vision:21");
  ShardedParameters parameters(config, ring_mesh());
  parameters.initialize(Initialization::lwm, 8);
  Decoder decoder(parameters, {.batch = batch, .prompt_length = 11, .new_tokens = new_tokens});
  decoder.read(random_prompt(11));
  for (std::size_t part = 0; part < 2; ++part) {
    const std::vector<std::int32_t> likeliest = decoder.likeliest(part);
    const TensorView<const float, 2> logits = decoder.logits();
    const VocabularyPart& tokens = config.vocabulary.parts()[part];
    for (std::int64_t b = 0; b < batch; ++b) {
      const float* const row = &logits(b, 0);
      EXPECT_EQ(likeliest[static_cast<std::size_t>(b)], std::max_element(row + tokens.begin, row + tokens.end()) - row);
    }
  }
}

TEST(GreedyDecoder, RefusesParametersThatAreElsewhere) {
  ShardedParameters parameters(small_config(true, RopePairing::half_split), ring_mesh(), Backend::host);
  for (const Backend backend : backends_with_own_memory()) {
    expect_error(ErrorKind::internal,
                 [&] { GreedyDecoder decoder(parameters, {.prompt_length = 3, .backend = backend}); }, {"not where"});
  }
}

TEST(GreedyDecoder, RefusesAPromptWithoutTokens) {
  const Mesh mesh = ring_mesh();
  ShardedParameters parameters(small_config(true, RopePairing::half_split), mesh);
  expect_error(ErrorKind::bad_input, [&] { GreedyDecoder decoder(parameters, {.prompt_length = 0}); },
               {"at least 1 token"});
}

}  // namespace
}  // namespace ringworld::test
