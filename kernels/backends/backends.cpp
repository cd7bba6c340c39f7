/// @file  The one list of backends. A new one is a row here, a file of makers beside this, and a folder a family.

#include <fmt/format.h>

#include <array>
#include <string>

#include "core/error.hpp"
#include "core/thread_team.hpp"
#include "kernels/backends/makers.hpp"

namespace ringworld {
namespace {

constexpr bool has_kokkos = RINGWORLD_HAS_KOKKOS;
constexpr bool has_cuda = RINGWORLD_HAS_CUDA;

struct Entry {
  Backend backend;
  std::string_view option;   ///< the build option that brings it; empty: every build has it
  KernelMakers (*makers)();  ///< null when this build has none
};

// The lambdas leave out, with their branch, the only mention of what this build does not link.
constexpr std::array<Entry, backend_names.size()> entries{{
    {Backend::reference, "", reference_kernels},
    {Backend::kokkos, "RINGWORLD_ENABLE_KOKKOS",
     []() -> KernelMakers (*)() {
       if constexpr (has_kokkos) {
         return kokkos_kernels;
       }
       return nullptr;
     }()},
    {Backend::host, "", host_kernels},
    {Backend::cuda, "RINGWORLD_ENABLE_CUDA",
     []() -> KernelMakers (*)() {
       if constexpr (has_cuda) {
         return cuda_kernels;
       }
       return nullptr;
     }()},
}};

const Entry& entry_of(Backend backend) { return entries[static_cast<std::size_t>(backend)]; }

std::string built_backends() {
  std::string names;
  for (const Entry& entry : entries) {
    if (entry.makers != nullptr) {
      names += (names.empty() ? "" : ", ") + std::string(name_of(entry.backend));
    }
  }
  return names;
}

KernelMakers makers_of(Backend backend) {
  const Entry& entry = entry_of(backend);
  require_input(entry.makers != nullptr,
                fmt::format("backend '{}' is not in this build: configure with -D{}=ON, or choose one of {}",
                            name_of(backend), entry.option, built_backends()));
  return entry.makers();
}

template <class Kernel>
std::unique_ptr<Kernel> make(Backend backend, std::unique_ptr<Kernel> (*KernelMakers::*maker)(const KernelOptions&),
                             const KernelOptions& options) {
  require_team(options.threads, "threads");
  return (makers_of(backend).*maker)(options);
}

}  // namespace

std::unique_ptr<BlockAttention> make_block_attention(Backend backend, const BlockAttentionOptions& options) {
  check_options(backend, options);
  return makers_of(backend).attention(options);
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

}  // namespace ringworld
