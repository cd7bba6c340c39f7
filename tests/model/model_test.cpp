/// @file  Model against the dense model in double precision, on any mesh. Tolerance in fp32: 1e-5 normalised RMS.

#include "model/model.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/thread_team.hpp"
#include "model/model_problem.hpp"
#include "support/available_device.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr double fp32_tolerance = 1e-5;

struct Variant {
  std::string name;
  ModelProblem problem;
};

std::vector<Variant> variants() {
  std::vector<Variant> all;
  const auto add = [&](const std::string& name, auto change) {
    ModelProblem problem{.config = small_config()};
    change(problem);
    all.push_back({name, problem});
  };
  add("plain", [](ModelProblem&) {});
  add("grouped, biases, half split", [](ModelProblem& problem) {
    problem.config.kv_heads = 2;
    problem.config.has_attention_bias = true;
    problem.config.rope_pairing = RopePairing::half_split;
  });
  add("tied, documents", [](ModelProblem& problem) {
    problem.config.is_head_tied = true;
    problem.config.has_attention_bias = true;
    problem.has_documents = true;
  });
  add("parts", [](ModelProblem& problem) {
    problem.config.vocabulary = Vocabulary::parse("text:29,vision:8");
    problem.has_documents = true;
  });
  add("normalised heads", [](ModelProblem& problem) {
    problem.config.kv_heads = 2;
    problem.config.has_query_key_norm = true;
    problem.config.rope_pairing = RopePairing::half_split;
  });
  add("tied parts, with few targets and without", [](ModelProblem& problem) {
    problem.config.vocabulary = Vocabulary::parse("text:20,vision:13,sound:4");
    problem.config.is_head_tied = true;
    problem.rare_targets = {.name = "vision", .begin = 20, .size = 13};
    problem.absent_targets = {.name = "sound", .begin = 33, .size = 4};
  });
  return all;
}

/// The meshes of the job's size that the small model divides by.
std::vector<MeshShape> meshes() {
  switch (Communicator::world().size()) {
    case 1:
      return {{{1, 1, 1, 1}}};
    case 2:
      return {{{1, 1, 1, 2}}, {{1, 2, 1, 1}}, {{2, 1, 1, 1}}, {{1, 1, 2, 1}}};
    case 3:
      return {{{1, 1, 1, 3}}};
    default:
      return {{{1, 1, 1, 4}}, {{1, 2, 1, 2}}, {{2, 1, 2, 1}}, {{1, 4, 1, 1}}, {{1, 1, 2, 2}}};
  }
}

DenseModelResult expected_of(const ModelProblem& problem) {
  return run_dense_model(problem.config, draw_parameters(problem), draw_batch(problem));
}

/// Chunks that do not divide the tokens.
ModelOptions small_chunks() {
  ModelOptions options;
  options.ffn_chunk = 10;
  options.loss_chunk = 7;
  return options;
}

TEST(Model, EqualsTheDenseModelOnEveryMesh) {
  for (const Variant& variant : variants()) {
    const DenseModelResult expected = expected_of(variant.problem);
    for (const MeshShape& mesh : meshes()) {
      if (variant.problem.config.kv_heads % mesh[MeshAxis::tp] == 0) {
        expect_same(run_model(variant.problem, mesh, small_chunks()), expected, fp32_tolerance,
                    variant.name + " on " + mesh.to_string());
      }
    }
  }
}

/// What a GPU computes, with every way that the model has of sharing work: in fp32 its products may be sums of rounded
/// parts, so that the bound is 10 times that of the host.
TEST(Model, OnADeviceEqualsTheDenseModelOnEveryMesh) {
  for (const Variant& variant : variants()) {
    const DenseModelResult expected = expected_of(variant.problem);
    for (const MeshShape& mesh : meshes()) {
      if (variant.problem.config.kv_heads % mesh[MeshAxis::tp] != 0) {
        continue;
      }
      for (const Backend backend : backends_with_own_memory()) {
        ModelOptions options = small_chunks();
        options.backend = backend;
        expect_same(run_model(variant.problem, mesh, options), expected, 10 * fp32_tolerance,
                    fmt::format("{} {} on {}", variant.name, name_of(backend), mesh.to_string()));
      }
    }
  }
}

TEST(Model, OnADeviceMixedPrecisionStaysWithinItsRounding) {
  const ModelProblem problem = variants()[1].problem;
  const DenseModelResult expected = expected_of(problem);
  for (const MeshShape& mesh : meshes()) {
    for (const Recomputation recomputation : {Recomputation::none, Recomputation::full}) {
      for (const Backend backend : backends_with_own_memory()) {
        ModelOptions options = small_chunks();
        options.backend = backend;
        options.dtype = DType::bfloat16;
        options.wire_dtype = DType::bfloat16;
        options.recomputation = recomputation;
        expect_same(run_model(problem, mesh, options), expected, 0.06,
                    fmt::format("bf16 {} on {}", name_of(backend), mesh.to_string()));
      }
    }
  }
}

TEST(Model, RefusesParametersThatAreElsewhere) {
  ShardedParameters parameters(small_config(), Mesh(Communicator::world(), meshes().front()), Backend::host);
  for (const Backend backend : backends_with_own_memory()) {
    ModelOptions options{.context_length = 24};
    options.backend = backend;
    EXPECT_THROW(Model(parameters, options), Error);
  }
}

TEST(Model, LayoutsAndWholeChunksDoNotChangeTheResult) {
  const ModelProblem problem = variants()[2].problem;
  const DenseModelResult expected = expected_of(problem);
  for (const Layout layout : {Layout::contiguous, Layout::striped}) {
    for (const MeshShape& mesh : meshes()) {
      ModelOptions options;
      options.layout = layout;
      expect_same(run_model(problem, mesh, options), expected, fp32_tolerance,
                  std::string(name_of(layout)) + " on " + mesh.to_string());
    }
  }
}

TEST(Model, SchedulesDoNotChangeTheResult) {
  for (std::size_t index = 1; index < schedule_names.size(); ++index) {  // the first is that of the other tests
    const auto schedule = static_cast<ScheduleKind>(index);
    for (const Variant& variant : variants()) {
      const DenseModelResult expected = expected_of(variant.problem);
      for (const MeshShape& mesh : meshes()) {
        if (variant.problem.config.kv_heads % mesh[MeshAxis::tp] == 0) {
          ModelOptions options = small_chunks();
          options.schedule = schedule;
          expect_same(run_model(variant.problem, mesh, options), expected, fp32_tolerance,
                      variant.name + " by " + std::string(name_of(schedule)) + " on " + mesh.to_string());
        }
      }
    }
  }
}

/// How sequences lie on rings that do not divide them.
struct UnevenLengths {
  /// A prime, one of which zigzag leaves runs of a ring of three or four empty, and fewer tokens than such a ring has
  /// ranks.
  std::vector<std::int64_t> lengths{23, 5, 2};
  std::vector<Layout> layouts{Layout::contiguous, Layout::striped, Layout::zigzag};
};

void expect_uneven_lengths(const std::vector<Variant>& of, ModelOptions options, double tolerance,
                           const UnevenLengths& uneven = {}) {
  for (const std::int64_t length : uneven.lengths) {
    for (Variant variant : of) {
      variant.problem.context_length = length;
      const DenseModelResult expected = expected_of(variant.problem);
      for (const Layout layout : uneven.layouts) {
        for (const MeshShape& mesh : meshes()) {
          if (variant.problem.config.kv_heads % mesh[MeshAxis::tp] == 0) {
            options.layout = layout;
            expect_same(run_model(variant.problem, mesh, options), expected, tolerance,
                        variant.name + ", length " + std::to_string(length) + ", " + std::string(name_of(layout)) +
                            " on " + mesh.to_string() + ", " + std::string(name_of(options.backend)));
          }
        }
      }
    }
  }
}

TEST(Model, LengthsThatTheRingDoesNotDivideEqualTheDenseModel) {
  ModelOptions options = small_chunks();
  expect_uneven_lengths({variants()[1], variants()[2]}, options, fp32_tolerance);
  options.backend = Backend::reference;
  expect_uneven_lengths({variants()[2]}, options, fp32_tolerance, {.lengths = {5, 2}, .layouts = {Layout::zigzag}});
}

TEST(Model, LengthsThatTheRingDoesNotDivideCanBeRecomputedAndRounded) {
  ModelOptions options = small_chunks();
  options.recomputation = Recomputation::full;
  const UnevenLengths short_ones{.lengths = {5, 2}, .layouts = {Layout::striped, Layout::zigzag}};
  expect_uneven_lengths({variants()[2]}, options, fp32_tolerance, short_ones);
  options.dtype = options.wire_dtype = DType::bfloat16;
  expect_uneven_lengths({variants()[0]}, options, 0.06, short_ones);
}

TEST(Model, LengthsThatTheRingDoesNotDivideEqualTheDenseModelOnADevice) {
  for (const Backend backend : backends_with_own_memory()) {
    ModelOptions options = small_chunks();
    options.backend = backend;
    expect_uneven_lengths({variants()[2]}, options, 10 * fp32_tolerance,
                          {.lengths = {5, 2}, .layouts = {Layout::zigzag}});
  }
}

TEST(Model, BackendsAndThreadsAgree) {
  const ModelProblem problem = variants()[2].problem;
  const DenseModelResult expected = expected_of(problem);
  ModelOptions plain = small_chunks();
  plain.backend = Backend::reference;
  ModelOptions threaded = small_chunks();
  threaded.threads = std::min(2, largest_team());
  for (const MeshShape& mesh : meshes()) {
    expect_same(run_model(problem, mesh, plain), expected, fp32_tolerance, "reference on " + mesh.to_string());
    expect_same(run_model(problem, mesh, threaded), expected, fp32_tolerance, "threads on " + mesh.to_string());
  }
}

TEST(Model, RecomputationDoesNotChangeTheResult) {
  for (const std::size_t variant : {1U, 4U}) {
    const ModelProblem problem = variants()[variant].problem;
    for (const MeshShape& mesh : meshes()) {
      const ModelResult kept = run_model(problem, mesh, small_chunks());
      for (const Recomputation recomputation :
           {Recomputation::attention_saved, Recomputation::full, Recomputation::ffn_saved}) {
        ModelOptions options = small_chunks();
        options.recomputation = recomputation;
        const ModelResult again = run_model(problem, mesh, options);
        // The product after SwiGLU reads rows that lie closer together when its input is kept: it may round otherwise.
        const bool has_same_products = recomputation != Recomputation::ffn_saved;
        EXPECT_NEAR(again.loss, kept.loss, has_same_products ? 0 : 1e-6 * kept.loss) << name_of(recomputation);
        for (const auto& [name, values] : kept.gradients) {
          EXPECT_LE(normalised_rms(again.gradients.at(name), values), has_same_products ? 1e-7 : 2e-6)
              << name_of(recomputation) << " " << name;
        }
      }
    }
  }
}

TEST(Model, MixedPrecisionStaysWithinItsRounding) {
  for (const std::size_t variant : {1U, 3U, 4U}) {
    const ModelProblem problem = variants()[variant].problem;
    const DenseModelResult expected = expected_of(problem);
    for (const MeshShape& mesh : meshes()) {
      if (problem.config.kv_heads % mesh[MeshAxis::tp] == 0) {
        ModelOptions options = small_chunks();
        options.dtype = DType::bfloat16;
        options.wire_dtype = DType::bfloat16;
        // 2^-9 a rounding, a dozen of them in a row through two layers and back; the terms of a key bias's gradient
        // cancel.
        expect_same(run_model(problem, mesh, options), expected, 0.06,
                    variants()[variant].name + " in bf16 on " + mesh.to_string());
      }
    }
  }
}

TEST(Model, GradientsAddUpOverPasses) {
  for (const std::size_t variant : {2U, 4U}) {
    const ModelProblem problem = variants()[variant].problem;
    for (const MeshShape& mesh : meshes()) {
      const ModelResult once = run_model(problem, mesh, small_chunks());
      const ModelResult twice = run_model(problem, mesh, small_chunks(), 2);
      for (const auto& [name, values] : once.gradients) {
        std::vector<double> doubled = values;
        std::ranges::for_each(doubled, [](double& value) { value *= 2; });
        EXPECT_LE(normalised_rms(twice.gradients.at(name), doubled), 1e-6) << name << " on " << mesh.to_string();
      }
    }
  }
}

TEST(Model, TheLikeliestTokenHasTheLargestLogit) {
  for (const std::size_t variant : {0U, 3U}) {
    const ModelProblem problem = variants()[variant].problem;
    const Vocabulary& vocabulary = problem.config.vocabulary;
    const DenseModelBatch batch = draw_batch(problem);
    for (const MeshShape& mesh : meshes()) {
      ModelOptions options = small_chunks();
      options.is_forward_only = true;
      const ModelResult result = run_model(problem, mesh, options);
      for (std::size_t t = 0; t < batch.tokens.size(); ++t) {
        std::int64_t expected = -1;
        if (batch.targets[t] >= 0) {
          const VocabularyPart& part = vocabulary.parts()[vocabulary.part_of(batch.targets[t])];
          const auto row = result.logits.begin() + static_cast<std::int64_t>(t) * vocabulary.size();
          expected = std::max_element(row + part.begin, row + part.end()) - row;
        }
        EXPECT_EQ(result.likeliest[t], expected) << t << " on " << mesh.to_string();
      }
    }
  }
}

TEST(Model, ThetaCanBeChanged) {
  if (Communicator::world().size() > 1) {
    GTEST_SKIP() << "one rank only";
  }
  const ModelConfig config = small_config();
  ShardedParameters parameters(config, Mesh(Communicator::world(), {}));
  parameters.initialize(Initialization::lwm, 1);
  Model model(parameters, {.context_length = 16});
  const std::vector<std::int32_t> tokens(16, 3);
  const std::vector<std::int32_t> varied{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const std::vector<float> weights(16, 1.0F);
  const ModelBatch batch{.tokens = {varied.data(), {1, 16}},
                         .targets = {tokens.data(), {1, 16}},
                         .weights = {weights.data(), {1, 16}},
                         .document_ids = {}};
  const double before = model.forward(batch);
  model.set_rope_theta(7.0);
  EXPECT_NE(model.forward(batch), before);
  model.set_rope_theta(config.rope_theta);
  EXPECT_EQ(model.forward(batch), before);
}

TEST(Model, RefusesWhatCannotBe) {
  const Communicator world = Communicator::world();
  MeshShape ring;
  ring.sizes[3] = world.size();
  ShardedParameters parameters(small_config(), Mesh(world, ring));
  expect_error(ErrorKind::bad_input, [&] { Model(parameters, {.context_length = 0}); }, {"context_length is 0"});
  expect_error(ErrorKind::bad_input, [&] { Model(parameters, {.batch = 0, .context_length = 24}); }, {"batch is 0"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_recomputation("ful")); }, {"ful", "full"});

  Model model(parameters, {.context_length = 2 * world.size()});
  const std::vector<std::int32_t> tokens{37, 0};
  expect_error(ErrorKind::bad_input, [&] { model.prefill({tokens.data(), {1, 2}}); }, {"token 37", "vocabulary of 37"});
}

}  // namespace
}  // namespace ringworld::test
