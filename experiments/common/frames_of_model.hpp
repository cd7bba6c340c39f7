#pragma once
/// @file  The frame tokenizer whose codes a trained model knows.

#include <memory>
#include <string>

#include "device/backend.hpp"
#include "tokens/frame_tokenizer.hpp"
#include "train/model_checkpoint.hpp"

namespace ringworld {

/// @param path  of the frame tokenizer; empty: where it lay when the model was trained
/// @throws Error(bad_input) when neither says which file it is, the file cannot be read, or it is another network than
/// the one of the training: its codes would mean nothing to the model. Weights of another program do not name a
/// network; the one of `path` is then believed.
[[nodiscard]] std::unique_ptr<FrameTokenizer> read_frame_tokenizer_of(const CheckpointDescription& model,
                                                                      const std::string& path, Backend backend,
                                                                      int threads);

}  // namespace ringworld
