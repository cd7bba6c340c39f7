#include "train/model_checkpoint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/spelling.hpp"
#include "device/host_access.hpp"
#include "io/non_finite.hpp"
#include "train/checkpoint_attributes.hpp"

namespace ringworld {
namespace {

constexpr const char* first_moment_group = "optimizer/first_moment/";
constexpr const char* second_moment_group = "optimizer/second_moment/";

template <class Enumeration, std::size_t N>
Enumeration read_name(const TensorSource& source, const std::string& attribute,
                      const std::array<std::string_view, N>& names) {
  const auto text = source.get<std::string>(attribute);
  const auto* const found = std::ranges::find(names, text);
  if (found == names.end()) {
    throw Error(ErrorKind::bad_input, fmt::format("'{}': attribute '{}' is '{}'; it can be {}", source.path().string(),
                                                  attribute, text, join_names(names)))
        .as_collective();
  }
  return static_cast<Enumeration>(found - names.begin());
}

constexpr std::array<std::string_view, 2> angle_precision_names{"float32", "float64"};

struct RopeScalingNumber {
  std::string_view name;
  double RopeScaling::* number;
};

/// Attributes, each of which may be left out.
constexpr std::array rope_scaling_numbers{
    RopeScalingNumber{"rope_scaling_factor", &RopeScaling::factor},
    RopeScalingNumber{"rope_scaling_original_context", &RopeScaling::original_context},
    RopeScalingNumber{"rope_scaling_low_frequency_factor", &RopeScaling::low_frequency_factor},
    RopeScalingNumber{"rope_scaling_high_frequency_factor", &RopeScaling::high_frequency_factor},
    RopeScalingNumber{"rope_scaling_beta_fast", &RopeScaling::beta_fast},
    RopeScalingNumber{"rope_scaling_beta_slow", &RopeScaling::beta_slow},
    RopeScalingNumber{"rope_scaling_attention_factor", &RopeScaling::attention_factor}};

constexpr const char* pair_factors_name = "rope_scaling_pair_factors";

std::vector<double> read_pair_factors(const TensorSource& source) {
  const auto value = source.attribute(pair_factors_name);
  const auto* const numbers = value.has_value() ? std::get_if<std::vector<double>>(&*value) : nullptr;
  if (numbers == nullptr) {
    throw Error(ErrorKind::bad_input,
                fmt::format("'{}': rope_scaling_type is per_pair, and {} is no list of floating-point numbers",
                            source.path().string(), pair_factors_name))
        .as_collective();
  }
  return *numbers;
}

/// Tokens that a query sees; 0: all before it. A window is also switched off by a key of its own.
std::int64_t read_sliding_window(const TensorSource& source) {
  const auto value = source.attribute("sliding_window");
  const auto use = source.attribute("use_sliding_window");
  const bool is_off = use.has_value() && as_boolean(*use) == false;
  return value.has_value() && !is_off ? std::max<std::int64_t>(as_integer(*value).value_or(0), 0) : 0;
}

/// None, unless the file names its kind.
RopeScaling read_rope_scaling(const TensorSource& source) {
  RopeScaling scaling;
  const auto has = [&](const char* name) { return source.attribute(name).has_value(); };
  if (!has("rope_scaling_type") || source.get<std::string>("rope_scaling_type") == "default") {
    if (has("rope_scaling_factor") && source.get<double>("rope_scaling_factor") != 1) {
      throw Error(
          ErrorKind::bad_input,
          fmt::format("'{}': rope_scaling_factor is {}, and no rope_scaling_type says what it scales; give linear, "
                      "llama3, yarn or dynamic",
                      source.path().string(), source.get<double>("rope_scaling_factor")))
          .as_collective();
    }
    return scaling;
  }
  scaling.kind = read_name<RopeScalingKind>(source, "rope_scaling_type", rope_scaling_names);
  for (const auto& [name, number] : rope_scaling_numbers) {
    if (source.attribute(std::string(name)).has_value()) {
      scaling.*number = source.get<double>(std::string(name));
    }
  }
  if (scaling.kind == RopeScalingKind::yarn && !has("rope_scaling_attention_factor")) {
    const double growth =
        has("rope_scaling_attention_growth") ? source.get<double>("rope_scaling_attention_growth") : 1;
    scaling.attention_factor = growth * yarn_attention_factor(scaling.factor);
  }
  if (scaling.kind == RopeScalingKind::per_pair) {
    scaling.pair_factors = read_pair_factors(source);
  }
  if (scaling.original_context == 0 && source.attribute("max_position_embeddings").has_value()) {
    scaling.original_context = source.get<double>("max_position_embeddings");
  }
  return scaling;
}

void write_model_config(CheckpointWriter& writer, const ModelConfig& config, double rope_theta) {
  writer.set_attribute("hidden_size", config.hidden_size);
  writer.set_attribute("intermediate_size", config.ffn_size);
  writer.set_attribute("num_hidden_layers", config.layers);
  writer.set_attribute("num_attention_heads", config.heads);
  writer.set_attribute("num_key_value_heads", config.kv_heads);
  writer.set_attribute("head_dim", config.head_size);
  writer.set_attribute("vocab_size", config.vocabulary.size());
  writer.set_attribute("vocabulary", config.vocabulary.to_text());
  writer.set_attribute("rms_norm_eps", config.rms_norm_eps);
  writer.set_attribute("rope_theta", rope_theta);
  writer.set_attribute("rope_pairing", std::string(name_of(config.rope_pairing)));
  writer.set_attribute("rope_precision",
                       std::string(angle_precision_names[static_cast<std::size_t>(config.rope_precision)]));
  if (const RopeScaling& scaling = config.rope_scaling; scaling.kind != RopeScalingKind::none) {
    writer.set_attribute("rope_scaling_type", std::string(rope_scaling_names[static_cast<std::size_t>(scaling.kind)]));
    for (const auto& [name, number] : rope_scaling_numbers) {
      writer.set_attribute(std::string(name), scaling.*number);
    }
    if (!scaling.pair_factors.empty()) {
      writer.set_attribute(pair_factors_name, scaling.pair_factors);
    }
  }
  writer.set_attribute("tie_word_embeddings", config.is_head_tied);
  writer.set_attribute("attention_bias", config.has_attention_bias);
  writer.set_attribute("query_key_norm", config.has_query_key_norm);
  if (config.sliding_window > 0) {
    writer.set_attribute("sliding_window", config.sliding_window);
  }
  writer.set_attribute("initializer_range", config.initializer_range);
}

void write_description(CheckpointWriter& writer, const CheckpointDescription& description) {
  writer.set_attribute("seed", description.seed);
  writer.set_attribute("context_length", description.context_length);
  writer.set_attribute("schedule", description.stages);
  writer.set_attribute("task", description.task);
  writer.set_attribute("tokenizer", description.tokenizer);
  writer.set_attribute("settings", description.settings);
  if (!description.frame_tokenizer.empty()) {
    writer.set_attribute("frame_tokenizer", description.frame_tokenizer);
    writer.set_attribute("frame_tokenizer_digest", description.frame_tokenizer_digest);
  }
  writer.set_attribute("stage", description.stage);
}

void write_progress(CheckpointWriter& writer, const TrainingProgress& progress) {
  writer.set_attribute("step", progress.step);
  writer.set_attribute("is_stage_done", progress.is_stage_done);
  writer.set_attribute("optimizer_updates", progress.updates);
  writer.set_attribute("accuracy_average", progress.accuracy_average);
  writer.set_attribute("elapsed", progress.elapsed);
  writer.set_attribute("stage_seconds", progress.stage_seconds);
  writer.set_attribute("reshard_seconds", progress.reshard_seconds);
  writer.set_attribute("checkpoint_seconds", progress.checkpoint_seconds);
  writer.set_attribute("flop_causal", progress.flop_causal);
}

TensorRange range_of(const TensorLayout& tensor) {
  TensorRange range{.shape = tensor.global_shape};
  if (!tensor.slice.is_replicated()) {
    range.axis = tensor.slice.axis;
    range.slice_begin = tensor.slice.begin;
    range.slice_count = tensor.slice.count;
  }
  return range;
}

/// Whether another coordinate of the mesh holds the same range.
bool is_copy(const Mesh& mesh, const TensorRange& range) {
  return mesh.coordinate(MeshAxis::dp) != 0 || (range.axis == TensorRange::whole && mesh.coordinate(MeshAxis::tp) != 0);
}

/// Calls `function(name, range, piece)` for every tensor in the same order on every rank; the piece is null where this
/// rank holds nothing of it.
template <class Function>
void for_each_tensor(const ShardedParameters& parameters, Function&& function) {
  auto piece = parameters.pieces().begin();
  for (const UnitLayout& unit : parameters.layout().units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      TensorRange range = range_of(tensor);
      const ParameterPiece* mine = nullptr;
      if (piece != parameters.pieces().end() && piece->tensor == &tensor) {
        mine = &*piece++;
        range.begin = mine->begin;
        range.end = mine->end;
      }
      function(tensor.name, range, mine);
    }
  }
}

/// Reads tensors to where their values lie, and finds those that are not finite.
class TensorLoad {
 public:
  TensorLoad(const TensorSource& source, const ShardedParameters& parameters)
      : source_(source), mesh_(parameters.mesh()), access_(parameters.memory()) {}

  /// @param values  of this rank's piece; none where it is null
  void read(const std::string& name, const TensorRange& range, const ParameterPiece* piece, std::span<float> values) {
    access_.write(values, [&](std::span<float> on_host) {
      source_.read(name, range, on_host);
      if (piece == nullptr || is_copy(mesh_, range)) {
        non_finite_.count(name, range.shape, 0, {});
      } else {
        count(name, range, *piece, on_host);
      }
    });
  }

  /// @throws ringworld::Error (bad_input, collective) naming the tensors that hold NaN or infinite numbers, unless they
  /// are allowed; then the root warns of them.
  void judge(NonFinite policy) {
    non_finite_.add_ranks(source_.communicator());
    if (non_finite_.is_empty()) {
      return;
    }
    const std::string message = fmt::format("'{}': {}", source_.path().string(), non_finite_.to_string());
    if (policy == NonFinite::refused) {
      throw Error(ErrorKind::bad_input, message).as_collective();
    }
    if (source_.communicator().is_root()) {
      log_warning(message);
    }
  }

 private:
  void count(const std::string& name, const TensorRange& range, const ParameterPiece& piece,
             std::span<const float> values) {
    // A slice along the second dimension is dense in the tensor one run at a time.
    for (std::int64_t at = piece.begin; at < piece.end;) {
      const std::int64_t length = std::min(piece.tensor->run_length(at), piece.end - at);
      non_finite_.count(name, range.shape, piece.tensor->global_index(at),
                        values.subspan(static_cast<std::size_t>(at - piece.begin), static_cast<std::size_t>(length)));
      at += length;
    }
  }

  const TensorSource& source_;
  const Mesh& mesh_;
  HostAccess access_;
  NonFiniteNumbers non_finite_;
};

/// Files from before tasks name the template of their needles, if they had any.
std::string read_task(const TensorSource& source) {
  if (source.attribute("task").has_value()) {
    return source.get<std::string>("task");
  }
  return source.attribute("needle_template").has_value()
             ? fmt::format("kind = needle\ntemplate = {}\n", source.get<std::string>("needle_template"))
             : std::string();
}

/// Parts where the file names them; else text.
Vocabulary read_vocabulary(const TensorSource& source) {
  const auto size = source.get<std::int64_t>("vocab_size");
  if (!source.attribute("vocabulary").has_value()) {
    return size;
  }
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::bad_input, fmt::format("'{}': attribute 'vocabulary': {}", source.path().string(), why))
        .as_collective();
  };
  Vocabulary vocabulary;
  try {
    vocabulary = Vocabulary::parse(source.get<std::string>("vocabulary"));
  } catch (const Error& error) {
    refuse(error.what());
  }
  if (vocabulary.size() != size) {
    refuse(fmt::format("its parts have {} tokens, vocab_size is {}", vocabulary.size(), size));
  }
  return vocabulary;
}

}  // namespace

ModelConfig read_model_config(const TensorSource& source) {
  ModelConfig config{
      .hidden_size = source.get<std::int64_t>("hidden_size"),
      .ffn_size = source.get<std::int64_t>("intermediate_size"),
      .layers = source.get<std::int64_t>("num_hidden_layers"),
      .heads = source.get<std::int64_t>("num_attention_heads"),
      .kv_heads = source.get<std::int64_t>("num_key_value_heads"),
      .vocabulary = read_vocabulary(source),
      .rms_norm_eps = source.get<double>("rms_norm_eps"),
      .rope_theta = source.get<double>("rope_theta"),
      .rope_pairing = read_name<RopePairing>(source, "rope_pairing", rope_pairing_names),
      .rope_scaling = read_rope_scaling(source),
      .is_head_tied = source.get<bool>("tie_word_embeddings"),
      .has_attention_bias = source.get<bool>("attention_bias"),
      .has_query_key_norm = source.attribute("query_key_norm").has_value() && source.get<bool>("query_key_norm"),
      .sliding_window = read_sliding_window(source)};
  if (source.attribute("head_dim").has_value()) {
    config.head_size = source.get<std::int64_t>("head_dim");
  } else if (config.heads > 0 && config.hidden_size % config.heads == 0) {
    config.head_size = config.hidden_size / config.heads;
  } else {
    throw Error(ErrorKind::bad_input,
                fmt::format("'{}': hidden_size {} does not divide by num_attention_heads {}; give head_dim",
                            source.path().string(), config.hidden_size, config.heads))
        .as_collective();
  }
  if (source.attribute("rope_precision").has_value()) {
    config.rope_precision = read_name<AnglePrecision>(source, "rope_precision", angle_precision_names);
  }
  if (source.attribute("initializer_range").has_value()) {
    config.initializer_range = source.get<double>("initializer_range");
  }
  try {
    validate(config);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", source.path().string(), error.what())).as_collective();
  }
  require_known_attributes(source, config);
  require_known_tensors(source, config);
  return config;
}

CheckpointDescription read_description(const TensorSource& source) {
  const auto text_or_nothing = [&](const std::string& name) {
    return source.attribute(name).has_value() ? source.get<std::string>(name) : std::string();
  };
  return {.seed = source.get<std::int64_t>("seed"),
          .context_length = source.get<std::int64_t>("context_length"),
          .rope_theta = source.get<double>("rope_theta"),
          .stages = source.get<std::string>("schedule"),
          .stage = source.get<std::int64_t>("stage"),
          .task = read_task(source),
          .tokenizer = source.get<std::string>("tokenizer"),
          .frame_tokenizer = text_or_nothing("frame_tokenizer"),
          .frame_tokenizer_digest = text_or_nothing("frame_tokenizer_digest"),
          .settings = text_or_nothing("settings")};
}

CheckpointDescription read_foreign_description(const TensorSource& source) {
  // Of a checkpoint of ours that lost its tokenizer, of LWM's, and of everybody else's.
  constexpr std::array<const char*, 2> special{"context_length", "max_sequence_length"};
  const auto* const found =
      std::ranges::find_if(special, [&](const char* name) { return source.attribute(name).has_value(); });
  CheckpointDescription description;
  description.context_length = source.get<std::int64_t>(found != special.end() ? *found : "max_position_embeddings");
  description.rope_theta = source.get<double>("rope_theta");
  return description;
}

TrainingProgress read_progress(const TensorSource& source) {
  return {.stage = source.get<std::int64_t>("stage"),
          .step = source.get<std::int64_t>("step"),
          .is_stage_done = source.get<bool>("is_stage_done"),
          .updates = source.get<std::int64_t>("optimizer_updates"),
          .accuracy_average = source.get<double>("accuracy_average"),
          .elapsed = source.get<double>("elapsed"),
          .stage_seconds = source.get<double>("stage_seconds"),
          .reshard_seconds = source.get<double>("reshard_seconds"),
          .checkpoint_seconds = source.get<double>("checkpoint_seconds"),
          .flop_causal = source.get<double>("flop_causal")};
}

void require_same_model(const TensorSource& source, const ModelConfig& config) {
  const ModelConfig found = read_model_config(source);
  const auto compare = [&](std::string_view name, auto in_file, auto wanted) {
    if (in_file != wanted) {
      throw Error(ErrorKind::bad_input, fmt::format("'{}' holds a model with {} = {}, the configuration says {}",
                                                    source.path().string(), name, in_file, wanted))
          .as_collective();
    }
  };
  compare("hidden_size", found.hidden_size, config.hidden_size);
  compare("intermediate_size", found.ffn_size, config.ffn_size);
  compare("num_hidden_layers", found.layers, config.layers);
  compare("num_attention_heads", found.heads, config.heads);
  compare("num_key_value_heads", found.kv_heads, config.kv_heads);
  compare("head_dim", found.head_size, config.head_size);
  compare("vocabulary", found.vocabulary.to_text(), config.vocabulary.to_text());
  // A GGUF file holds it in fp32, and so do the kernels.
  compare("rms_norm_eps", static_cast<float>(found.rms_norm_eps), static_cast<float>(config.rms_norm_eps));
  compare("rope_pairing", name_of(found.rope_pairing), name_of(config.rope_pairing));
  compare("rope_scaling_type", rope_scaling_names[static_cast<std::size_t>(found.rope_scaling.kind)],
          rope_scaling_names[static_cast<std::size_t>(config.rope_scaling.kind)]);
  for (const auto& [name, number] : rope_scaling_numbers) {
    compare(name, found.rope_scaling.*number, config.rope_scaling.*number);
  }
  compare("tie_word_embeddings", found.is_head_tied, config.is_head_tied);
  compare("rope_scaling_pair_factors", fmt::format("{}", fmt::join(found.rope_scaling.pair_factors, " ")),
          fmt::format("{}", fmt::join(config.rope_scaling.pair_factors, " ")));
  compare("attention_bias", found.has_attention_bias, config.has_attention_bias);
  compare("query_key_norm", found.has_query_key_norm, config.has_query_key_norm);
  compare("sliding_window", found.sliding_window, config.sliding_window);
}

double write_model_checkpoint(const Communicator& world, const std::filesystem::path& path,
                              ShardedParameters& parameters, AdamWShards& optimizer,
                              const CheckpointDescription& description, const TrainingProgress& progress) {
  const double start = now_seconds();
  const Mesh& mesh = parameters.mesh();
  CheckpointWriter writer(world, path);
  HostAccess access(parameters.memory());  // of one tensor's part at a time
  write_model_config(writer, parameters.config(), description.rope_theta);
  write_description(writer, description);
  write_progress(writer, progress);
  for_each_tensor(parameters, [&](const std::string& name, TensorRange range, const ParameterPiece* piece) {
    // Several coordinates hold a copy; only the first copy is written.
    if (piece == nullptr || is_copy(mesh, range)) {
      range.begin = range.end = 0;
      piece = nullptr;
    }
    const auto write = [&](const std::string& dataset, auto&& of_piece) {
      writer.write(dataset, range, access.read(piece == nullptr ? std::span<float>() : of_piece(*piece)));
    };
    write(name, [](const ParameterPiece& held) { return held.parameter; });
    write(first_moment_group + name, [&](const ParameterPiece& held) { return optimizer.first_moment(held); });
    write(second_moment_group + name, [&](const ParameterPiece& held) { return optimizer.second_moment(held); });
  });
  writer.publish();
  return now_seconds() - start;
}

void read_parameters(const TensorSource& source, ShardedParameters& parameters, NonFinite policy) {
  TensorLoad load(source, parameters);
  for_each_tensor(parameters, [&](const std::string& name, const TensorRange& range, const ParameterPiece* piece) {
    load.read(name, range, piece, piece == nullptr ? std::span<float>() : piece->parameter);
  });
  load.judge(policy);
  parameters.invalidate_gathered();
}

void read_moments(const TensorSource& source, ShardedParameters& parameters, AdamWShards& optimizer) {
  TensorLoad load(source, parameters);
  for_each_tensor(parameters, [&](const std::string& name, const TensorRange& range, const ParameterPiece* piece) {
    load.read(first_moment_group + name, range, piece,
              piece == nullptr ? std::span<float>() : optimizer.first_moment(*piece));
    load.read(second_moment_group + name, range, piece,
              piece == nullptr ? std::span<float>() : optimizer.second_moment(*piece));
  });
  load.judge(NonFinite::refused);
  optimizer.set_updates(source.get<std::int64_t>("optimizer_updates"));
}

}  // namespace ringworld
