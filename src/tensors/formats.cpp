#include "tensors/formats.hpp"

#include <algorithm>
#include <array>

#include "tensors/checkpoint_source.hpp"
#include "tensors/gguf_source.hpp"
#include "tensors/safetensors_source.hpp"

namespace ringworld {

std::span<const WeightFormat> weight_formats() {
  static constexpr std::array formats{
      WeightFormat{"safetensors", is_safetensors, open_safetensors},
      WeightFormat{"GGUF", is_gguf, open_gguf},
      WeightFormat{"ringworld checkpoint", is_checkpoint, open_checkpoint},
  };
  return formats;
}

std::unique_ptr<TensorSource> open_tensor_source(const Communicator& communicator, const std::filesystem::path& path) {
  std::int64_t index = 0;
  on_root(communicator, [&] {
    index = std::ranges::find_if(weight_formats(), [&](const WeightFormat& format) { return format.is_it(path); }) -
            weight_formats().begin();
  });
  communicator.broadcast(std::as_writable_bytes(std::span(&index, 1)), 0);
  return weight_formats()[static_cast<std::size_t>(index)].open(communicator, path);
}

}  // namespace ringworld
