/// @file  Makes the kernels of a family on a backend. The list of backends is src/device/backend.hpp, those of this
/// build are RINGWORLD_BACKENDS in scripts/cmake/RingworldDependencies.cmake.

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "core/thread_team.hpp"
#include "device/counting/counting_devices.hpp"
#include "kernels/backends/idle/idle.hpp"
#include "kernels/backends/makers.hpp"

namespace ringworld {
namespace {

std::string names_of_built() {
  std::string names;
  for (const BuiltBackend& built : built_backends()) {
    names += (names.empty() ? "" : ", ") + std::string(name_of(built.backend));
  }
  return names;
}

KernelMakers makers_of_build(Backend backend) {
  const auto built = std::ranges::find(built_backends(), backend, &BuiltBackend::backend);
  require_input(built != built_backends().end(),
                fmt::format("backend '{}' is not in this build: configure with -D{}=ON, or choose one of {}",
                            name_of(backend), traits_of(backend).build_option, names_of_built()));
  return built->makers();
}

/// No real kernel runs on a device that only counts.
KernelMakers makers_of(Backend backend) {
  if (CountingDevices::current() == nullptr) {
    return makers_of_build(backend);
  }
  KernelMakers makers = idle_kernels(backend);
  if (makers.attention == nullptr) {
    makers.attention = makers_of_build(backend).attention;
  }
  return makers;
}

template <class Family>
std::unique_ptr<Family> charging(std::unique_ptr<Family> kernel, Backend backend) {
  kernel->charge_to(device(device_of(backend)));
  return kernel;
}

template <class Family>
std::unique_ptr<Family> make(Backend backend, std::unique_ptr<Family> (*KernelMakers::*maker)(const KernelOptions&),
                             const KernelOptions& options) {
  require_team(options.threads, "threads");
  return charging((makers_of(backend).*maker)(options), backend);
}

}  // namespace

std::unique_ptr<BlockAttention> make_block_attention(Backend backend, const BlockAttentionOptions& options) {
  check_options(backend, options);
  return charging(makers_of(backend).attention(options), backend);
}

std::unique_ptr<Matmul> make_matmul(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::matmul, options);
}
std::unique_ptr<TensorOps> make_tensor_ops(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::tensor, options);
}
std::unique_ptr<RmsNorm> make_rms_norm(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::norm, options);
}
std::unique_ptr<Rope> make_rope(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::rope, options);
}
std::unique_ptr<SwiGlu> make_swiglu(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::swiglu, options);
}
std::unique_ptr<Embedding> make_embedding(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::embedding, options);
}
std::unique_ptr<CrossEntropy> make_cross_entropy(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::loss, options);
}
std::unique_ptr<Optimizer> make_optimizer(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::optimizer, options);
}
std::unique_ptr<Convolution> make_convolution(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::convolution, options);
}
std::unique_ptr<Upsampling> make_upsampling(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::upsampling, options);
}
std::unique_ptr<GroupNorm> make_group_norm(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::group_norm, options);
}
std::unique_ptr<VectorQuantizer> make_vector_quantizer(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::vector_quantizer, options);
}
std::unique_ptr<ReconstructionLoss> make_reconstruction_loss(Backend backend, const KernelOptions& options) {
  return make(backend, &KernelMakers::reconstruction_loss, options);
}

}  // namespace ringworld
