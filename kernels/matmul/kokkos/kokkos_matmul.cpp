/// @file  A plain blocked product for any Kokkos execution space.
///
///            depth                    columns            a team has one tile of C: it brings a slice of A and a slice of
///          +---+---+            +---+---+---+            B into scratch memory, as floats, adds their product to the tile,
///    rows  | A |...|     depth  | B |   |   |            and goes on to the next slice; C is read and written once.
///          +---+---+            +---+---+---+
///
/// Rows of the tile go to threads, columns to lanes: SIMD on a CPU, neighbouring words on a GPU.

#include <Kokkos_Core.hpp>

#include "kernels/elementwise/kokkos/elements.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/elementwise/kokkos/math.hpp"
#include "kernels/matmul/matmul.hpp"

namespace ringworld {
namespace {

using kokkos::ExecutionSpace;

// Tiles of 8, 8 and 16 KiB: the scratch memory of a multiprocessor, the first-level cache of a core.
constexpr int tile_rows = 64;
constexpr int tile_columns = 64;
constexpr int slice = 32;

using Policy = Kokkos::TeamPolicy<ExecutionSpace>;
using Team = typename Policy::member_type;
using Tile = Kokkos::View<float**, Kokkos::LayoutRight, typename ExecutionSpace::scratch_memory_space,
                          Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

/// op(X) of an operand that may be stored transposed.
struct Operand {
  kokkos::Reader elements;
  std::int64_t leading;
  bool is_transposed;

  KOKKOS_INLINE_FUNCTION float operator()(std::int64_t row, std::int64_t column) const {
    return elements(is_transposed ? column * leading + row : row * leading + column);
  }
};

struct ProductKernel {
  Operand a;
  Operand b;
  kokkos::Writer c;
  std::int64_t c_leading;
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  std::int64_t tiles_across;
  std::int64_t first_tile;
  bool is_accumulating;
  int level;

  static std::size_t scratch_bytes() {
    return Tile::shmem_size(tile_rows, slice) + Tile::shmem_size(slice, tile_columns) +
           Tile::shmem_size(tile_rows, tile_columns);
  }

  KOKKOS_INLINE_FUNCTION void operator()(const Team& team) const {
    const std::int64_t tile = first_tile + team.league_rank();
    const std::int64_t row_begin = tile / tiles_across * tile_rows;
    const std::int64_t column_begin = tile % tiles_across * tile_columns;
    const Tile left(team.team_scratch(level), tile_rows, slice);
    const Tile right(team.team_scratch(level), slice, tile_columns);
    const Tile sums(team.team_scratch(level), tile_rows, tile_columns);
    const int rows = static_cast<int>(kokkos::smaller(tile_rows, m - row_begin));
    const int columns = static_cast<int>(kokkos::smaller(tile_columns, n - column_begin));
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, tile_rows), [&](int i) {
      Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, tile_columns), [&](int j) {
        const bool has_c = is_accumulating && i < rows && j < columns;
        sums(i, j) = has_c ? c((row_begin + i) * c_leading + column_begin + j) : 0.0F;
      });
    });
    for (std::int64_t begin = 0; begin < k; begin += slice) {
      const int depth = static_cast<int>(kokkos::smaller(slice, k - begin));
      team.team_barrier();  // the slices of before have been read
      Kokkos::parallel_for(Kokkos::TeamThreadRange(team, tile_rows), [&](int i) {
        Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, slice),
                             [&](int x) { left(i, x) = i < rows && x < depth ? a(row_begin + i, begin + x) : 0.0F; });
      });
      Kokkos::parallel_for(Kokkos::TeamThreadRange(team, slice), [&](int x) {
        Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, tile_columns), [&](int j) {
          right(x, j) = x < depth && j < columns ? b(begin + x, column_begin + j) : 0.0F;
        });
      });
      team.team_barrier();
      Kokkos::parallel_for(Kokkos::TeamThreadRange(team, rows), [&](int i) {
        float* const row = &sums(i, 0);
        for (int x = 0; x < depth; ++x) {
          const float factor = left(i, x);
          const float* const terms = &right(x, 0);
          Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, tile_columns),
                               [&](int j) { row[j] += factor * terms[j]; });
        }
      });
    }
    team.team_barrier();  // where nothing was multiplied, other threads than those of the last loop wrote the tile
    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, rows), [&](int i) {
      Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, columns),
                           [&](int j) { c((row_begin + i) * c_leading + column_begin + j, sums(i, j)); });
    });
  }
};

class KokkosMatmul final : public Matmul {
  void run_multiply(const MatmulProblem& problem) override {
    const std::int64_t down = (problem.m + tile_rows - 1) / tile_rows;
    const std::int64_t across = (problem.n + tile_columns - 1) / tile_columns;
    ProductKernel kernel{.a = {{problem.a, problem.dtype}, problem.a_leading, problem.is_a_transposed},
                         .b = {{problem.b, problem.dtype}, problem.b_leading, problem.is_b_transposed},
                         .c = {problem.c, problem.c_dtype},
                         .c_leading = problem.c_leading,
                         .m = problem.m,
                         .n = problem.n,
                         .k = problem.k,
                         .tiles_across = across,
                         .first_tile = 0,
                         .is_accumulating = problem.is_accumulating,
                         .level = 0};
    const std::size_t bytes = ProductKernel::scratch_bytes();
    kernel.level = bytes <= static_cast<std::size_t>(Policy::scratch_size_max(0)) ? 0 : 1;
    const int lanes = std::min(32, Policy::vector_length_max());
    const kokkos::LaunchScope scope;
    constexpr std::int64_t most_teams = 1 << 16;
    for (; kernel.first_tile < down * across; kernel.first_tile += most_teams) {
      const auto league = static_cast<int>(std::min(most_teams, down * across - kernel.first_tile));
      Policy policy(league, Kokkos::AUTO, lanes);
      policy.set_scratch_size(kernel.level, Kokkos::PerTeam(static_cast<int>(bytes)));
      Kokkos::parallel_for("ringworld::matmul", policy, kernel);
    }
  }
};

}  // namespace

std::unique_ptr<Matmul> make_kokkos_matmul(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosMatmul>();
}

}  // namespace ringworld
