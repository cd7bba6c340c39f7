#pragma once
/// @file  The checkpoint of a VQGAN's training: parameters and moments, which codes were used lately, and how far the
/// training has come. It is a file of weights too: read_frame_tokenizer reads it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "tensors/tensor_source.hpp"
#include "vqgan/parameters.hpp"

namespace ringworld {

struct VqganProgress {
  std::int64_t step = 0;                   ///< that were taken
  bool has_codebook = false;               ///< whether the codebook was made
  double elapsed = 0;                      ///< s in steps
  std::vector<std::uint8_t> is_code_used;  ///< (codes), since the last restart
};

/// Replaces the file at `path` whole. Collective.
void write_vqgan_checkpoint(const Communicator& world, const std::filesystem::path& path,
                            const VqganParameters& parameters, const VqganProgress& progress, std::int64_t seed,
                            const std::string& settings);

/// The text of settings that the training wrote. Collective over the source's communicator, as are the others.
/// @throws ringworld::Error (bad_input, collective) when the file is no checkpoint of a VQGAN's training.
[[nodiscard]] std::string read_vqgan_settings(const TensorSource& source);

/// Reads parameters, moments and progress.
/// @throws ringworld::Error (bad_input, collective) that names what is missing or of another shape.
[[nodiscard]] VqganProgress read_vqgan_checkpoint(const TensorSource& source, VqganParameters& parameters);

}  // namespace ringworld
