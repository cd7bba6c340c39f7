#include <limits>

#include "core/error.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/elementwise/cuda/rows.cuh"
#include "kernels/rope/rope.hpp"

/// @file  RoPE on NVIDIA GPUs: a row is a token, its columns are the pairs of all heads. A thread turns `Width` pairs:
///
///   half_split   | a0 a1 ... | ......... | b0 b1 ... | ......... |     two packs, half a head apart
///   interleaved  | a0 b0 a1 b1 ......... | ..................... |     two packs, one behind the other

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;
using row::Rows;

template <class T, RopePairing Pairing>
struct Rotation {
  static constexpr int width = row::access_width<T>;
  static constexpr int unroll = 2;
  T* x = nullptr;
  std::uint32_t tokens = 0;
  std::int64_t batch_stride = 0;
  std::int64_t token_stride = 0;
  std::int64_t head_stride = 0;
  std::uint32_t half = 0;  // pairs of a head
  Rows<const float> cosine;
  Rows<const float> sine;
  std::uint32_t table_rows = 0;
  float direction = 1;  // -1 turns back

  template <int Width>
  struct Operands {
    T* target;
    Pack<T, Width> first;
    Pack<T, Width> second;
    Pack<float, Width> cosine;
    Pack<float, Width> sine;
  };

  /// From a thread's first pack to its second.
  template <int Width>
  __device__ __forceinline__ std::int64_t to_second() const {
    return Pairing == RopePairing::half_split ? half : Width;
  }

  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t row, std::int64_t column) const {
    // Divisions of 64 bits would take longer than memory does.
    const auto token = static_cast<std::uint32_t>(row);
    const auto pairs = static_cast<std::uint32_t>(column);
    const std::uint32_t pair = pairs % half;
    T* head = x + token / tokens * batch_stride + token % tokens * token_stride + pairs / half * head_stride;
    T* first = head + (Pairing == RopePairing::half_split ? pair : 2 * pair);
    const std::uint32_t table_row = token % table_rows;
    return {first, row::load<Width>(static_cast<const T*>(first)),
            row::load<Width>(static_cast<const T*>(first) + to_second<Width>()),
            row::load<Width>(cosine.at(table_row, pair)), row::load<Width>(sine.at(table_row, pair))};
  }

  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t /*row*/, std::int64_t /*column*/,
                                         const Operands<Width>& operands) const {
    const Floats<Width> first = row::widened(operands.first);
    const Floats<Width> second = row::widened(operands.second);
    const Floats<Width> cosines = row::widened(operands.cosine);
    const Floats<Width> sines = row::widened(operands.sine);
    Floats<Width> new_first;
    Floats<Width> new_second;
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      const float a = element(first, second, 2 * i, i);
      const float b = element(first, second, 2 * i + 1, Width + i);
      const float s = sines[i] * direction;
      set_element(new_first, new_second, 2 * i, i, a * cosines[i] - b * s);
      set_element(new_first, new_second, 2 * i + 1, Width + i, a * s + b * cosines[i]);
    }
    row::store_floats(operands.target, new_first);
    row::store_floats(operands.target + to_second<Width>(), new_second);
  }

 private:
  /// Of two packs taken as one: the element at `interleaved` or `half_split`, as the pairing says.
  template <int Width>
  static __device__ __forceinline__ float element(const Floats<Width>& first, const Floats<Width>& second,
                                                  int interleaved, int half_split) {
    const int index = Pairing == RopePairing::interleaved ? interleaved : half_split;
    return index < Width ? first[index] : second[index - Width];
  }
  template <int Width>
  static __device__ __forceinline__ void set_element(Floats<Width>& first, Floats<Width>& second, int interleaved,
                                                     int half_split, float value) {
    const int index = Pairing == RopePairing::interleaved ? interleaved : half_split;
    (index < Width ? first[index] : second[index - Width]) = value;
  }
};

class CudaRope final : public Rope {
  void run_rotate(const RopeRotation& rotation) override {
    if (rotation.x.size() == 0) {
      return;
    }
    with_type(rotation.x.dtype, [&](auto element) {
      using T = decltype(element);
      if (rotation.pairing == RopePairing::interleaved) {
        rotate_typed<T, RopePairing::interleaved>(rotation);
      } else {
        rotate_typed<T, RopePairing::half_split>(rotation);
      }
    });
  }

  template <class T, RopePairing Pairing>
  static void rotate_typed(const RopeRotation& rotation) {
    const ActivationView& x = rotation.x;
    const std::int64_t half = x.head_size() / 2;
    constexpr std::int64_t countable = std::numeric_limits<std::uint32_t>::max();
    require(x.batch() * x.tokens() <= countable && x.heads() * half <= countable,
            "RoPE on cuda: tokens and pairs are counted in 32 bits");
    const Rotation<T, Pairing> operation{.x = static_cast<T*>(x.data),
                                         .tokens = static_cast<std::uint32_t>(x.tokens()),
                                         .batch_stride = x.strides[0],
                                         .token_stride = x.strides[1],
                                         .head_stride = x.strides[2],
                                         .half = static_cast<std::uint32_t>(half),
                                         .cosine = {rotation.cosine.data, rotation.cosine.strides[0]},
                                         .sine = {rotation.sine.data, rotation.sine.strides[0]},
                                         .table_rows = static_cast<std::uint32_t>(rotation.cosine.shape[0]),
                                         .direction = rotation.direction == RopeDirection::forward ? 1.0F : -1.0F};
    const bool has_packs = half % Rotation<T, Pairing>::width == 0 && row::is_aligned(x) &&
                           row::is_aligned(ConstRowsView(rotation.cosine)) &&
                           row::is_aligned(ConstRowsView(rotation.sine));
    row::map_rows(operation, x.batch() * x.tokens(), x.heads() * half, has_packs);
  }
};

}  // namespace

std::unique_ptr<Rope> make_cuda_rope(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaRope>();
}

}  // namespace ringworld
