/// @file  The Hopper path: which blocks it takes, and how their tensors become tensor maps and kernel arguments.
///
/// Environment variables choose between builds of the forward kernel, for benchmarks and tests:
///
///   RINGWORLD_HOPPER_OVERLAP=off|on            default on; see forward_walk.cuh
///   RINGWORLD_HOPPER_GRID=tiles|persistent     default persistent, but for long blocks beside transfers; see
///                                              forward_kernel.cuh and persistent_forward_kernel.cuh
///   RINGWORLD_HOPPER_SPARE_MULTIPROCESSORS=N   that a persistent grid leaves free; default: as many as transfers need
///                                              (device/cuda/spare_multiprocessors.hpp)

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "device/buffer.hpp"
#include "device/cuda/check.hpp"
#include "device/cuda/spare_multiprocessors.hpp"
#include "device/cuda/tensor_map.hpp"
#include "kernels/attention/cuda/hopper/backward.cuh"
#include "kernels/attention/cuda/hopper/forward.cuh"
#include "kernels/attention/cuda/hopper/gradient_sum.cuh"
#include "kernels/attention/cuda/path.hpp"
#include "kernels/elementwise/cuda/multiprocessors.hpp"

namespace ringworld::cuda {
namespace {

using namespace hopper;

constexpr std::int64_t copy_alignment = 16;  ///< bytes: of what bulk copies read and write, and of its strides

/// Whether a tensor map can describe a (B, T, heads, D) tensor: the copy engine moves 16 bytes at a time.
template <class Pointer>
bool is_copyable(Pointer* data, const std::array<std::int64_t, 4>& shape, const std::array<std::int64_t, 4>& strides,
                 std::int64_t element_bytes) {
  constexpr std::int64_t end_of_strides = std::int64_t{1} << 40;
  if (reinterpret_cast<std::uintptr_t>(data) % copy_alignment != 0 || strides[3] != 1) {
    return false;
  }
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t bytes = strides[axis] * element_bytes;
    if (shape[axis] > 1 && (bytes <= 0 || bytes >= end_of_strides || bytes % copy_alignment != 0)) {
      return false;
    }
  }
  return true;
}

bool is_copyable_bf16(const ConstActivationView& view) {
  return view.dtype == DType::bfloat16 && is_copyable(view.data, view.shape, view.strides, size_of(view.dtype));
}

bool is_copyable(const TensorView<float, 4>& view) {
  return is_copyable(view.data, view.shape, view.strides, sizeof(float));
}

/// The state's output is read and written by pairs.
bool has_pairs(const TensorView<float, 4>& output) {
  bool is_even = reinterpret_cast<std::uintptr_t>(output.data) % sizeof(float2) == 0 && output.strides[3] == 1;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    is_even = is_even && (output.shape[axis] == 1 || output.strides[axis] % 2 == 0);
  }
  return is_even;
}

/// Boxes of `rows` tokens and one head: panels of 128 bytes, swizzled.
CUtensorMap map_of(const void* data, DType dtype, const std::array<std::int64_t, 4>& shape,
                   const std::array<std::int64_t, 4>& strides, int rows) {
  constexpr std::int64_t panel_bytes = 128;
  return make_tensor_map({.data = const_cast<void*>(data),
                          .dtype = dtype,
                          .sizes = {shape[3], shape[1], shape[2], shape[0]},
                          .strides = {strides[3], strides[1], strides[2], strides[0]},
                          .box = {panel_bytes / size_of(dtype), rows, 1, 1},
                          .swizzle = BoxSwizzle::bytes_128});
}

CUtensorMap map_of(const ConstActivationView& view, int rows) {
  return map_of(view.data, view.dtype, view.shape, view.strides, rows);
}

GradientMaps gradient_maps_of(const TensorView<float, 4>& view) {
  GradientMaps maps{};
  for (std::int64_t part = 0; part < view.shape[3] / GradientSum::columns; ++part) {
    maps.columns[part] = make_tensor_map({.data = view.data + part * GradientSum::columns,
                                          .dtype = DType::float32,
                                          .sizes = {GradientSum::columns, view.shape[1], view.shape[2], view.shape[0]},
                                          .strides = {1, view.strides[1], view.strides[2], view.strides[0]},
                                          .box = {GradientSum::box_columns, GradientSum::rows, 1, 1},
                                          .swizzle = BoxSwizzle::none});
  }
  return maps;
}

int tiles_of(std::int64_t tokens, int tile) { return static_cast<int>((tokens + tile - 1) / tile); }

/// Tokens, heads and strides fit the kernels' integers; `heads` is B H.
bool has_countable_blocks(std::int64_t tokens, std::int64_t heads) {
  constexpr std::int64_t end_of_blocks = std::int64_t{1} << 31;
  return (tokens / warpgroup_rows + 1) * heads < end_of_blocks;
}

/// Of a (B, H, T, D) tensor, as the state's output is.
CUtensorMap map_by_head(const TensorView<float, 4>& view) {
  const auto by_token = [](const std::array<std::int64_t, 4>& axes) {
    return std::array{axes[0], axes[2], axes[1], axes[3]};
  };
  return map_of(view.data, DType::float32, by_token(view.shape), by_token(view.strides), warpgroup_rows);
}

/// Whether the variable names the second of two choices; nothing if it is not set.
std::optional<bool> second_is_asked_for(const char* variable, const std::array<std::string_view, 2>& choices) {
  const char* asked = std::getenv(variable);
  if (asked == nullptr) {
    return std::nullopt;
  }
  if (choices[0] != asked && choices[1] != asked) {
    throw_unknown_name(variable, asked, choices);
  }
  return choices[1] == asked;
}

constexpr const char* spare_variable = "RINGWORLD_HOPPER_SPARE_MULTIPROCESSORS";

std::optional<int> spare_multiprocessors_asked_for() {
  const char* asked = std::getenv(spare_variable);
  if (asked == nullptr) {
    return std::nullopt;
  }
  const std::string_view text = asked;
  int count = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 0) {
    throw Error(ErrorKind::bad_input, std::string(spare_variable) + " takes a number from 0 on, not '" + asked + "'");
  }
  return count;
}

template <int head_size>
class HopperPath final : public AttentionPath {
 public:
  explicit HopperPath(float scale)
      : scale_(scale),
        overlaps_(second_is_asked_for("RINGWORLD_HOPPER_OVERLAP", {"off", "on"}).value_or(true)),
        wants_persistent_(second_is_asked_for("RINGWORLD_HOPPER_GRID", {"tiles", "persistent"})),
        multiprocessors_(static_cast<int>(row::multiprocessors())),
        spare_multiprocessors_(spare_multiprocessors_asked_for()) {}

  [[nodiscard]] std::string_view name() const override { return "hopper"; }

  [[nodiscard]] bool supports(const ForwardBlock& block, const AttentionState& state) const override {
    return is_copyable_bf16(block.q) && is_copyable_bf16(block.k) && is_copyable_bf16(block.v) &&
           has_pairs(state.output) && has_countable_blocks(block.q.tokens(), block.q.batch() * block.q.heads());
  }

  [[nodiscard]] bool supports(const BackwardBlock& block, const BlockGradients& gradients) const override {
    return is_copyable_bf16(block.q) && is_copyable_bf16(block.k) && is_copyable_bf16(block.v) &&
           is_copyable_bf16(block.dout) && is_copyable(gradients.dq) && is_copyable(gradients.dk) &&
           is_copyable(gradients.dv) && has_countable_blocks(block.k.tokens(), block.q.batch() * block.q.heads());
  }

  /// A key tile of one query head is one block's: it writes dk and dv alone where no other head reads the keys.
  [[nodiscard]] bool can_overwrite_keys(const BackwardBlock& block) const override {
    return block.q.heads() == block.k.heads();
  }

  [[nodiscard]] bool can_write(const ActivationView& out) const override { return is_copyable_bf16(out); }

  void forward(const ForwardBlock& block, const AttentionState& state, const ActivationView& out, const Gate& gate,
               cudaStream_t stream) override {
    using Shape = ForwardShape<head_size>;
    constexpr int queries = consumer_rows<Shape>;
    const std::int64_t heads_per_kv_head = block.q.heads() / block.k.heads();
    const bool is_persistent = wants_persistent_.value_or(is_persistent_by_itself(block)) && is_copyable(state.output);
    ForwardArguments arguments{
        .q = map_of(block.q, queries),
        .k = map_of(block.k, Shape::keys),
        .v = map_of(block.v, Shape::keys),
        .out = out.is_null() ? CUtensorMap{} : map_of(out, warpgroup_rows),
        .state_output = is_persistent ? map_by_head(state.output) : CUtensorMap{},
        .mask = tile_mask_of(block.mask, block.q.tokens(), block.k.tokens()),
        .query_documents = {},
        .key_documents = {},
        .state = rows_of(state),
        .results = results_of(out),
        // Keys and values, which the query heads of a group share.
        .order =
            block_order_of(tiles_of(block.q.tokens(), queries), static_cast<int>(block.q.batch() * block.q.heads()),
                           4 * block.k.tokens() * head_size / heads_per_kv_head),
        .heads = static_cast<int>(block.q.heads()),
        .heads_per_kv_head = static_cast<int>(heads_per_kv_head),
        .scale = scale_,
        .gate = gate,
    };
    summarize(arguments, block.q.batch(), stream);
    launch_forward<head_size>(arguments,
                              {.overlaps = overlaps_,
                               .is_persistent = is_persistent,
                               .most_blocks = std::max(1, multiprocessors_ - spare_multiprocessors())},
                              stream);
  }

  void backward(const BackwardBlock& block, const BlockGradients& gradients, const Gate& gate,
                cudaStream_t stream) override {
    using Shape = BackwardShape<head_size>;
    constexpr int keys = consumer_rows<Shape>;
    BackwardArguments arguments{
        .q = map_of(block.q, Shape::queries),
        .dout = map_of(block.dout, Shape::queries),
        .k = map_of(block.k, keys),
        .v = map_of(block.v, keys),
        .dq = gradient_maps_of(gradients.dq),
        .dk = gradient_maps_of(gradients.dk),
        .dv = gradient_maps_of(gradients.dv),
        .maximum = numbers_of(block.maximum),
        .sum = numbers_of(block.sum),
        .delta = numbers_of(block.delta),
        .mask = tile_mask_of(block.mask, block.q.tokens(), block.k.tokens()),
        .query_documents = {},
        .key_documents = {},
        // q and dout in bf16, dq in fp32.
        .order = block_order_of(tiles_of(block.k.tokens(), keys), static_cast<int>(block.q.batch() * block.q.heads()),
                                8 * block.q.tokens() * head_size),
        .heads = static_cast<int>(block.q.heads()),
        .heads_per_kv_head = static_cast<int>(block.q.heads() / block.k.heads()),
        .scale = scale_,
        .overwrites_keys = gradients.overwrites_keys,
        .gate = gate,
    };
    summarize(arguments, block.q.batch(), stream);
    launch_backward<head_size>(arguments, stream);
  }

  /// 8 bytes for every 64 tokens of the longest block with documents so far.
  [[nodiscard]] std::int64_t workspace_bytes() const override { return summaries_.bytes(); }

 private:
  /// Fills in the summaries of the document ids, when there are any.
  template <class Arguments>
  void summarize(Arguments& arguments, std::int64_t batch, cudaStream_t stream) {
    if (arguments.mask.queries.data == nullptr) {
      return;
    }
    arguments.query_documents.groups = tiles_of(arguments.mask.query_tokens, summary_tokens);
    arguments.key_documents.groups = tiles_of(arguments.mask.key_tokens, summary_tokens);
    const std::int64_t of_queries = batch * arguments.query_documents.groups;
    const std::int64_t of_keys = batch * arguments.key_documents.groups;
    const auto bytes = (of_queries + of_keys) * static_cast<std::int64_t>(sizeof(DocumentSummary));
    if (summaries_.bytes() < bytes) {
      // Kernels that were enqueued before may still read the old ones.
      device(DeviceKind::cuda).compute_stream().synchronize();
      summaries_ = Buffer(bytes, DeviceKind::cuda, MemoryUse::attention);
    }
    arguments.query_documents.data = summaries_.as<DocumentSummary>();
    arguments.key_documents.data = arguments.query_documents.data + of_queries;
    summarize_documents(arguments.mask.queries, static_cast<int>(batch), arguments.mask.query_tokens,
                        arguments.query_documents, stream);
    summarize_documents(arguments.mask.keys, static_cast<int>(batch), arguments.mask.key_tokens,
                        arguments.key_documents, stream);
  }

  /// Of the device: a persistent grid keeps off them.
  [[nodiscard]] int spare_multiprocessors() const {
    return spare_multiprocessors_.value_or(SpareMultiprocessors::wanted());
  }

  /// Beside transfers, long blocks lose more by the multiprocessors left to those than a persistent grid gains.
  [[nodiscard]] bool is_persistent_by_itself(const ForwardBlock& block) const {
    return spare_multiprocessors() == 0 || block.k.tokens() <= persistent_keys_beside_transfers;
  }

  float scale_;
  bool overlaps_;  ///< the softmax of a tile and the product of the tile before, in the forward pass
  std::optional<bool> wants_persistent_;
  int multiprocessors_;
  std::optional<int> spare_multiprocessors_;
  Buffer summaries_;
};

bool device_is_hopper() {
  int device = 0;
  int major = 0;
  int minor = 0;
  check_cuda(cudaGetDevice(&device));
  check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  return major == 9 && minor == 0;
}

}  // namespace

std::unique_ptr<AttentionPath> make_hopper_path(const BlockAttentionOptions& options) {
  if (!takes_head_size(options.head_size) || !device_is_hopper()) {
    return nullptr;
  }
  if (options.head_size == 64) {
    return std::make_unique<HopperPath<64>>(options.scale);
  }
  return std::make_unique<HopperPath<128>>(options.scale);
}

}  // namespace ringworld::cuda
