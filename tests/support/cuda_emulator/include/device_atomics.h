#pragma once
/// @file  Atomic operations; each returns what was there before. Threads are fibers of one CPU thread, so plain code is
/// atomic.
/// Source: CUDA C++ Programming Guide, "Atomic Functions".

template <class T, class V>
T atomicAdd(T* at, V value) {
  const T before = *at;
  *at = static_cast<T>(before + static_cast<T>(value));
  return before;
}
template <class T, class V>
T atomicSub(T* at, V value) {
  const T before = *at;
  *at = static_cast<T>(before - static_cast<T>(value));
  return before;
}
template <class T, class V>
T atomicMax(T* at, V value) {
  const T before = *at;
  *at = before < static_cast<T>(value) ? static_cast<T>(value) : before;
  return before;
}
template <class T, class V>
T atomicMin(T* at, V value) {
  const T before = *at;
  *at = static_cast<T>(value) < before ? static_cast<T>(value) : before;
  return before;
}
template <class T, class V>
T atomicExch(T* at, V value) {
  const T before = *at;
  *at = static_cast<T>(value);
  return before;
}
template <class T, class V>
T atomicOr(T* at, V value) {
  const T before = *at;
  *at = before | static_cast<T>(value);
  return before;
}
/// Counts from 0 to `last`, and then from 0 again.
inline unsigned atomicInc(unsigned* at, unsigned last) {
  const unsigned before = *at;
  *at = before >= last ? 0 : before + 1;
  return before;
}
template <class T, class E, class V>
T atomicCAS(T* at, E expected, V value) {
  const T before = *at;
  if (before == static_cast<T>(expected)) {
    *at = static_cast<T>(value);
  }
  return before;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
