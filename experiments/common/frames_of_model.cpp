#include "experiments/common/frames_of_model.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "vqgan/vqgan.hpp"

namespace ringworld {

std::unique_ptr<FrameTokenizer> read_frame_tokenizer_of(const CheckpointDescription& model, const std::string& path,
                                                        Backend backend, int threads) {
  require_input(!path.empty() || !model.frame_tokenizer.empty(),
                "the checkpoint names no frame_tokenizer: its model was trained without frames, or by another program");
  const std::string& file = path.empty() ? model.frame_tokenizer : path;
  std::unique_ptr<FrameTokenizer> frames = read_frame_tokenizer(file, backend, threads);
  require_input(
      model.frame_tokenizer_digest.empty() || frames->digest() == model.frame_tokenizer_digest,
      fmt::format("'{}' is not the frame tokenizer that the model was trained with ({} and not {}): its codes "
                  "are of another codebook",
                  file, frames->digest(), model.frame_tokenizer_digest));
  return frames;
}

}  // namespace ringworld
