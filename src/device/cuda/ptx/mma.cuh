#pragma once
/// @file  Matrix products of one warp on the tensor cores, fp32 sums: d += a b. sm_80 and up.
/// Source: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type" and "... mma.m16n8k8".
///
/// Who holds what; t = thread of the warp, g = t/4, j = t%4; pairs of bf16 have the first column or row in the lower half:
///   d (16, 8)   d[0], d[1]: row g, columns 2j, 2j+1      d[2], d[3]: row g+8, the same columns
///   a (16, 16)  a[0]: row g, columns 2j, 2j+1            a[1]: row g+8
///               a[2]: row g, columns 2j+8, 2j+9          a[3]: row g+8
///   b (16, 8)   b0: rows 2j, 2j+1, column g              b1: rows 2j+8, 2j+9, column g
/// so that d of one product, packed, is a of the next one (16 rows, 16 columns from two d).
/// All 32 threads of the warp call these together.

#include <cstdint>

namespace ringworld::ptx {

/// a (16, 16) and b (16, 8) are bf16.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                                  std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// a (16, 8) and b (8, 8) are tf32, one element a register:
///   a[0]: row g, column j     a[1]: row g+8, column j     a[2]: row g, column j+4     a[3]: row g+8, column j+4
///   b0: row j, column g       b1: row j+4, column g
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                                 std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace ringworld::ptx
