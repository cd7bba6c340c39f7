#pragma once
/// @file  Which vector instruction set the CPU kernels run on, chosen at run time.

#include <array>
#include <cstdint>
#include <string_view>

namespace ringworld {

/// In rising order of capability.
enum class Isa : std::uint8_t {
  portable,  ///< the compiler's baseline: runs on any CPU
  avx2,      ///< AVX2 and FMA
  avx512,    ///< AVX-512 F, BW, DQ, VL
};

inline constexpr std::array<std::string_view, 3> isa_names{"portable", "avx2", "avx512"};

[[nodiscard]] constexpr std::string_view name_of(Isa isa) noexcept { return isa_names[static_cast<std::size_t>(isa)]; }

/// The best set that this CPU has and this binary was built for.
[[nodiscard]] Isa best_isa();

/// `best_isa()`, or the one that the environment variable RINGWORLD_ISA names.
/// @throws Error(bad_input) when it names no set, or one that this CPU lacks.
[[nodiscard]] Isa selected_isa();

/// Whether code for `isa` may use this CPU's dot products of bf16 pairs (`vdpbf16ps`): the set is AVX-512 and the CPU
/// has AVX512_BF16.
[[nodiscard]] bool has_bf16_dot_product(Isa isa);

/// The same for `selected_isa()`, so that RINGWORLD_ISA=avx2 or portable turns them off.
[[nodiscard]] bool has_bf16_dot_product();

}  // namespace ringworld
