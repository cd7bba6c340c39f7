#pragma once
/// @file  Random inputs of attention that are a function of (seed, tensor, global index) alone: the same for any number
/// of ranks and any layout, and any rank can draw any token of them again.

#include <cstdint>
#include <span>

#include "core/tensor_view.hpp"
#include "sequence/partition.hpp"

namespace ringworld {

/// Which tensor is drawn; also the stream of its random numbers.
enum class InputTensor : std::uint8_t { q = 1, k = 2, v = 3, dout = 4 };

/// Standard normal q, k, v and dout of a whole sequence.
class SequenceInputs {
 public:
  SequenceInputs(std::uint64_t seed, std::int64_t context_length) : seed_(seed), context_length_(context_length) {}

  /// Fills one rank's tokens, the same with any number of threads.
  /// @param values (B, T, heads, D) in host memory; D a multiple of 4
  void fill(InputTensor tensor, const Partition& partition, std::int64_t rank, const ActivationView& values,
            int threads = 1) const;

  /// One token of one sequence, rounded to `dtype`. @param values heads * D
  void draw_token(InputTensor tensor, std::int64_t sequence, std::int64_t token, DType dtype,
                  std::span<float> values) const;

 private:
  std::uint64_t seed_;
  std::int64_t context_length_;
};

}  // namespace ringworld
