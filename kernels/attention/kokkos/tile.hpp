#pragma once
/// @file  Tiles of floats in team scratch memory: loading, and the one matrix product that attention needs.
///
/// Threads of a team take rows and vector lanes take columns, so that on a GPU neighbouring lanes touch neighbouring
/// words and on a CPU the column loop becomes SIMD. Hence an operand that is summed along its fast index is kept
/// transposed.

#include <Kokkos_Core.hpp>
#include <cstdint>

#include "kernels/attention/kokkos/tile_mask.hpp"
#include "kernels/attention/kokkos/views.hpp"
#include "kernels/elementwise/kokkos/math.hpp"

namespace ringworld::kokkos {

using TeamPolicy = Kokkos::TeamPolicy<ExecutionSpace>;
using TeamMember = typename TeamPolicy::member_type;

using Tile = Kokkos::View<float**, Kokkos::LayoutRight, typename ExecutionSpace::scratch_memory_space,
                          Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
using TileColumn = Kokkos::View<float*, Kokkos::LayoutRight, typename ExecutionSpace::scratch_memory_space,
                                Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

/// Tokens along each side of a tile. With D = 64 the forward tiles fill 37 KiB: a GPU's shared memory, a CPU's L1.
inline constexpr int tile_tokens = 32;

/// Products are unrolled by this many terms; every head size and `tile_tokens` are multiples of it.
inline constexpr int unroll = 4;
static_assert(tile_tokens % unroll == 0);

/// tile(t, d) = tensor(b, begin + t, h, d), and 0 in the rows from `count` on.
template <class Reader>
KOKKOS_INLINE_FUNCTION void load(const TeamMember& member, const Reader& tensor, std::int64_t b, std::int64_t begin,
                                 std::int64_t h, int count, const Tile& tile) {
  const int head_size = static_cast<int>(tile.extent(1));
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, tile_tokens), [&](int t) {
    Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, head_size),
                         [&](int d) { tile(t, d) = t < count ? tensor(b, begin + t, h, d) : 0.0F; });
  });
}

/// tile(d, t) = tensor(b, begin + t, h, d), and 0 in the columns from `count` on.
template <class Reader>
KOKKOS_INLINE_FUNCTION void load_transposed(const TeamMember& member, const Reader& tensor, std::int64_t b,
                                            std::int64_t begin, std::int64_t h, int count, const Tile& tile) {
  const int head_size = static_cast<int>(tile.extent(0));
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, tile_tokens), [&](int t) {
    Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, head_size),
                         [&](int d) { tile(d, t) = t < count ? tensor(b, begin + t, h, d) : 0.0F; });
  });
}

/// Where some scores of a tile are hidden: makes zeros of the rows of `tile` that hold NaN or infinity, and marks them.
/// marks(t) is NaN there and 0 elsewhere, to be added to the scores that are visible. A product over tokens would carry
/// such a row, as 0 * NaN, to tokens that do not see it.
KOKKOS_INLINE_FUNCTION void zero_unless_finite(const TeamMember& member, const Tile& tile, Cover cover,
                                               const TileColumn& marks) {
  const int head_size = static_cast<int>(tile.extent(1));
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, tile_tokens), [&](int t) {
    int strays = 0;
    Kokkos::parallel_reduce(
        Kokkos::ThreadVectorRange(member, cover == Cover::some ? head_size : 0),
        [&](int d, int& found) { found += is_finite(tile(t, d)) ? 0 : 1; }, strays);
    if (strays > 0) {
      Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, head_size), [&](int d) { tile(t, d) = 0.0F; });
    }
    Kokkos::single(Kokkos::PerThread(member), [&]() { marks(t) = strays > 0 ? not_a_number : 0.0F; });
  });
}

KOKKOS_INLINE_FUNCTION void fill_zero(const TeamMember& member, const Tile& tile) {
  const int columns = static_cast<int>(tile.extent(1));
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, static_cast<int>(tile.extent(0))), [&](int row) {
    Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, columns), [&](int column) { tile(row, column) = 0.0F; });
  });
}

/// result(r, c) += sum over x of left(r, x) * right(x, c), for the first `rows` rows.
/// @param left (R, X)     @param right (X, C)     @param result (R, C)
KOKKOS_INLINE_FUNCTION void add_product(const TeamMember& member, int rows, const Tile& left, const Tile& right,
                                        const Tile& result) {
  const int terms = static_cast<int>(right.extent(0));
  const int columns = static_cast<int>(right.extent(1));
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, rows), [&](int row) {
    float* const sums = &result(row, 0);
    for (int x = 0; x < terms; x += unroll) {
      const float left0 = left(row, x);
      const float left1 = left(row, x + 1);
      const float left2 = left(row, x + 2);
      const float left3 = left(row, x + 3);
      const float* const right0 = &right(x, 0);
      const float* const right1 = &right(x + 1, 0);
      const float* const right2 = &right(x + 2, 0);
      const float* const right3 = &right(x + 3, 0);
      Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, columns), [&](int column) {
        sums[column] +=
            left0 * right0[column] + left1 * right1[column] + left2 * right2[column] + left3 * right3[column];
      });
    }
  });
}

/// tensor(b, begin + t, h, d) += tile(t, d) for the first `count` rows.
KOKKOS_INLINE_FUNCTION void add_to(const TeamMember& member, const Tile& tile, int count,
                                   const StridedView<float, 4>& tensor, std::int64_t b, std::int64_t begin,
                                   std::int64_t h) {
  const int head_size = static_cast<int>(tile.extent(1));
  Kokkos::parallel_for(Kokkos::TeamThreadRange(member, count), [&](int t) {
    Kokkos::parallel_for(Kokkos::ThreadVectorRange(member, head_size),
                         [&](int d) { tensor(b, begin + t, h, d) += tile(t, d); });
  });
}

}  // namespace ringworld::kokkos
