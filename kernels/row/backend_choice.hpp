#pragma once
/// @file  What every element-wise family does to find its implementation.

#include <memory>

#include "core/error.hpp"
#include "device/backend.hpp"

namespace ringworld::row {

/// The makers of one family. The host backend runs the Kokkos implementation.
template <class Kernel>
struct Makers {
  std::unique_ptr<Kernel> (*reference)() = nullptr;
  std::unique_ptr<Kernel> (*kokkos)() = nullptr;
  std::unique_ptr<Kernel> (*cuda)() = nullptr;
};

template <class Kernel>
[[nodiscard]] std::unique_ptr<Kernel> make(Backend backend, const Makers<Kernel>& makers) {
  switch (backend) {
    case Backend::reference:
      return makers.reference();
    case Backend::kokkos:
    case Backend::host:
      return makers.kokkos();
    case Backend::cuda:
      return makers.cuda();
  }
  throw Error(ErrorKind::internal, "backend outside its enumeration");
}

/// What the makers of an absent backend throw.
[[nodiscard]] inline Error kokkos_not_built() {
  return Error(ErrorKind::bad_input,
               "the element-wise kernels of the backends 'kokkos' and 'host' are not in this build; configure with "
               "-DRINGWORLD_ENABLE_KOKKOS=ON, or choose reference");
}
[[nodiscard]] inline Error cuda_not_built() {
  return Error(ErrorKind::bad_input,
               "the element-wise kernels of the backend 'cuda' are not in this build; configure with "
               "-DRINGWORLD_ENABLE_CUDA=ON, or choose reference, kokkos or host");
}

}  // namespace ringworld::row
