/// @file  Block attention on an NVIDIA GPU: hands a block to the first path that takes it (path.hpp).
///
/// Everything is enqueued on the compute stream. RINGWORLD_CUDA_ATTENTION=hopper|mma|fp32 leaves out the paths before the
/// one that it names, for tests and benchmarks.

#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "device/buffer.hpp"
#include "device/cuda/native_stream.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/cuda/path.hpp"
#include "kernels/attention/cuda/rows.hpp"
#include "kernels/attention/cuda/workspace.hpp"

namespace ringworld {
namespace {

constexpr const char* path_variable = "RINGWORLD_CUDA_ATTENTION";

struct NamedPath {
  std::string_view name;
  std::unique_ptr<cuda::AttentionPath> (*make)(const BlockAttentionOptions&);
};

constexpr std::array<NamedPath, 3> paths_by_preference{
    {{"hopper", cuda::make_hopper_path}, {"mma", cuda::make_mma_path}, {"fp32", cuda::make_fp32_path}}};

/// The index of the path that the environment asks for; 0 when it does not.
std::size_t first_path() {
  const char* asked = std::getenv(path_variable);
  if (asked == nullptr) {
    return 0;
  }
  std::array<std::string_view, paths_by_preference.size()> names;
  for (std::size_t index = 0; index < names.size(); ++index) {
    names[index] = paths_by_preference[index].name;
    if (names[index] == asked) {
      return index;
    }
  }
  throw_unknown_name(path_variable, asked, names);
}

std::vector<std::unique_ptr<cuda::AttentionPath>> make_paths(const BlockAttentionOptions& options) {
  std::vector<std::unique_ptr<cuda::AttentionPath>> paths;
  for (std::size_t index = first_path(); index < paths_by_preference.size(); ++index) {
    if (auto path = paths_by_preference[index].make(options)) {
      paths.push_back(std::move(path));
    }
  }
  return paths;
}

bool is_empty(const std::array<std::int64_t, 4>& shape) { return element_count(shape) == 0; }

/// Kernels count tokens in ints, with room for the tile that reaches over the end; grids are limited in y and z.
void check_extents(const ConstActivationView& q, const ConstActivationView& k) {
  constexpr std::int64_t most_tokens = std::int64_t{1} << 29;
  constexpr std::int64_t most_in_grid = 65535;
  require(q.tokens() <= most_tokens && k.tokens() <= most_tokens, "block attention: more than 2^29 tokens in a block");
  require(q.batch() <= most_in_grid && q.heads() <= most_in_grid,
          "block attention: more than 65535 sequences or heads");
}

/// Whether some query of a block may not see some key of it.
bool hides_something(const BlockMask& mask, std::int64_t key_tokens) {
  return mask.has_documents() || (mask.is_causal && mask.diagonal < key_tokens - 1);
}

class CudaBlockAttention final : public BlockAttention {
 public:
  explicit CudaBlockAttention(const BlockAttentionOptions& options)
      : BlockAttention(options.head_size),
        stream_(native_compute_stream()),
        paths_(make_paths(options)),
        unsafe_flag_(cuda_attention_workspace_bytes, DeviceKind::cuda, MemoryUse::attention) {}

  [[nodiscard]] std::int64_t workspace_bytes() const override {
    std::int64_t bytes = unsafe_flag_.bytes();
    for (const auto& path : paths_) {
      bytes += path->workspace_bytes();
    }
    return bytes;
  }

 private:
  void run_reset(const AttentionState& state) override { cuda::reset(state, stream_); }

  bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                      const Progress& progress) override {
    check_extents(block.q, block.k);
    require(state.output.strides[3] == 1, "block attention: the last extent of the state's output must be dense");
    bool is_written = out.is_null();
    if (!is_empty(block.q.shape) && !is_empty(block.k.shape)) {
      cuda::AttentionPath& path = path_for(block, state);
      is_written = is_written || path.can_write(out);
      const ActivationView written = is_written ? out : ActivationView();
      run(path, block, [&](cuda::AttentionPath& running, const cuda::Gate& gate) {
        running.forward(block, state, written, gate, stream_);
      });
    }
    if (!is_written) {
      cuda::finalize(state, out, stream_);
    }
    return !progress || progress();
  }

  void run_merge(const AttentionState& from, const AttentionState& into) override { cuda::merge(from, into, stream_); }

  void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) override {
    cuda::rescale(maximum, state, stream_);
  }

  void run_finalize(const AttentionState& state, const ActivationView& out) override {
    cuda::finalize(state, out, stream_);
  }

  void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                               const TensorView<float, 3>& delta) override {
    cuda::output_dot_gradient(out, dout, delta, stream_);
  }

  bool run_backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) override {
    check_extents(block.q, block.k);
    require(gradients.dq.strides[3] == 1 && gradients.dk.strides[3] == 1 && gradients.dv.strides[3] == 1,
            "block attention: the last extent of dq, dk and dv must be dense");
    if (is_empty(block.k.shape)) {
      return !progress || progress();
    }
    if (is_empty(block.q.shape)) {
      clear_overwritten(gradients, {});
    } else {
      run(path_for(block, gradients), block, [&](cuda::AttentionPath& path, const cuda::Gate& gate) {
        BlockGradients of_path = gradients;
        if (!path.can_overwrite_keys(block)) {
          clear_overwritten(gradients, gate);
          of_path.overwrites_keys = false;
        }
        path.backward(block, of_path, gate, stream_);
      });
    }
    return !progress || progress();
  }

  void clear_overwritten(const BlockGradients& gradients, const cuda::Gate& gate) const {
    if (gradients.overwrites_keys) {
      cuda::clear(gradients.dk, gate, stream_);
      cuda::clear(gradients.dv, gate, stream_);
    }
  }

  /// Enqueues a block on a path, and on the last one for the case that its numbers ask for that (path.hpp).
  template <class Block, class Enqueue>
  void run(cuda::AttentionPath& path, const Block& block, const Enqueue& enqueue) {
    if (&path == paths_.back().get() || !hides_something(block.mask, block.k.tokens())) {
      enqueue(path, {});
      return;
    }
    int* flag = unsafe_flag_.as<int>();
    cuda::find_unsafe(block, flag, stream_);
    enqueue(path, {.flag = flag, .opens_at = 0});
    enqueue(*paths_.back(), {.flag = flag, .opens_at = 1});
  }

  /// The first path that supports what is asked; the last one supports everything.
  template <class Block, class Results>
  cuda::AttentionPath& path_for(const Block& block, const Results& results) {
    for (const auto& path : paths_) {
      if (path->supports(block, results)) {
        return *path;
      }
    }
    throw Error(ErrorKind::internal, "block attention: no CUDA path takes this block");
  }

  cudaStream_t stream_;
  std::vector<std::unique_ptr<cuda::AttentionPath>> paths_;
  Buffer unsafe_flag_;
};

}  // namespace

std::unique_ptr<BlockAttention> make_cuda_block_attention(const BlockAttentionOptions& options) {
  return std::make_unique<CudaBlockAttention>(options);
}

}  // namespace ringworld
