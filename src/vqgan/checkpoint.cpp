#include "vqgan/checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "io/checkpoint.hpp"
#include "vqgan/weights.hpp"

namespace ringworld {
namespace {

constexpr const char* first_moment_group = "optimizer/first_moment/";
constexpr const char* second_moment_group = "optimizer/second_moment/";
constexpr const char* used_codes = "training/is_code_used";

}  // namespace

void write_vqgan_checkpoint(const Communicator& world, const std::filesystem::path& path,
                            const VqganParameters& parameters, const VqganProgress& progress, std::int64_t seed,
                            const std::string& settings) {
  CheckpointWriter writer(world, path);
  write_vqgan_config(writer, parameters.architecture().config);
  writer.set_attribute("seed", seed);
  writer.set_attribute("settings", settings);
  writer.set_attribute("step", progress.step);
  writer.set_attribute("has_codebook", progress.has_codebook);
  writer.set_attribute("elapsed", progress.elapsed);
  write_vqgan_group(writer, world, "", parameters, parameters.values());
  write_vqgan_group(writer, world, first_moment_group, parameters, parameters.first_moments());
  write_vqgan_group(writer, world, second_moment_group, parameters, parameters.second_moments());
  std::vector<float> used;
  if (world.is_root()) {
    used.assign(progress.is_code_used.begin(), progress.is_code_used.end());
  }
  writer.write(used_codes, {.shape = {std::ssize(progress.is_code_used)}, .begin = 0, .end = std::ssize(used)}, used);
  writer.publish();
}

std::string read_vqgan_settings(const TensorSource& source) {
  if (!is_vqgan(source) || !source.attribute("settings").has_value() || !source.has(used_codes)) {
    throw Error(ErrorKind::bad_input,
                fmt::format("'{}' is no checkpoint of a VQGAN's training", source.path().string()))
        .as_collective();
  }
  return source.get<std::string>("settings");
}

VqganProgress read_vqgan_checkpoint(const TensorSource& source, VqganParameters& parameters) {
  read_vqgan_values(source, parameters);
  read_vqgan_group(source, first_moment_group, parameters, parameters.first_moments());
  read_vqgan_group(source, second_moment_group, parameters, parameters.second_moments());
  VqganProgress progress{.step = source.get<std::int64_t>("step"),
                         .has_codebook = source.get<bool>("has_codebook"),
                         .elapsed = source.get<double>("elapsed"),
                         .is_code_used = {}};
  std::vector<float> used(static_cast<std::size_t>(parameters.architecture().config.codebook_size));
  source.read(used_codes, {.shape = {std::ssize(used)}, .begin = 0, .end = std::ssize(used)}, used);
  std::ranges::transform(used, std::back_inserter(progress.is_code_used),
                         [](float flag) { return static_cast<std::uint8_t>(flag != 0); });
  return progress;
}

}  // namespace ringworld
