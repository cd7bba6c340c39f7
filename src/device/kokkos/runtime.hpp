#pragma once
/// @file  Starts Kokkos on first use and ends it with the process.

#include <Kokkos_Core.hpp>

namespace ringworld::kokkos {

/// Kokkos, from the first kernel that needs it to the end of the process.
///
/// Kokkos can be started only once in a process, so it cannot live and die with the object that uses it. An
/// application that started Kokkos itself keeps its ownership; one that has ended it already is left in peace.
class Runtime {
 public:
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Makes sure that Kokkos runs; cheap after the first call, and safe from several threads.
  ///
  /// The static object is complete only when Kokkos::initialize has returned: whatever static objects Kokkos made on
  /// the way there were complete earlier, and are therefore destroyed later than this one. Nothing of ours keeps a
  /// Kokkos view between two calls, so nothing can outlive the end.
  static void ensure() { static const Runtime instance; }

 private:
  Runtime() : is_owner_(!Kokkos::is_initialized()) {
    if (is_owner_) {
      Kokkos::initialize();
    }
  }

  ~Runtime() {
    if (is_owner_ && Kokkos::is_initialized()) {
      Kokkos::finalize();
    }
  }

  bool is_owner_;
};

}  // namespace ringworld::kokkos
