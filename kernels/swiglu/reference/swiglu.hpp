#pragma once
/// @file  SwiGLU of one element.

#include <cmath>

namespace ringworld::reference {

template <class T>
T swiglu(T gate, T up) {
  using std::exp;
  return gate / (1 + exp(-gate)) * up;
}

template <class T>
struct SwiGluGradient {
  T dgate;
  T dup;
};

template <class T>
SwiGluGradient<T> swiglu_backward(T dy, T gate, T up) {
  using std::exp;
  const T sigmoid = 1 / (1 + exp(-gate));
  return {.dgate = dy * up * sigmoid * (1 + gate * (1 - sigmoid)), .dup = dy * gate * sigmoid};
}

}  // namespace ringworld::reference
