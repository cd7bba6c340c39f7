/// @file  `ringworld convert`: weights in another format.

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <vector>

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/options.hpp"
#include "io/pending_file.hpp"
#include "train/model_export.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

struct ConvertOptions {
  std::string checkpoint;
  std::string output;
  DType dtype = DType::float32;
};

constexpr const char* description_of_convert =
    "Writes the weights of a language model in another format. Reads our checkpoints (HDF5), safetensors, GGUF, whose\n"
    "quantised blocks become numbers, and Hugging Face folders.\n"
    "--output NAME.h5 writes a checkpoint of ours, without what training keeps beside the weights. Any other name is "
    "a\n"
    "folder: config.json and model.safetensors, which transformers loads, and copies of the tokenizer's files that "
    "lie\n"
    "beside the weights.\n"
    "A folder is written by one process, which holds 64 MiB of a tensor at a time; an HDF5 file by all ranks, each of\n"
    "which holds its share of a tensor. A signal to stop leaves what was there before.";

/// What a Hugging Face folder holds besides weights and their configuration.
constexpr std::array<std::string_view, 8> companions{"tokenizer.json",
                                                     "tokenizer.model",
                                                     "tokenizer_config.json",
                                                     "special_tokens_map.json",
                                                     "generation_config.json",
                                                     "chat_template.jinja",
                                                     "vocab.json",
                                                     "merges.txt"};

/// Of a folder: what lies beside the weights goes with them.
void copy_companions(const fs::path& checkpoint, const fs::path& folder) {
  std::error_code failed;
  if (!fs::is_directory(checkpoint) || fs::equivalent(checkpoint, folder, failed)) {
    return;
  }
  for (const std::string_view name : companions) {
    if (fs::is_regular_file(checkpoint / name)) {
      replace_with_copy(checkpoint / name, folder / name);
    }
  }
}

bool is_hdf5_name(const std::string& path) { return path.ends_with(".h5") || path.ends_with(".hdf5"); }

/// As a checkpoint of ours says it, or another program.
std::int64_t context_length_of(const TensorSource& source) {
  return source.attribute("context_length").has_value() ? source.get<std::int64_t>("context_length")
                                                        : read_foreign_description(source).context_length;
}

std::vector<JobFile> outputs_of(const ConvertOptions& values) {
  if (is_hdf5_name(values.output)) {
    return {{.flag = "--output", .path = values.output}};
  }
  // In a folder that is not there yet nobody else writes.
  std::error_code failed;
  fs::create_directories(values.output, failed);
  require_input(!failed, fmt::format("--output: cannot make the folder '{}': {}", values.output, failed.message()));
  const fs::path folder = values.output;
  // Readers of the folder, ourselves among them, would go by the index and not see what is written.
  const fs::path index = folder / "model.safetensors.index.json";
  require_input(!fs::exists(index, failed),
                fmt::format("--output: '{}' lists other weights and would hide model.safetensors: remove it with its "
                            "shards, or name another folder",
                            index.string()));
  return {{.flag = "--output", .path = (folder / "model.safetensors").string()},
          {.flag = "--output", .path = (folder / "config.json").string()}};
}

}  // namespace

int run_convert(const Job& job) {
  ConvertOptions values;
  Options options("convert", description_of_convert);
  options.add("checkpoint", values.checkpoint, "",
              "weights to read: an HDF5 file, safetensors, GGUF or a Hugging Face folder");
  options.add("output", values.output, "",
              "what to write: a name that ends in .h5, or a folder; replaced if it exists");
  options.add("dtype", values.dtype, "", "type of the numbers in a folder");
  options.add_check([&] {
    require_input(!values.checkpoint.empty(), "--checkpoint is missing: the weights to read");
    require_input(!values.output.empty(), "--output is missing: NAME.h5, or the folder to write");
    require_input(values.dtype == DType::float32 || !is_hdf5_name(values.output),
                  "--dtype bfloat16: an HDF5 checkpoint holds float32; give --output a folder");
  });
  if (!parse_options(job, options)) {
    return 0;
  }
  std::vector<JobFile> outputs;
  on_every_rank(job.world, [&] { outputs = outputs_of(values); });
  const JobFiles files(job, job_files("--checkpoint", files_of_weights(values.checkpoint)), outputs);
  const auto source = open_tensor_source(job.world, values.checkpoint);
  const ModelConfig config = read_model_config(*source);
  const bool is_written = is_hdf5_name(values.output) ? export_checkpoint(*source, config, values.output)
                                                      : export_hugging_face(*source, config, context_length_of(*source),
                                                                            values.output, values.dtype);
  if (!is_written) {
    return stopped_early(job, fmt::format("{} is not written", values.output));
  }
  if (!is_hdf5_name(values.output)) {
    on_root(job.world, [&] { copy_companions(values.checkpoint, values.output); });
  }
  if (job.world.is_root()) {
    fmt::print("convert: {} parameters, {} layers -> {}\n", parameter_count(config), config.layers, values.output);
  }
  return 0;
}

}  // namespace ringworld
