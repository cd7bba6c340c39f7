#pragma once
/// @file  Tells ThreadSanitizer of an order that it cannot see: that of a runtime which was not built with it
/// (libgomp). Elsewhere these are nothing.

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace ringworld {

/// All work of this thread so far happens before the work that follows an `after` of the same place in any thread.
inline void happens_before([[maybe_unused]] void* place) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(place);
#endif
}

inline void happens_after([[maybe_unused]] void* place) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(place);
#endif
}

}  // namespace ringworld
