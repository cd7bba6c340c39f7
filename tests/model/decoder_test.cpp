#include "model/decoder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "core/random.hpp"
#include "support/available_device.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t prompt_length = 13;  // which no ring of 2, 3, 4 or 6 ranks divides
constexpr std::int64_t new_tokens = 7;
constexpr double theta = 500.0;

ModelConfig small_config() {
  return {.hidden_size = 64,
          .ffn_size = 96,
          .layers = 3,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 16,
          .vocabulary = Vocabulary::parse("text:40,vision:21"),
          .rope_theta = theta,
          .rope_pairing = RopePairing::half_split,
          .has_attention_bias = true,
          .has_query_key_norm = true,
          .initializer_range = 0.25};
}

std::vector<std::int32_t> drawn_tokens(std::uint64_t stream, std::int64_t count) {
  const CounterRng rng(4, stream);
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<std::int32_t>(rng.integer(static_cast<std::uint64_t>(i), 61)));
  }
  return tokens;
}

/// Rows with this much padding: no row of the batch alike, and the longest prompt first, last or in between.
const std::vector<std::vector<std::int64_t>> paddings{{0, 5, 12}, {9, 0, 3}, {1, 11, 0}};

/// The tokens of row `b` without its padding.
std::vector<std::int32_t> tokens_of_row(std::int64_t b, std::int64_t padding) {
  return drawn_tokens(static_cast<std::uint64_t>(b) + 1, prompt_length - padding);
}

/// The next tokens of each row, whatever is likeliest.
std::int32_t token_of_step(std::int64_t b, std::int64_t step) {
  return static_cast<std::int32_t>((7 * b + 11 * step + 3) % 61);
}

/// Logits (steps + 1, V) of one row: after its prompt and after each new token.
using RowLogits = std::vector<float>;

void append(RowLogits& logits, const TensorView<const float, 2>& batch, std::int64_t b) {
  logits.insert(logits.end(), &batch(b, 0), &batch(b, 0) + batch.shape[1]);
}

RowLogits logits_of_row_alone(ShardedParameters& parameters, DecoderOptions options, std::int64_t b,
                              std::int64_t padding) {
  options.batch = 1;
  options.prompt_length = prompt_length - padding;
  options.has_padding = false;
  Decoder decoder(parameters, options);
  RowLogits result;
  decoder.read(tokens_of_row(b, padding));
  append(result, decoder.logits(), 0);
  for (std::int64_t step = 0; step < new_tokens; ++step) {
    decoder.add(std::array{token_of_step(b, step)});
    append(result, decoder.logits(), 0);
  }
  return result;
}

std::vector<RowLogits> logits_of_padded_rows(Decoder& decoder, const std::vector<std::int64_t>& padding,
                                             std::int32_t filling) {
  std::vector<std::int32_t> prompts;
  for (std::size_t b = 0; b < padding.size(); ++b) {
    prompts.insert(prompts.end(), static_cast<std::size_t>(padding[b]), filling);
    const std::vector<std::int32_t> tokens = tokens_of_row(static_cast<std::int64_t>(b), padding[b]);
    prompts.insert(prompts.end(), tokens.begin(), tokens.end());
  }
  std::vector<RowLogits> result(padding.size());
  const auto keep = [&] {
    for (std::size_t b = 0; b < padding.size(); ++b) {
      append(result[b], decoder.logits(), static_cast<std::int64_t>(b));
    }
  };
  decoder.read(prompts, padding);
  keep();
  for (std::int64_t step = 0; step < new_tokens; ++step) {
    std::vector<std::int32_t> next;
    for (std::size_t b = 0; b < padding.size(); ++b) {
      next.push_back(token_of_step(static_cast<std::int64_t>(b), step));
    }
    decoder.add(next);
    keep();
  }
  return result;
}

/// The largest difference, relative to the largest of the expected.
double distance(const RowLogits& actual, const RowLogits& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double largest = 0;
  double difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    const double here = std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i]));
    difference = std::isfinite(here) ? std::max(difference, here) : std::numeric_limits<double>::infinity();
  }
  EXPECT_GT(largest, 0.1) << "logits near zero would prove nothing";
  return difference / largest;
}

std::vector<MeshShape> meshes() {
  switch (const int ranks = Communicator::world().size(); ranks) {
    case 2:
      return {{{1, 1, 1, 2}}, {{1, 1, 2, 1}}};
    case 4:
      return {{{1, 1, 1, 4}}, {{1, 1, 2, 2}}, {{1, 2, 2, 1}}};
    case 6:
      return {{{1, 1, 1, 6}}, {{1, 1, 2, 3}}};
    default:
      return {{{1, 1, 1, ranks}}};
  }
}

TEST(Decoder, ARowWithPaddingHasTheLogitsOfTheRowAlone) {
  const Communicator world = Communicator::world();
  const Mesh alone(world.split(world.rank(), 0), MeshShape{});
  ShardedParameters own(small_config(), alone);
  own.initialize(Initialization::lwm, 8);
  DecoderOptions options{.batch = 3, .prompt_length = prompt_length, .new_tokens = new_tokens, .rope_theta = theta};
  std::vector<std::vector<RowLogits>> expected;
  for (const std::vector<std::int64_t>& padding : paddings) {
    expected.emplace_back();
    for (std::size_t b = 0; b < padding.size(); ++b) {
      expected.back().push_back(logits_of_row_alone(own, options, static_cast<std::int64_t>(b), padding[b]));
    }
  }
  options.has_padding = true;
  for (const Backend backend : {Backend::reference, Backend::host, Backend::kokkos, Backend::cuda}) {
    if (!why_unavailable(backend).empty()) {
      continue;
    }
    for (const MeshShape& shape : meshes()) {
      ShardedParameters shared(small_config(), Mesh(world, shape), backend);
      shared.initialize(Initialization::lwm, 8);
      for (const auto& [dtype, holds_weights, layout] :
           {std::tuple{DType::float32, true, Layout::zigzag}, std::tuple{DType::float32, false, Layout::striped},
            std::tuple{DType::bfloat16, true, Layout::contiguous}}) {
        options.backend = backend;
        options.dtype = dtype;
        options.holds_weights = holds_weights;
        options.layout = layout;
        Decoder decoder(shared, options);
        for (std::size_t index = 0; index < paddings.size(); ++index) {
          const std::vector<RowLogits> rows = logits_of_padded_rows(decoder, paddings[index], 0);
          for (std::size_t b = 0; b < rows.size(); ++b) {
            EXPECT_LT(distance(rows[b], expected[index][b]), dtype == DType::float32 ? 1e-5 : 0.15)
                << name_of(backend) << " " << shape.to_string() << " " << name_of(dtype) << " " << name_of(layout)
                << " row " << b << " with padding " << paddings[index][b];
          }
        }
      }
    }
  }
}

TEST(Decoder, PaddingMayBeAnyToken) {
  const Mesh mesh(Communicator::world(), MeshShape{{1, 1, 1, Communicator::world().size()}});
  ShardedParameters parameters(small_config(), mesh);
  parameters.initialize(Initialization::lwm, 8);
  Decoder decoder(
      parameters,
      {.batch = 3, .prompt_length = prompt_length, .new_tokens = new_tokens, .has_padding = true, .rope_theta = theta});
  // Bit for bit: nothing of a hidden token may reach another.
  EXPECT_EQ(logits_of_padded_rows(decoder, paddings[0], 5), logits_of_padded_rows(decoder, paddings[0], 60));
}

TEST(Decoder, TakesAScalingInPlaceOfTheModelsOwn) {
  const Mesh mesh(Communicator::world(), MeshShape{{1, 1, 1, Communicator::world().size()}});
  const RopeScaling scaling{.kind = RopeScalingKind::dynamic, .factor = 2, .original_context = 6};
  const auto logits = [&](const RopeScaling& own, const std::optional<RopeScaling>& given) {
    ModelConfig config = small_config();
    config.rope_scaling = own;
    ShardedParameters parameters(config, mesh);
    parameters.initialize(Initialization::lwm, 8);
    return logits_of_row_alone(parameters, {.new_tokens = new_tokens, .rope_theta = theta, .rope_scaling = given}, 0,
                               0);
  };
  const RowLogits plain = logits({}, std::nullopt);
  const RowLogits scaled = logits(scaling, std::nullopt);
  EXPECT_NE(plain, scaled);
  EXPECT_EQ(logits({}, scaling), scaled);
  EXPECT_EQ(logits(scaling, RopeScaling{}), plain);
}

TEST(Decoder, RefusesPaddingThatItCannotHide) {
  const Mesh mesh(Communicator::world(), MeshShape{{1, 1, 1, Communicator::world().size()}});
  ShardedParameters parameters(small_config(), mesh);
  const auto read = [&](bool has_padding, const std::vector<std::int64_t>& padding) {
    Decoder decoder(parameters, {.batch = 2, .prompt_length = 3, .has_padding = has_padding});
    decoder.read(std::vector<std::int32_t>(6), padding);
  };
  expect_error(ErrorKind::internal, [&] { read(false, {0, 1}); }, {"not made for padded prompts"});
  expect_error(ErrorKind::internal, [&] { read(true, {0, 3}); }, {"all padding"});
  expect_error(ErrorKind::internal, [&] { read(true, {0}); }, {"a sequence"});
  EXPECT_NO_THROW(read(false, {0, 0}));
}

}  // namespace
}  // namespace ringworld::test
