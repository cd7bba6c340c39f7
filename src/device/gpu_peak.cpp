#include <array>

#include "device/gpu.hpp"

namespace ringworld {
namespace {

/// FLOP a clock of one multiprocessor.
struct Rate {
  int compute_capability;
  double bfloat16;  ///< dense, summed in fp32
  double float32;
};

// NVIDIA's architecture white papers, tables of peak rates: A100, GA102, Ada, H100, Blackwell.
constexpr std::array<Rate, 6> rates{
    {{80, 2048, 128}, {86, 512, 256}, {89, 512, 256}, {90, 4096, 256}, {100, 8192, 256}, {103, 8192, 256}}};

}  // namespace

double nominal_gpu_peak(const GpuDescription& gpu, DType dtype) {
  for (const Rate& rate : rates) {
    if (rate.compute_capability == gpu.compute_capability) {
      return gpu.multiprocessors * gpu.clock * (dtype == DType::bfloat16 ? rate.bfloat16 : rate.float32);
    }
  }
  return 0;
}

}  // namespace ringworld
