#pragma once
/// @file  A VQGAN in files: its configuration as attributes, its parameters as tensors. Attributes and names are those of
/// diffusers' VQModel, in our checkpoints too; files in the names of open-MUSE are read as well.
///
/// Attributes of ours that diffusers does not know: frame_side, middle_blocks and commitment. A file without frame_side
/// is of frames that become 16 x 16 codes, as LWM's do.

#include <span>
#include <string>

#include "io/checkpoint.hpp"
#include "tensors/tensor_source.hpp"
#include "vqgan/parameters.hpp"

namespace ringworld {

/// Collective over the source's communicator, like all that follows.
/// @throws ringworld::Error (bad_input, collective) that names the file and the key which is missing, or asks for what
/// the network does not do, such as attention blocks.
[[nodiscard]] VqganConfig read_vqgan_config(const TensorSource& source);

/// Whether the file says that it is a VQGAN.
[[nodiscard]] bool is_vqgan(const TensorSource& source);

/// Reads all values.
/// @throws ringworld::Error (bad_input, collective) that names the file and the tensor which is missing, of another
/// shape, holds NaN or infinite numbers, or for which the network has no place.
void read_vqgan_values(const TensorSource& source, VqganParameters& parameters);

/// Reads tensors that this program wrote under a prefix: the moments.
void read_vqgan_group(const TensorSource& source, const std::string& prefix, const VqganParameters& parameters,
                      std::span<float> numbers);

void write_vqgan_config(CheckpointWriter& writer, const VqganConfig& config);

/// Writes one of the spans of `parameters` under names that begin with `prefix`. The root's numbers are written.
void write_vqgan_group(CheckpointWriter& writer, const Communicator& communicator, const std::string& prefix,
                       const VqganParameters& parameters, std::span<float> numbers);

}  // namespace ringworld
