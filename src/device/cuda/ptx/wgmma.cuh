#pragma once
/// @file  Matrix products of a warpgroup (four warps, the first of them a multiple of 4) on Hopper's tensor cores:
/// d = a b, or d += a b, for a (64, 16) and b (16, N) of bf16 and d (64, N) of fp32. They run beside the threads. sm_90a.
/// Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions".
///
/// Who holds what; t = thread of the warpgroup, w = t/32 its warp, g = t%32/4, j = t%4:
///   d  d[4n], d[4n+1]: row 16w+g, columns 8n+2j, 8n+2j+1      d[4n+2], d[4n+3]: row 16w+g+8, the same columns
///   a  in registers, rows as d: a[0], a[1] columns 2j, 2j+1 of rows 16w+g, 16w+g+8; a[2], a[3] columns 2j+8, 2j+9:
///      what mma_m16n8k16_bf16 takes in each warp, so that d of one product, packed, is a of the next one
///
/// The order of things, each by all 128 threads:
///   fence_wgmma();                    registers (and, with fence_async_proxy, shared memory) written before are seen
///   wgmma<...>(d, ...); ...           any number; d and a in registers must not be touched from here
///   commit_wgmma();                   makes them a group
///   wait_wgmma<n>();                  until at most n groups are under way; d of the others may be read,
///                                     and the shared memory that they read may be written
/// hold_registers(d) before the first and after the wait keeps the compiler from moving uses of d in between;
/// hold_registers(a) before the first, from computing a fragment a between fence and product.

#include <cstdint>

#include "device/cuda/ptx/matrix_descriptor.cuh"

namespace ringworld::ptx {

__device__ __forceinline__ void fence_wgmma() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

__device__ __forceinline__ void commit_wgmma() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <int pending>
__device__ __forceinline__ void wait_wgmma() {
  static_assert(pending >= 0 && pending <= 7);
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

template <int count>
__device__ __forceinline__ void hold_registers(float (&d)[count]) {
#pragma unroll
  for (int index = 0; index < count; ++index) {
    asm volatile("" : "+f"(d[index])::"memory");
  }
}

template <int count>
__device__ __forceinline__ void hold_registers(std::uint32_t (&a)[count][4]) {
#pragma unroll
  for (int index = 0; index < 4 * count; ++index) {
    asm volatile("" : "+r"(a[index / 4][index % 4])::"memory");
  }
}

// An instruction names each of its N / 2 registers, so a width is a string of its own: built here of eights.
// clang-format off
#define RINGWORLD_D0 "%0, %1, %2, %3, %4, %5, %6, %7"
#define RINGWORLD_D1 "%8, %9, %10, %11, %12, %13, %14, %15"
#define RINGWORLD_D2 "%16, %17, %18, %19, %20, %21, %22, %23"
#define RINGWORLD_D3 "%24, %25, %26, %27, %28, %29, %30, %31"
#define RINGWORLD_D4 "%32, %33, %34, %35, %36, %37, %38, %39"
#define RINGWORLD_D5 "%40, %41, %42, %43, %44, %45, %46, %47"
#define RINGWORLD_D6 "%48, %49, %50, %51, %52, %53, %54, %55"
#define RINGWORLD_D7 "%56, %57, %58, %59, %60, %61, %62, %63"
#define RINGWORLD_D8 "%64, %65, %66, %67, %68, %69, %70, %71"
#define RINGWORLD_D9 "%72, %73, %74, %75, %76, %77, %78, %79"
#define RINGWORLD_D10 "%80, %81, %82, %83, %84, %85, %86, %87"
#define RINGWORLD_D11 "%88, %89, %90, %91, %92, %93, %94, %95"
#define RINGWORLD_D12 "%96, %97, %98, %99, %100, %101, %102, %103"
#define RINGWORLD_D13 "%104, %105, %106, %107, %108, %109, %110, %111"
#define RINGWORLD_D14 "%112, %113, %114, %115, %116, %117, %118, %119"
#define RINGWORLD_D15 "%120, %121, %122, %123, %124, %125, %126, %127"
#define RINGWORLD_NAMES_1 RINGWORLD_D0
#define RINGWORLD_NAMES_2 RINGWORLD_NAMES_1 ", " RINGWORLD_D1
#define RINGWORLD_NAMES_3 RINGWORLD_NAMES_2 ", " RINGWORLD_D2
#define RINGWORLD_NAMES_4 RINGWORLD_NAMES_3 ", " RINGWORLD_D3
#define RINGWORLD_NAMES_5 RINGWORLD_NAMES_4 ", " RINGWORLD_D4
#define RINGWORLD_NAMES_6 RINGWORLD_NAMES_5 ", " RINGWORLD_D5
#define RINGWORLD_NAMES_7 RINGWORLD_NAMES_6 ", " RINGWORLD_D6
#define RINGWORLD_NAMES_8 RINGWORLD_NAMES_7 ", " RINGWORLD_D7
#define RINGWORLD_NAMES_9 RINGWORLD_NAMES_8 ", " RINGWORLD_D8
#define RINGWORLD_NAMES_10 RINGWORLD_NAMES_9 ", " RINGWORLD_D9
#define RINGWORLD_NAMES_11 RINGWORLD_NAMES_10 ", " RINGWORLD_D10
#define RINGWORLD_NAMES_12 RINGWORLD_NAMES_11 ", " RINGWORLD_D11
#define RINGWORLD_NAMES_13 RINGWORLD_NAMES_12 ", " RINGWORLD_D12
#define RINGWORLD_NAMES_14 RINGWORLD_NAMES_13 ", " RINGWORLD_D13
#define RINGWORLD_NAMES_15 RINGWORLD_NAMES_14 ", " RINGWORLD_D14
#define RINGWORLD_NAMES_16 RINGWORLD_NAMES_15 ", " RINGWORLD_D15
#define RINGWORLD_EIGHT(i) \
  "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3]), "+f"(d[(i) + 4]), "+f"(d[(i) + 5]), \
  "+f"(d[(i) + 6]), "+f"(d[(i) + 7])
#define RINGWORLD_REGISTERS_1 RINGWORLD_EIGHT(0)
#define RINGWORLD_REGISTERS_2 RINGWORLD_REGISTERS_1, RINGWORLD_EIGHT(8)
#define RINGWORLD_REGISTERS_3 RINGWORLD_REGISTERS_2, RINGWORLD_EIGHT(16)
#define RINGWORLD_REGISTERS_4 RINGWORLD_REGISTERS_3, RINGWORLD_EIGHT(24)
#define RINGWORLD_REGISTERS_5 RINGWORLD_REGISTERS_4, RINGWORLD_EIGHT(32)
#define RINGWORLD_REGISTERS_6 RINGWORLD_REGISTERS_5, RINGWORLD_EIGHT(40)
#define RINGWORLD_REGISTERS_7 RINGWORLD_REGISTERS_6, RINGWORLD_EIGHT(48)
#define RINGWORLD_REGISTERS_8 RINGWORLD_REGISTERS_7, RINGWORLD_EIGHT(56)
#define RINGWORLD_REGISTERS_9 RINGWORLD_REGISTERS_8, RINGWORLD_EIGHT(64)
#define RINGWORLD_REGISTERS_10 RINGWORLD_REGISTERS_9, RINGWORLD_EIGHT(72)
#define RINGWORLD_REGISTERS_11 RINGWORLD_REGISTERS_10, RINGWORLD_EIGHT(80)
#define RINGWORLD_REGISTERS_12 RINGWORLD_REGISTERS_11, RINGWORLD_EIGHT(88)
#define RINGWORLD_REGISTERS_13 RINGWORLD_REGISTERS_12, RINGWORLD_EIGHT(96)
#define RINGWORLD_REGISTERS_14 RINGWORLD_REGISTERS_13, RINGWORLD_EIGHT(104)
#define RINGWORLD_REGISTERS_15 RINGWORLD_REGISTERS_14, RINGWORLD_EIGHT(112)
#define RINGWORLD_REGISTERS_16 RINGWORLD_REGISTERS_15, RINGWORLD_EIGHT(120)

// @param width  N     @param eights  N / 16     @param p0, p1, ...  the numbers of the operands after d: N / 2, N / 2 + 1, ...
#define RINGWORLD_WGMMA_SHARED(width, eights, p0, p1, p2, p3, p4)                                                      \
  if constexpr (N == width) {                                                                                          \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #p2 ", 0;\n"                                                     \
                 "wgmma.mma_async.sync.aligned.m64n" #width "k16.f32.bf16.bf16 {" RINGWORLD_NAMES_##eights "}, "         \
                 "%" #p0 ", %" #p1 ", p, 1, 1, %" #p3 ", %" #p4 ";\n}\n"                                               \
                 : RINGWORLD_REGISTERS_##eights                                                                        \
                 : "l"(a), "l"(b), "r"(static_cast<int>(is_added)), "n"(static_cast<int>(major_a)),                    \
                   "n"(static_cast<int>(major_b)));                                                                    \
  }
#define RINGWORLD_WGMMA_REGISTERS(width, eights, p0, p1, p2, p3, p4, p5, p6)                                           \
  if constexpr (N == width) {                                                                                          \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #p5 ", 0;\n"                                                     \
                 "wgmma.mma_async.sync.aligned.m64n" #width "k16.f32.bf16.bf16 {" RINGWORLD_NAMES_##eights "}, "         \
                 "{%" #p0 ", %" #p1 ", %" #p2 ", %" #p3 "}, %" #p4 ", p, 1, 1, %" #p6 ";\n}\n"                         \
                 : RINGWORLD_REGISTERS_##eights                                                                        \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(is_added)),                \
                   "n"(static_cast<int>(major_b)));                                                                    \
  }
// clang-format on

/// The widths of b that are built.
template <int N>
inline constexpr bool is_wgmma_width = N % 16 == 0 && N >= 16 && N <= 256 && (N <= 128 || N % 32 == 0 || N == 176);

/// d = a b, or d += a b where `is_added`; both operands in shared memory.
template <int N, Major major_a, Major major_b>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], MatrixDescriptor a, MatrixDescriptor b, bool is_added) {
  static_assert(is_wgmma_width<N>);
  RINGWORLD_WGMMA_SHARED(16, 1, 8, 9, 10, 11, 12)
  RINGWORLD_WGMMA_SHARED(32, 2, 16, 17, 18, 19, 20)
  RINGWORLD_WGMMA_SHARED(48, 3, 24, 25, 26, 27, 28)
  RINGWORLD_WGMMA_SHARED(64, 4, 32, 33, 34, 35, 36)
  RINGWORLD_WGMMA_SHARED(80, 5, 40, 41, 42, 43, 44)
  RINGWORLD_WGMMA_SHARED(96, 6, 48, 49, 50, 51, 52)
  RINGWORLD_WGMMA_SHARED(112, 7, 56, 57, 58, 59, 60)
  RINGWORLD_WGMMA_SHARED(128, 8, 64, 65, 66, 67, 68)
  RINGWORLD_WGMMA_SHARED(160, 10, 80, 81, 82, 83, 84)
  RINGWORLD_WGMMA_SHARED(176, 11, 88, 89, 90, 91, 92)
  RINGWORLD_WGMMA_SHARED(192, 12, 96, 97, 98, 99, 100)
  RINGWORLD_WGMMA_SHARED(224, 14, 112, 113, 114, 115, 116)
  RINGWORLD_WGMMA_SHARED(256, 16, 128, 129, 130, 131, 132)
}

/// The same with a in registers.
template <int N, Major major_b>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], const std::uint32_t (&a)[4], MatrixDescriptor b,
                                      bool is_added) {
  static_assert(is_wgmma_width<N>);
  RINGWORLD_WGMMA_REGISTERS(16, 1, 8, 9, 10, 11, 12, 13, 14)
  RINGWORLD_WGMMA_REGISTERS(32, 2, 16, 17, 18, 19, 20, 21, 22)
  RINGWORLD_WGMMA_REGISTERS(48, 3, 24, 25, 26, 27, 28, 29, 30)
  RINGWORLD_WGMMA_REGISTERS(64, 4, 32, 33, 34, 35, 36, 37, 38)
  RINGWORLD_WGMMA_REGISTERS(80, 5, 40, 41, 42, 43, 44, 45, 46)
  RINGWORLD_WGMMA_REGISTERS(96, 6, 48, 49, 50, 51, 52, 53, 54)
  RINGWORLD_WGMMA_REGISTERS(112, 7, 56, 57, 58, 59, 60, 61, 62)
  RINGWORLD_WGMMA_REGISTERS(128, 8, 64, 65, 66, 67, 68, 69, 70)
  RINGWORLD_WGMMA_REGISTERS(160, 10, 80, 81, 82, 83, 84, 85, 86)
  RINGWORLD_WGMMA_REGISTERS(176, 11, 88, 89, 90, 91, 92, 93, 94)
  RINGWORLD_WGMMA_REGISTERS(192, 12, 96, 97, 98, 99, 100, 101, 102)
  RINGWORLD_WGMMA_REGISTERS(224, 14, 112, 113, 114, 115, 116, 117, 118)
  RINGWORLD_WGMMA_REGISTERS(256, 16, 128, 129, 130, 131, 132, 133, 134)
}

#undef RINGWORLD_D0
#undef RINGWORLD_D1
#undef RINGWORLD_D2
#undef RINGWORLD_D3
#undef RINGWORLD_D4
#undef RINGWORLD_D5
#undef RINGWORLD_D6
#undef RINGWORLD_D7
#undef RINGWORLD_D8
#undef RINGWORLD_D9
#undef RINGWORLD_D10
#undef RINGWORLD_D11
#undef RINGWORLD_D12
#undef RINGWORLD_D13
#undef RINGWORLD_D14
#undef RINGWORLD_D15
#undef RINGWORLD_NAMES_1
#undef RINGWORLD_REGISTERS_1
#undef RINGWORLD_NAMES_2
#undef RINGWORLD_REGISTERS_2
#undef RINGWORLD_NAMES_3
#undef RINGWORLD_REGISTERS_3
#undef RINGWORLD_NAMES_4
#undef RINGWORLD_REGISTERS_4
#undef RINGWORLD_NAMES_5
#undef RINGWORLD_REGISTERS_5
#undef RINGWORLD_NAMES_6
#undef RINGWORLD_REGISTERS_6
#undef RINGWORLD_NAMES_7
#undef RINGWORLD_REGISTERS_7
#undef RINGWORLD_NAMES_8
#undef RINGWORLD_REGISTERS_8
#undef RINGWORLD_NAMES_9
#undef RINGWORLD_REGISTERS_9
#undef RINGWORLD_NAMES_10
#undef RINGWORLD_REGISTERS_10
#undef RINGWORLD_NAMES_11
#undef RINGWORLD_REGISTERS_11
#undef RINGWORLD_NAMES_12
#undef RINGWORLD_REGISTERS_12
#undef RINGWORLD_NAMES_13
#undef RINGWORLD_REGISTERS_13
#undef RINGWORLD_NAMES_14
#undef RINGWORLD_REGISTERS_14
#undef RINGWORLD_NAMES_15
#undef RINGWORLD_REGISTERS_15
#undef RINGWORLD_NAMES_16
#undef RINGWORLD_REGISTERS_16
#undef RINGWORLD_EIGHT
#undef RINGWORLD_WGMMA_SHARED
#undef RINGWORLD_WGMMA_REGISTERS

}  // namespace ringworld::ptx
