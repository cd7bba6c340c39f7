#include "train/model_checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>

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
Enumeration read_name(const CheckpointReader& reader, const std::string& attribute,
                      const std::array<std::string_view, N>& names) {
  const auto text = reader.get<std::string>(attribute);
  const auto* const found = std::ranges::find(names, text);
  if (found == names.end()) {
    throw Error(ErrorKind::bad_input, fmt::format("'{}': attribute '{}' is '{}'; it can be {}", reader.path().string(),
                                                  attribute, text, join_names(names)))
        .as_collective();
  }
  return static_cast<Enumeration>(found - names.begin());
}

constexpr std::array<std::string_view, 2> angle_precision_names{"float32", "float64"};

void write_model_config(CheckpointWriter& writer, const ModelConfig& config, double rope_theta) {
  writer.set_attribute("hidden_size", config.hidden_size);
  writer.set_attribute("intermediate_size", config.ffn_size);
  writer.set_attribute("num_hidden_layers", config.layers);
  writer.set_attribute("num_attention_heads", config.heads);
  writer.set_attribute("num_key_value_heads", config.kv_heads);
  writer.set_attribute("head_dim", config.head_size);
  writer.set_attribute("vocab_size", config.vocab_size);
  writer.set_attribute("rms_norm_eps", config.rms_norm_eps);
  writer.set_attribute("rope_theta", rope_theta);
  writer.set_attribute("rope_pairing", std::string(name_of(config.rope_pairing)));
  writer.set_attribute("rope_precision",
                       std::string(angle_precision_names[static_cast<std::size_t>(config.rope_precision)]));
  writer.set_attribute("tie_word_embeddings", config.is_head_tied);
  writer.set_attribute("attention_bias", config.has_attention_bias);
  writer.set_attribute("initializer_range", config.initializer_range);
}

void write_description(CheckpointWriter& writer, const CheckpointDescription& description) {
  writer.set_attribute("seed", description.seed);
  writer.set_attribute("context_length", description.context_length);
  writer.set_attribute("schedule", description.schedule);
  writer.set_attribute("needle_template", description.needle_template);
  writer.set_attribute("tokenizer", description.tokenizer);
  writer.set_attribute("settings", description.settings);
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
  TensorLoad(const CheckpointReader& reader, const ShardedParameters& parameters)
      : reader_(reader), mesh_(parameters.mesh()), access_(parameters.memory()) {}

  /// @param values  of this rank's piece; none where it is null
  void read(const std::string& name, const TensorRange& range, const ParameterPiece* piece, std::span<float> values) {
    access_.write(values, [&](std::span<float> on_host) {
      reader_.read(name, range, on_host);
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
    non_finite_.add_ranks(reader_.communicator());
    if (non_finite_.is_empty()) {
      return;
    }
    const std::string message = fmt::format("'{}': {}", reader_.path().string(), non_finite_.to_string());
    if (policy == NonFinite::refused) {
      throw Error(ErrorKind::bad_input, message).as_collective();
    }
    if (reader_.communicator().is_root()) {
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

  const CheckpointReader& reader_;
  const Mesh& mesh_;
  HostAccess access_;
  NonFiniteNumbers non_finite_;
};

}  // namespace

ModelConfig read_model_config(const CheckpointReader& reader) {
  ModelConfig config{.hidden_size = reader.get<std::int64_t>("hidden_size"),
                     .ffn_size = reader.get<std::int64_t>("intermediate_size"),
                     .layers = reader.get<std::int64_t>("num_hidden_layers"),
                     .heads = reader.get<std::int64_t>("num_attention_heads"),
                     .kv_heads = reader.get<std::int64_t>("num_key_value_heads"),
                     .vocab_size = reader.get<std::int64_t>("vocab_size"),
                     .rms_norm_eps = reader.get<double>("rms_norm_eps"),
                     .rope_theta = reader.get<double>("rope_theta"),
                     .rope_pairing = read_name<RopePairing>(reader, "rope_pairing", rope_pairing_names),
                     .is_head_tied = reader.get<bool>("tie_word_embeddings"),
                     .has_attention_bias = reader.get<bool>("attention_bias")};
  if (reader.attribute("head_dim").has_value()) {
    config.head_size = reader.get<std::int64_t>("head_dim");
  } else if (config.heads > 0 && config.hidden_size % config.heads == 0) {
    config.head_size = config.hidden_size / config.heads;
  } else {
    throw Error(ErrorKind::bad_input,
                fmt::format("'{}': hidden_size {} does not divide by num_attention_heads {}; give head_dim",
                            reader.path().string(), config.hidden_size, config.heads))
        .as_collective();
  }
  if (reader.attribute("rope_precision").has_value()) {
    config.rope_precision = read_name<AnglePrecision>(reader, "rope_precision", angle_precision_names);
  }
  if (reader.attribute("initializer_range").has_value()) {
    config.initializer_range = reader.get<double>("initializer_range");
  }
  try {
    validate(config);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", reader.path().string(), error.what())).as_collective();
  }
  require_known_attributes(reader, config);
  require_known_tensors(reader, config);
  return config;
}

CheckpointDescription read_description(const CheckpointReader& reader) {
  return {.seed = reader.get<std::int64_t>("seed"),
          .context_length = reader.get<std::int64_t>("context_length"),
          .rope_theta = reader.get<double>("rope_theta"),
          .schedule = reader.get<std::string>("schedule"),
          .stage = reader.get<std::int64_t>("stage"),
          .needle_template = reader.get<std::string>("needle_template"),
          .tokenizer = reader.get<std::string>("tokenizer"),
          .settings = reader.attribute("settings").has_value() ? reader.get<std::string>("settings") : std::string()};
}

TrainingProgress read_progress(const CheckpointReader& reader) {
  return {.stage = reader.get<std::int64_t>("stage"),
          .step = reader.get<std::int64_t>("step"),
          .is_stage_done = reader.get<bool>("is_stage_done"),
          .updates = reader.get<std::int64_t>("optimizer_updates"),
          .accuracy_average = reader.get<double>("accuracy_average"),
          .elapsed = reader.get<double>("elapsed"),
          .stage_seconds = reader.get<double>("stage_seconds"),
          .reshard_seconds = reader.get<double>("reshard_seconds"),
          .checkpoint_seconds = reader.get<double>("checkpoint_seconds"),
          .flop_causal = reader.get<double>("flop_causal")};
}

void require_same_model(const CheckpointReader& reader, const ModelConfig& config) {
  const ModelConfig found = read_model_config(reader);
  const auto compare = [&](std::string_view name, auto in_file, auto wanted) {
    if (in_file != wanted) {
      throw Error(ErrorKind::bad_input, fmt::format("'{}' holds a model with {} = {}, the configuration says {}",
                                                    reader.path().string(), name, in_file, wanted))
          .as_collective();
    }
  };
  compare("hidden_size", found.hidden_size, config.hidden_size);
  compare("intermediate_size", found.ffn_size, config.ffn_size);
  compare("num_hidden_layers", found.layers, config.layers);
  compare("num_attention_heads", found.heads, config.heads);
  compare("num_key_value_heads", found.kv_heads, config.kv_heads);
  compare("head_dim", found.head_size, config.head_size);
  compare("vocab_size", found.vocab_size, config.vocab_size);
  compare("rms_norm_eps", found.rms_norm_eps, config.rms_norm_eps);
  compare("rope_pairing", name_of(found.rope_pairing), name_of(config.rope_pairing));
  compare("tie_word_embeddings", found.is_head_tied, config.is_head_tied);
  compare("attention_bias", found.has_attention_bias, config.has_attention_bias);
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
    // Of the copies that other coordinates hold, the first is written.
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

void read_parameters(const CheckpointReader& reader, ShardedParameters& parameters, NonFinite policy) {
  TensorLoad load(reader, parameters);
  for_each_tensor(parameters, [&](const std::string& name, const TensorRange& range, const ParameterPiece* piece) {
    load.read(name, range, piece, piece == nullptr ? std::span<float>() : piece->parameter);
  });
  load.judge(policy);
  parameters.forget_gathered();
}

void read_moments(const CheckpointReader& reader, ShardedParameters& parameters, AdamWShards& optimizer) {
  TensorLoad load(reader, parameters);
  for_each_tensor(parameters, [&](const std::string& name, const TensorRange& range, const ParameterPiece* piece) {
    load.read(first_moment_group + name, range, piece,
              piece == nullptr ? std::span<float>() : optimizer.first_moment(*piece));
    load.read(second_moment_group + name, range, piece,
              piece == nullptr ? std::span<float>() : optimizer.second_moment(*piece));
  });
  load.judge(NonFinite::refused);
  optimizer.set_updates(reader.get<std::int64_t>("optimizer_updates"));
}

}  // namespace ringworld
