#pragma once
/// @file  A trained VQGAN as a tokenizer of frames.

#include <filesystem>
#include <memory>

#include "comm/communicator.hpp"
#include "device/backend.hpp"
#include "tokens/frame_tokenizer.hpp"

namespace ringworld {

/// Reads a checkpoint of `ringworld train` (HDF5, of a VQGAN), or safetensors in the names of diffusers' VQModel or of
/// open-MUSE: a folder, or a file with its config.json beside it. Every rank gets a tokenizer of its own. Collective over
/// `communicator`.
/// @param threads  that a kernel may use
/// @throws ringworld::Error (bad_input, collective) that names the file, and the key or tensor in it which does not fit.
[[nodiscard]] std::unique_ptr<FrameTokenizer> read_frame_tokenizer(const Communicator& communicator,
                                                                   const std::filesystem::path& path, Backend backend,
                                                                   int threads);

/// The same for all ranks of the job.
[[nodiscard]] std::unique_ptr<FrameTokenizer> read_frame_tokenizer(const std::filesystem::path& path, Backend backend,
                                                                   int threads);

}  // namespace ringworld
