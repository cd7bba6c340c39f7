#include <algorithm>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "kernels/vector_quantizer/distance.hpp"
#include "kernels/vector_quantizer/reference/quantizer.hpp"
#include "kernels/vector_quantizer/vector_quantizer.hpp"

namespace ringworld {
namespace {

std::span<const float> all_of(const TensorView<const float, 2>& view) {
  return {view.data, static_cast<std::size_t>(view.size())};
}

std::span<const float> row_of(const TensorView<const float, 2>& view, std::int64_t row) {
  return {view.data + row * view.shape[1], static_cast<std::size_t>(view.shape[1])};
}

std::vector<double> widened(std::span<const float> values) { return {values.begin(), values.end()}; }

class ReferenceVectorQuantizer final : public VectorQuantizer {
  void run_nearest(const NearestCode& search) override {
    for (std::int64_t t = 0; t < search.z.shape[0]; ++t) {
      const std::span<const float> z = row_of(search.z, t);
      const std::int64_t code = reference::nearest_code(z, all_of(search.codebook));
      search.codes[t] = static_cast<std::int32_t>(code);
      if (search.squared_error != nullptr) {
        search.squared_error[t] =
            static_cast<float>(squared_distance(z.data(), &search.codebook(code, 0), std::ssize(z)));
      }
    }
  }

  void run_look_up(const CodeLookUp& look_up) override {
    for (std::int64_t t = 0; t < look_up.quantized.shape[0]; ++t) {
      const std::int64_t code = code_at(look_up.codes, t, look_up.codebook);
      std::ranges::copy(row_of(look_up.codebook, code), &look_up.quantized(t, 0));
    }
  }

  void run_backward(const QuantizerBackward& pass) override {
    std::vector<double> dcodebook = widened(all_of(pass.dcodebook));
    const auto size = static_cast<std::size_t>(pass.z.shape[1]);
    std::vector<double> dz(size);
    for (std::int64_t t = 0; t < pass.z.shape[0]; ++t) {
      const std::int64_t code = code_at(pass.codes, t, pass.codebook);
      reference::quantizer_backward<double>(
          widened(row_of(pass.dquantized, t)), widened(row_of(pass.z, t)), widened(row_of(pass.codebook, code)),
          static_cast<double>(pass.codebook_scale), static_cast<double>(pass.commitment_scale), dz,
          std::span(dcodebook).subspan(static_cast<std::size_t>(code) * size, size));
      std::ranges::transform(dz, &pass.dz(t, 0), [](double value) { return static_cast<float>(value); });
    }
    std::ranges::transform(dcodebook, pass.dcodebook.data, [](double value) { return static_cast<float>(value); });
  }

  static std::int64_t code_at(const std::int32_t* codes, std::int64_t t, const TensorView<const float, 2>& codebook) {
    require(codes[t] >= 0 && codes[t] < codebook.shape[0], "vector quantizer: a code lies outside the codebook");
    return codes[t];
  }
};

}  // namespace

std::unique_ptr<VectorQuantizer> make_reference_vector_quantizer(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceVectorQuantizer>();
}

}  // namespace ringworld
