#include "generation/generator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "generation/padded_prompts.hpp"
#include "generation/prompt_style.hpp"
#include "support/expect_error.hpp"
#include "tokens/byte_tokenizer.hpp"

namespace ringworld::test {
namespace {

constexpr double theta = 500.0;
constexpr std::int64_t codes_per_frame = 4;
constexpr std::int64_t codebook = 20;
constexpr TokenRange text_tokens{.begin = 0, .end = 258};
constexpr std::size_t vision_part = 1;

/// An untrained model of bytes and of codes, 18 rows of whose vision part are never used.
ModelConfig small_config() {
  return {.hidden_size = 32,
          .ffn_size = 48,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .head_size = 16,
          .vocabulary = Vocabulary::parse("text:258,vision:40"),
          .rope_theta = theta,
          .rope_pairing = RopePairing::half_split,
          .has_attention_bias = true,
          .initializer_range = 0.4};
}

struct World {
  explicit World(const Mesh& mesh) : parameters(small_config(), mesh) { parameters.initialize(Initialization::lwm, 8); }

  ByteTokenizer tokenizer;
  VisionFormat format{tokenizer, small_config().vocabulary, codes_per_frame, codebook};
  ShardedParameters parameters;
};

Mesh ring_mesh() {
  const Communicator world = Communicator::world();
  return {world, MeshShape{{1, 1, 1, world.size()}}};
}

Mesh own_mesh() {
  const Communicator world = Communicator::world();
  return {world.split(world.rank(), 0), MeshShape{}};
}

Generator make_generator(World& world, const Mesh& /*must outlive it*/) {
  return {world.parameters, DecoderOptions{.rope_theta = theta}};
}

/// Prompts of unequal length.
const std::vector<std::string> captions{"red seven top left", "cat", "a blue disc", "moves upwards",
                                        "what digit is red"};

std::vector<std::vector<Token>> caption_prompts(const VisionFormat& format, std::int64_t count) {
  std::vector<std::vector<Token>> prompts;
  for (std::int64_t row = 0; row < count; ++row) {
    prompts.push_back(
        frame_prompt(format, PromptStyle::caption, {.caption = captions[static_cast<std::size_t>(row)], .given = {}}));
  }
  return prompts;
}

std::vector<std::vector<Token>> unconditional_prompts(const VisionFormat& format, std::int64_t count) {
  return std::vector<std::vector<Token>>(static_cast<std::size_t>(count), unconditional_prompt(format, {}));
}

std::vector<std::vector<Token>> text_prompts(const ByteTokenizer& tokenizer) {
  std::vector<std::vector<Token>> prompts;
  for (const std::string& caption : captions) {
    prompts.push_back(text_prompt(tokenizer, PromptStyle::caption, caption));
  }
  return prompts;
}

TEST(Generator, FramesHaveTheirMarkersAndNothingButCodesWithin) {
  const Mesh mesh = ring_mesh();
  World world(mesh);
  Generator generator = make_generator(world, mesh);
  const std::vector<std::vector<Token>> prompts = caption_prompts(world.format, 5);
  const Generation made = generator.generate_vision(prompts, world.format, {.frames = 3});
  ASSERT_EQ(made.rows.size(), 5U);
  EXPECT_TRUE(made.is_finite);
  EXPECT_FALSE(made.is_stopped);
  EXPECT_EQ(made.token_seconds.size(), 3U * (codes_per_frame + 1) - 2);
  for (const std::vector<Token>& row : made.rows) {
    // What the format itself writes around these codes.
    const std::vector<Token> codes = codes_of(row, world.format);
    ASSERT_EQ(std::ssize(codes), 3 * codes_per_frame);
    VisionDocument document;
    world.format.append_vision(document, codes, false);
    document.tokens.erase(document.tokens.begin(),
                          document.tokens.begin() + std::ssize(world.format.begin_of_vision()));
    EXPECT_EQ(row, document.tokens);
  }
  // Without the mask some first token would be none of the codes.
  const PaddedPrompts padded = pad_prompts(prompts);
  Decoder decoder(world.parameters,
                  {.batch = 5, .prompt_length = padded.length, .has_padding = true, .rope_theta = theta});
  decoder.read(padded.tokens, padded.padding);
  EXPECT_TRUE(
      std::ranges::any_of(decoder.likeliest(vision_part), [&](Token token) { return !world.format.is_code(token); }));
}

TEST(Generator, GuidedCodesAreThoseOfTwoDecodersSideBySide) {
  const Mesh mesh = ring_mesh();
  const Mesh alone = own_mesh();
  World world(mesh);
  World own(alone);
  constexpr std::int64_t frames = 2;
  constexpr std::int64_t rows = 3;
  const std::vector<std::vector<Token>> prompts = caption_prompts(world.format, rows);
  Generator generator = make_generator(world, mesh);
  std::set<std::vector<Token>> distinct;
  for (const double scale : {1.0, 0.0, 3.5}) {
    const Generation made = generator.generate_vision(
        prompts, world.format,
        {.frames = frames, .guidance = scale, .unconditional = unconditional_prompts(world.format, rows)});
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::vector<Token>& prompt = prompts[static_cast<std::size_t>(row)];
      const std::vector<Token> empty_prompt = unconditional_prompt(own.format, {});
      const auto decoder_of = [&](const std::vector<Token>& read) {
        auto decoder = std::make_unique<Decoder>(
            own.parameters, DecoderOptions{.prompt_length = std::ssize(read), .new_tokens = 20, .rope_theta = theta});
        decoder->read(read);
        return decoder;
      };
      const auto conditional = decoder_of(prompt);
      const auto unconditional = decoder_of(empty_prompt);
      std::vector<Token> expected;
      for (std::int64_t step = 0; step + 1 < frames * (codes_per_frame + 1); ++step) {
        Token next = world.format.end_of_frame();
        if ((step + 1) % (codes_per_frame + 1) != 0) {
          double best = -1e30;
          for (Token code = 0; code < codebook; ++code) {
            const Token token = world.format.token_of_code(code);
            const auto c = static_cast<double>(conditional->logits()(0, token));
            const auto u = static_cast<double>(unconditional->logits()(0, token));
            if (u + scale * (c - u) > best) {
              best = u + scale * (c - u);
              next = token;
            }
          }
        }
        expected.push_back(next);
        conditional->add(std::array{next});
        unconditional->add(std::array{next});
      }
      std::vector<Token> actual = made.rows[static_cast<std::size_t>(row)];
      actual.resize(expected.size());
      EXPECT_EQ(actual, expected) << "row " << row << ", guidance " << scale;
      distinct.insert(actual);
    }
  }
  EXPECT_GT(distinct.size(), 4U) << "a scale that changes nothing would prove nothing";
}

TEST(Generator, SamplesAreTheSameOnEveryMeshAndInEveryBatch) {
  const Mesh alone = own_mesh();
  World own(alone);
  Generator single = make_generator(own, alone);
  const Communicator all = Communicator::world();
  VisionRequest request{.frames = 2, .sampling = {.temperature = 1.3, .top_k = 9, .seed = 5}, .guidance = 2};
  const std::vector<std::vector<Token>> prompts = caption_prompts(own.format, 4);
  std::vector<std::vector<Token>> expected;
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    request.unconditional = unconditional_prompts(own.format, 1);
    request.first_row = row;
    expected.push_back(single.generate_vision({&prompts[row], 1}, own.format, request).rows.front());
  }
  EXPECT_GT(std::set(expected.begin(), expected.end()).size(), 3U);
  request.first_row = 0;
  request.unconditional = unconditional_prompts(own.format, 4);
  std::vector<MeshShape> shapes{{{1, 1, 1, all.size()}}};
  if (all.size() % 2 == 0) {
    shapes.push_back({{1, 1, 2, all.size() / 2}});
  }
  for (const MeshShape& shape : shapes) {
    const Mesh mesh(all, shape);
    World world(mesh);
    for (const bool holds_weights : {true, false}) {
      Generator generator(world.parameters, {.rope_theta = theta, .holds_weights = holds_weights});
      EXPECT_EQ(generator.generate_vision(prompts, world.format, request).rows, expected) << shape.to_string();
    }
  }
}

TEST(Generator, AVideoMayGoOnFromGivenFrames) {
  const Mesh mesh = ring_mesh();
  World world(mesh);
  Generator generator = make_generator(world, mesh);
  const FramePrompt prompt{.caption = captions[0], .is_video = true, .given = {}};
  const auto video = [&](std::int64_t frames, std::span<const Token> given) {
    FramePrompt with_frames = prompt;
    with_frames.given = given;
    const std::vector<std::vector<Token>> prompts{frame_prompt(world.format, PromptStyle::caption, with_frames)};
    const Generation made = generator.generate_vision(prompts, world.format,
                                                      {.frames = frames,
                                                       .given_frames = std::ssize(given) / codes_per_frame,
                                                       .sampling = {.temperature = 1, .seed = 11},
                                                       .guidance = 1.5,
                                                       .unconditional = {unconditional_prompt(world.format, given)}});
    return codes_of(made.rows.front(), world.format);
  };
  const std::vector<Token> whole = video(3, {});
  const std::vector<Token> first(whole.begin(), whole.begin() + codes_per_frame);
  const std::vector<Token> rest = video(2, first);
  EXPECT_EQ(rest, std::vector<Token>(whole.begin() + codes_per_frame, whole.end()));
}

TEST(Generator, TextEndsAtItsEndWhateverTheOtherRowsDo) {
  const Mesh mesh = ring_mesh();
  World world(mesh);
  Generator generator = make_generator(world, mesh);
  const std::vector<std::vector<Token>> prompts = text_prompts(world.tokenizer);
  TextRequest request{.new_tokens = 12, .tokens = text_tokens, .sampling = {.temperature = 1, .seed = 2}};
  const std::vector<std::vector<Token>> endless = generator.generate_text(prompts, request).rows;
  request.end = endless[1][3];
  const Generation ended = generator.generate_text(prompts, request);
  std::set<std::size_t> lengths;
  for (std::size_t row = 0; row < prompts.size(); ++row) {
    auto end = std::ranges::find(endless[row], *request.end);
    end += end == endless[row].end() ? 0 : 1;
    EXPECT_EQ(ended.rows[row], std::vector<Token>(endless[row].begin(), end)) << "row " << row;
    lengths.insert(ended.rows[row].size());
    // The row alone.
    request.first_row = row;
    EXPECT_EQ(generator.generate_text({&prompts[row], 1}, request).rows.front(), ended.rows[row]) << "row " << row;
    request.first_row = 0;
  }
  EXPECT_GT(lengths.size(), 1U) << "rows that all end at one place would prove nothing";
}

TEST(Generator, GreedyTextIsThatOfTheLikeliestTokens) {
  const Mesh mesh = ring_mesh();
  World world(mesh);
  Generator generator = make_generator(world, mesh);
  const std::vector<std::vector<Token>> prompts = text_prompts(world.tokenizer);
  const Generation made = generator.generate_text({prompts.data(), 1}, {.new_tokens = 6, .tokens = text_tokens});
  Decoder decoder(world.parameters,
                  {.prompt_length = std::ssize(prompts.front()), .new_tokens = 6, .rope_theta = theta});
  decoder.read(prompts.front());
  std::vector<Token> expected;
  for (int step = 0; step < 6; ++step) {
    expected.push_back(decoder.likeliest().front());
    decoder.add({&expected.back(), 1});
  }
  EXPECT_EQ(made.rows.front(), expected);
  EXPECT_EQ(generator.cache_bytes(), decoder.cache_bytes());
}

TEST(Generator, TheObserverMayEndIt) {
  const Mesh mesh = ring_mesh();
  World world(mesh);
  Generator generator = make_generator(world, mesh);
  const Generation stopped = generator.generate_vision(caption_prompts(world.format, 2), world.format, {.frames = 2},
                                                       [](std::int64_t tokens) { return tokens < 3; });
  EXPECT_TRUE(stopped.is_stopped);
  EXPECT_EQ(stopped.rows[1].size(), 3U);
  const Generation whole =
      generator.generate_text(text_prompts(world.tokenizer), {.new_tokens = 3, .tokens = text_tokens},
                              [](std::int64_t tokens) { return tokens < 3; });
  EXPECT_FALSE(whole.is_stopped) << "nothing was left to end";
}

TEST(Generator, RefusesRequestsThatMakeNoSense) {
  const Mesh mesh = ring_mesh();
  World world(mesh);
  Generator generator = make_generator(world, mesh);
  const std::vector<std::vector<Token>> prompts = caption_prompts(world.format, 1);
  const auto refused = [&](const VisionRequest& request, std::initializer_list<std::string_view> words) {
    expect_error(ErrorKind::bad_input, [&] { (void)generator.generate_vision(prompts, world.format, request); }, words);
  };
  refused({.frames = 0}, {"0 frames"});
  refused({.sampling = {.temperature = -1}}, {"temperature -1"});
  refused({.guidance = std::numeric_limits<double>::infinity()}, {"guidance"});
  expect_error(ErrorKind::bad_input,
               [&] { (void)generator.generate_text(prompts, {.new_tokens = 0, .tokens = text_tokens}); },
               {"0 new tokens"});
}

}  // namespace
}  // namespace ringworld::test
