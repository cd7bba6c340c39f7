#include "kernels/vector_quantizer/cost.hpp"

#include <algorithm>

namespace ringworld {
namespace {

constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t code_bytes = 4;

Cost cost(std::int64_t flop, std::int64_t bytes) {
  return {.flop = static_cast<double>(flop), .bytes = static_cast<double>(bytes)};
}

}  // namespace

Cost cost_of(const NearestCode& search) {
  const auto [vectors, size] = search.z.shape;
  const std::int64_t codes = search.codebook.shape[0];
  const std::int64_t error_bytes = search.squared_error == nullptr ? 0 : float_bytes;
  return cost(2 * codes * (vectors * size + size + vectors) + 3 * vectors * size,
              float_bytes * size * (vectors + codes) + (code_bytes + error_bytes) * vectors);
}

Cost cost_of(const CodeLookUp& look_up) {
  const auto [vectors, size] = look_up.quantized.shape;
  return cost(0, 2 * float_bytes * vectors * size + code_bytes * vectors);
}

Cost cost_of(const QuantizerBackward& pass) {
  const auto [vectors, size] = pass.z.shape;
  const std::int64_t rows = std::min(vectors, pass.codebook.shape[0]);
  return cost(5 * vectors * size, 3 * float_bytes * size * (vectors + rows) + code_bytes * vectors);
}

}  // namespace ringworld
