#pragma once
/// @file  The cost of vector quantisation: T vectors of size D, K codes. The search counts as the product that it can
/// be written as, |z|^2 + |e|^2 - 2 z.e, where |z|^2 is the same for every code and needs no computation; comparisons
/// count for nothing. A backend may do more.

#include "kernels/vector_quantizer/vector_quantizer.hpp"

namespace ringworld {

/// 2 T K D FLOP of products, 2 K D of |e|^2, 2 T K of scores, 3 T D of the distance to the code that was found.
/// Bytes: z and the codebook, 4 D (T + K); codes, 4 T; the squared error where it is wanted, 4 T.
[[nodiscard]] Cost cost_of(const NearestCode& search);

/// No FLOP. Bytes: rows read and rows written, 8 T D; codes, 4 T.
[[nodiscard]] Cost cost_of(const CodeLookUp& look_up);

/// 5 T D FLOP. Bytes: z, dquantized and dz, 12 T D; codes, 4 T; rows of the codebook read, and rows of dcodebook read
/// and written, 12 D min(T, K): as many as T codes can name.
[[nodiscard]] Cost cost_of(const QuantizerBackward& pass);

}  // namespace ringworld
