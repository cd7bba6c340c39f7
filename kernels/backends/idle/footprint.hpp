#pragma once
/// @file  What the kernels of a backend hold of their device's memory while they work, operands aside.
/// The numbers stand with the kernels that use them; here they are only brought together.

#include <cstdint>

#include "core/dtype.hpp"
#include "device/device_kind.hpp"
#include "kernels/attention/cuda/hopper/summary_size.hpp"
#include "kernels/attention/cuda/workspace.hpp"
#include "kernels/convolution/cuda/scratch.hpp"
#include "kernels/elementwise/cuda/column_sums.hpp"
#include "kernels/group_norm/cuda/scratch.hpp"
#include "kernels/matmul/cuda/workspace.hpp"
#include "kernels/optimizer/cuda/square_chunk.hpp"
#include "kernels/optimizer/kokkos/square_chunk.hpp"
#include "kernels/reconstruction_loss/cuda/scratch.hpp"

namespace ringworld {

/// Of backends on host memory; attention aside, whose kernel is the real one.
struct HostFootprint {
  static constexpr DeviceKind memory = DeviceKind::host;
  static constexpr std::int64_t matmul_bytes = 0;
  static constexpr std::int64_t sum_ranges(std::int64_t /*rows*/) { return 0; }
  static constexpr std::int64_t square_chunk = 0;
  static constexpr std::int64_t convolution_floats(const ConvolutionExtents& /*extents*/) { return 0; }
  static constexpr std::int64_t group_norm_pairs(std::int64_t /*frames*/, std::int64_t /*pixels*/,
                                                 std::int64_t /*channels*/, std::int64_t /*groups*/) {
    return 0;
  }
  static constexpr std::int64_t reconstruction_pairs(std::int64_t /*frames*/, std::int64_t /*elements*/) { return 0; }
};

/// Of a backend that computes nothing: it holds no scratch memory.
struct SimulatedFootprint : HostFootprint {
  static constexpr DeviceKind memory = DeviceKind::simulated;
  static constexpr std::int64_t attention_bytes = 0;
  static constexpr std::int64_t document_summary_tokens = 0;
  static constexpr std::int64_t document_summary_bytes = 0;
  static constexpr bool has_summaries(DType /*dtype*/, std::int64_t /*head_size*/) { return false; }
};

/// What a backend says of each of its families; 0 where a family holds nothing.
struct KokkosFootprint {
  static constexpr DeviceKind memory = DeviceKind::kokkos;
  static constexpr std::int64_t attention_bytes = 0;          ///< of an attention object
  static constexpr std::int64_t document_summary_tokens = 0;  ///< tokens of documents that share a summary
  static constexpr std::int64_t document_summary_bytes = 0;   ///< of one summary
  /// Whether blocks of this type and head size are summarised.
  static constexpr bool has_summaries(DType /*dtype*/, std::int64_t /*head_size*/) { return false; }
  static constexpr std::int64_t matmul_bytes = 0;  ///< of a product object
  /// Partial sums that a sum over rows holds.
  static constexpr std::int64_t sum_ranges(std::int64_t /*rows*/) { return 0; }
  static constexpr std::int64_t square_chunk = kokkos_square_chunk;  ///< elements whose sum of squares is one double
  /// Floats that a convolution holds after a backward pass.
  static constexpr std::int64_t convolution_floats(const ConvolutionExtents& /*extents*/) { return 0; }
  /// Pairs of doubles that a group norm holds, and a reconstruction loss.
  static constexpr std::int64_t group_norm_pairs(std::int64_t /*frames*/, std::int64_t /*pixels*/,
                                                 std::int64_t /*channels*/, std::int64_t /*groups*/) {
    return 0;
  }
  static constexpr std::int64_t reconstruction_pairs(std::int64_t /*frames*/, std::int64_t /*elements*/) { return 0; }
};

/// Of a Hopper; earlier GPUs hold no summaries of documents.
struct CudaFootprint {
  static constexpr DeviceKind memory = DeviceKind::cuda;
  static constexpr std::int64_t attention_bytes = cuda_attention_workspace_bytes;
  static constexpr std::int64_t document_summary_tokens = cuda::hopper::summary_tokens;
  static constexpr std::int64_t document_summary_bytes = cuda::hopper::summary_bytes;
  static constexpr bool has_summaries(DType dtype, std::int64_t head_size) {
    return dtype == DType::bfloat16 && cuda::hopper::takes_head_size(head_size);
  }
  static constexpr std::int64_t matmul_bytes = cuda_matmul_workspace_bytes;
  static constexpr std::int64_t sum_ranges(std::int64_t rows) { return row::sum_ranges(rows); }
  static constexpr std::int64_t square_chunk = cuda_square_chunk;
  static constexpr std::int64_t convolution_floats(const ConvolutionExtents& extents) {
    return cuda_convolution_floats(extents);
  }
  static constexpr std::int64_t group_norm_pairs(std::int64_t frames, std::int64_t pixels, std::int64_t channels,
                                                 std::int64_t groups) {
    return cuda_group_norm_pairs(frames, pixels, channels, groups);
  }
  static constexpr std::int64_t reconstruction_pairs(std::int64_t frames, std::int64_t elements) {
    return cuda_reconstruction_chunks(frames, elements);
  }
};

}  // namespace ringworld
