#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/multiprocessors.hpp"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/elementwise/cuda/rows.cuh"
#include "kernels/embedding/embedding.hpp"

/// @file  The token embedding on NVIDIA GPUs.
///
/// Backward, without atomics: every row of the table belongs to one block a chunk of columns (row % blocks), which walks
/// over all tokens in their order and adds what is its own. The sums are therefore those of a plain loop, bit for bit,
/// whatever the grid. Each block reads all tokens once, from the L2 cache; that is little beside the gradients:
/// 4 bytes a token and block against C * size_of(dy) a token.
///
///   tokens   7 2 9 7 4 7 ...     block 0 of 3 has the rows 0 3 6 9:    9
///                                block 1              1 4 7    :  7  7 4 7

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;
using row::Rows;
using row::rows_of;

template <class From, class To>
struct Lookup {
  static constexpr int width = std::max(row::access_width<From>, row::access_width<To>);
  static constexpr int unroll = 2;
  const std::int32_t* tokens = nullptr;
  Rows<const From> table;
  std::int64_t vocab_begin = 0;
  std::int64_t table_rows = 0;
  Rows<To> y;

  template <int Width>
  __device__ __forceinline__ Pack<From, Width> load(std::int64_t row, std::int64_t column) const {
    const std::int64_t table_row = tokens[row] - vocab_begin;
    const bool is_here = table_row >= 0 && table_row < table_rows;
    return is_here ? row::load<Width>(table.at(table_row, column)) : Pack<From, Width>{};
  }

  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<From, Width>& pack) const {
    row::store_floats(y.at(row, column), row::widened(pack));
  }
};

constexpr int gradient_threads = 128;
constexpr int tokens_of_thread = 4;                               // of a tile
constexpr int tile_tokens = gradient_threads * tokens_of_thread;  // looked through between two barriers
constexpr int rows_in_flight = 4;                                 // of dy

template <class T>
struct GradientOperands {
  const std::int32_t* tokens = nullptr;
  std::int64_t token_count = 0;
  Rows<const T> dy;
  std::int64_t columns = 0;
  std::int64_t vocab_begin = 0;
  std::int64_t table_rows = 0;
  Rows<float> dtable;
};

/// A block's tokens of one tile, in their order.
struct OwnTokens {
  std::int32_t position[tile_tokens];  // in the tile
  std::int32_t table_row[tile_tokens];
  int of_warp[gradient_threads / 32];
  int count;
};

/// Fills `own` from the tile that starts at `begin`. Thread i looks at the tokens 4 i ... 4 i + 3: ranks rise with it. No one
/// overwrites the list before all have come to the first barrier, and so are done with the tile before.
template <class T>
__device__ __forceinline__ void find_own_tokens(const GradientOperands<T>& operands, std::int64_t begin,
                                                OwnTokens& own) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int warp = static_cast<int>(threadIdx.x / 32);
  std::int32_t table_rows[tokens_of_thread];
  int count = 0;
#pragma unroll
  for (int i = 0; i < tokens_of_thread; ++i) {
    const std::int64_t t = begin + static_cast<std::int64_t>(threadIdx.x) * tokens_of_thread + i;
    const std::int64_t table_row = t < operands.token_count ? operands.tokens[t] - operands.vocab_begin : -1;
    const bool is_own = table_row >= 0 && table_row < operands.table_rows &&
                        static_cast<std::uint32_t>(table_row) % gridDim.x == blockIdx.x;
    table_rows[i] = is_own ? static_cast<std::int32_t>(table_row) : -1;
    count += is_own ? 1 : 0;
  }
  int before = count;  // becomes the count of this lane and those before it
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int more = __shfl_up_sync(0xffffffffU, before, distance);
    before += lane >= distance ? more : 0;
  }
  if (lane == 31) {
    own.of_warp[warp] = before;
  }
  __syncthreads();
  int rank = before - count;
  for (int w = 0; w < warp; ++w) {
    rank += own.of_warp[w];
  }
#pragma unroll
  for (int i = 0; i < tokens_of_thread; ++i) {
    if (table_rows[i] >= 0) {
      own.position[rank] = static_cast<std::int32_t>(threadIdx.x) * tokens_of_thread + i;
      own.table_row[rank] = table_rows[i];
      ++rank;
    }
  }
  if (threadIdx.x == gradient_threads - 1) {
    own.count = rank;
  }
  __syncthreads();
}

template <class T, int Width>
__global__ void __launch_bounds__(gradient_threads) gradient_kernel(GradientOperands<T> operands) {
  __shared__ OwnTokens own;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.y) * gradient_threads + threadIdx.x) * Width;
  const bool has_columns = column < operands.columns;
  std::int32_t held = -1;  // the table row whose sum is in registers
  Floats<Width> sum = {};
  const auto put_back = [&] {
    if (held >= 0 && has_columns) {
      row::store_floats(operands.dtable.at(held, column), sum);
    }
  };
  for (std::int64_t begin = 0; begin < operands.token_count; begin += tile_tokens) {
    find_own_tokens(operands, begin, own);
    for (int first = 0; first < own.count; first += rows_in_flight) {
      Pack<T, Width> dy[rows_in_flight];
#pragma unroll
      for (int i = 0; i < rows_in_flight; ++i) {
        if (first + i < own.count && has_columns) {
          dy[i] = row::load<Width>(operands.dy.at(begin + own.position[first + i], column));
        }
      }
#pragma unroll
      for (int i = 0; i < rows_in_flight; ++i) {
        if (first + i < own.count && has_columns) {
          const std::int32_t table_row = own.table_row[first + i];
          if (table_row != held) {
            put_back();
            held = table_row;
            sum = row::load_floats<Width>(static_cast<const float*>(operands.dtable.at(held, column)));
          }
          const Floats<Width> more = row::widened(dy[i]);
#pragma unroll
          for (int j = 0; j < Width; ++j) {
            sum[j] += more[j];
          }
        }
      }
    }
  }
  put_back();
}

class CudaEmbedding final : public Embedding {
  void run_forward(const EmbeddingForward& pass) override {
    if (pass.y.rows == 0 || pass.y.columns == 0) {
      return;
    }
    with_type(pass.table.dtype, [&](auto from) {
      with_type(pass.y.dtype, [&](auto to) {
        using From = decltype(from);
        using To = decltype(to);
        row::map_rows(Lookup<From, To>{.tokens = pass.tokens.data(),
                                       .table = rows_of<From>(pass.table),
                                       .vocab_begin = pass.vocab_begin,
                                       .table_rows = pass.table.rows,
                                       .y = rows_of<To>(pass.y)},
                      pass.y.rows, pass.y.columns, row::is_aligned(pass.table) && row::is_aligned(pass.y));
      });
    });
  }

  void run_backward(const EmbeddingBackward& pass) override {
    if (pass.dy.rows == 0 || pass.dy.columns == 0 || pass.dtable.shape[0] == 0) {
      return;
    }
    with_type(pass.dy.dtype, [&](auto element) { backward_typed<decltype(element)>(pass); });
  }

  template <class T>
  static void backward_typed(const EmbeddingBackward& pass) {
    constexpr int width = row::access_width<T>;
    const RowsView dtable(pass.dtable);
    const GradientOperands<T> operands{.tokens = pass.tokens.data(),
                                       .token_count = std::ssize(pass.tokens),
                                       .dy = rows_of<T>(pass.dy),
                                       .columns = pass.dy.columns,
                                       .vocab_begin = pass.vocab_begin,
                                       .table_rows = dtable.rows,
                                       .dtable = rows_of<float>(dtable)};
    const bool has_packs = pass.dy.columns % width == 0 && row::is_aligned(pass.dy) && row::is_aligned(dtable);
    const std::int64_t chunks = row::divided_up(pass.dy.columns, gradient_threads * (has_packs ? width : 1));
    constexpr std::int64_t most_chunks = 65535;  // of a grid in y
    require_input(chunks <= most_chunks,
                  "embedding on cuda: rows of " + std::to_string(pass.dy.columns) + " columns are too long");
    const std::int64_t resident = row::multiprocessors() * row::resident_threads / gradient_threads;
    const std::int64_t owners = std::clamp<std::int64_t>(resident / chunks, 1, dtable.rows);
    const LaunchShape shape{.grid = dim3(static_cast<unsigned>(owners), static_cast<unsigned>(chunks)),
                            .block = dim3(gradient_threads)};
    if (has_packs) {
      launch(gradient_kernel<T, width>, shape, native_compute_stream(), operands);
    } else {
      launch(gradient_kernel<T, 1>, shape, native_compute_stream(), operands);
    }
  }
};

}  // namespace

std::unique_ptr<Embedding> make_cuda_embedding(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaEmbedding>();
}

}  // namespace ringworld
