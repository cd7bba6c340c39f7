#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/vector_quantizer/distance.hpp"
#include "kernels/vector_quantizer/vector_quantizer.hpp"

/// @file  Vector quantisation on CPUs. The search is a product in fp32, whose winners are compared in double:
///
///   score = z.e - |e|^2 / 2        the nearest code has the largest score
///   candidates                     codes whose score is within twice its rounding error of the largest one, mostly one
///
/// The order of a score's sum is that of the vector's elements, whatever stands beside it.

namespace ringworld {
namespace {

using row::CodeScores;

constexpr std::int64_t vectors_per_range = 64;

class HostVectorQuantizer final : public VectorQuantizer {
 public:
  explicit HostVectorQuantizer(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_nearest(const NearestCode& search) override {
    pack(search.codebook);
    row::for_each_range(threads_, search.z.shape[0], vectors_per_range, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scores(static_cast<std::size_t>(CodeScores::most_rows) * offsets_.size());
      for (std::int64_t t = begin; t < end; t += CodeScores::most_rows) {
        find(search, t, std::min(CodeScores::most_rows, end - t), scores.data());
      }
    });
  }

  void run_look_up(const CodeLookUp& look_up) override {
    const std::int64_t size = look_up.codebook.shape[1];
    for (std::int64_t t = 0; t < look_up.quantized.shape[0]; ++t) {
      std::copy_n(row_of(look_up.codebook, look_up.codes[t]), size, look_up.quantized.data + t * size);
    }
  }

  void run_backward(const QuantizerBackward& pass) override {
    const std::int64_t size = pass.codebook.shape[1];
    for (std::int64_t t = 0; t < pass.z.shape[0]; ++t) {
      const float* e = row_of(pass.codebook, pass.codes[t]);
      const float* z = pass.z.data + t * size;
      const float* dquantized = pass.dquantized.data + t * size;
      float* dz = pass.dz.data + t * size;
      float* de = pass.dcodebook.data + pass.codes[t] * size;
      for (std::int64_t d = 0; d < size; ++d) {
        const float difference = z[d] - e[d];
        dz[d] = dquantized[d] + pass.commitment_scale * difference;
        de[d] -= pass.codebook_scale * difference;
      }
    }
  }

  static const float* row_of(const TensorView<const float, 2>& codebook, std::int32_t code) {
    require(code >= 0 && code < codebook.shape[0], "vector quantizer: a code lies outside the codebook");
    return codebook.data + code * codebook.shape[1];
  }

  /// Brings the codebook into blocks whose codes lie side by side. Padding can never have the largest score.
  void pack(const TensorView<const float, 2>& codebook) {
    constexpr std::int64_t block = CodeScores::code_block;
    const auto [codes, size] = codebook.shape;
    const std::int64_t padded = row::range_count(codes, block) * block;
    packed_.assign(static_cast<std::size_t>(padded * size), 0.0F);
    offsets_.assign(static_cast<std::size_t>(padded), std::numeric_limits<float>::infinity());
    double largest = 0;
    for (std::int64_t k = 0; k < codes; ++k) {
      double squares = 0;
      for (std::int64_t d = 0; d < size; ++d) {
        const float element = codebook(k, d);
        squares += static_cast<double>(element) * static_cast<double>(element);
        packed_[static_cast<std::size_t>((k / block * size + d) * block + k % block)] = element;
      }
      offsets_[static_cast<std::size_t>(k)] = static_cast<float>(squares / 2);
      largest = std::max(largest, squares);
    }
    longest_code_ = std::sqrt(largest);
  }

  void find(const NearestCode& search, std::int64_t t, std::int64_t rows, float* scores) const {
    const auto [codes, size] = search.codebook.shape;
    const auto padded = std::ssize(offsets_);
    const float* z = search.z.data + t * size;
    functions_.pixels.score_codes({.z = z,
                                   .rows = rows,
                                   .size = size,
                                   .codes = packed_.data(),
                                   .offsets = offsets_.data(),
                                   .padded_codes = padded,
                                   .scores = scores});
    for (std::int64_t row = 0; row < rows; ++row, z += size, scores += padded) {
      const std::int64_t code = nearest_candidate(search.codebook, z, scores);
      search.codes[t + row] = static_cast<std::int32_t>(code);
      if (search.squared_error != nullptr) {
        search.squared_error[t + row] =
            static_cast<float>(squared_distance(z, search.codebook.data + code * size, size));
      }
    }
  }

  std::int64_t nearest_candidate(const TensorView<const float, 2>& codebook, const float* z,
                                 const float* scores) const {
    const auto [codes, size] = codebook.shape;
    // Where a score is not a number the limit may be none: then every code is a candidate.
    const float limit = functions_.maximum(scores, codes) - 2 * rounding_error(z, size);
    std::int64_t nearest = 0;
    double smallest = std::numeric_limits<double>::infinity();
    for (std::int64_t k = functions_.pixels.find_not_smaller(scores, 0, codes, limit); k < codes;
         k = functions_.pixels.find_not_smaller(scores, k + 1, codes, limit)) {
      const double distance = squared_distance(z, codebook.data + k * size, size);
      if (distance < smallest) {
        smallest = distance;
        nearest = k;
      }
    }
    return nearest;
  }

  /// More than a score of this vector can be wrong by: each of its D products and sums by 2^-24 of |z| |e|, with room
  /// for the offset and for the product of the factors themselves.
  [[nodiscard]] float rounding_error(const float* z, std::int64_t size) const {
    double squares = 0;
    for (std::int64_t d = 0; d < size; ++d) {
      squares += static_cast<double>(z[d]) * static_cast<double>(z[d]);
    }
    constexpr double unit = 1.0 / (1 << 23);
    return static_cast<float>(static_cast<double>(size + 4) * unit * longest_code_ *
                              (std::sqrt(squares) + longest_code_));
  }

  int threads_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
  std::vector<float> packed_;   ///< (K / code_block, D, code_block)
  std::vector<float> offsets_;  ///< (K), |e|^2 / 2
  double longest_code_ = 0;     ///< the largest |e|
};

}  // namespace

std::unique_ptr<VectorQuantizer> make_host_vector_quantizer(const KernelOptions& options) {
  return std::make_unique<HostVectorQuantizer>(options);
}

}  // namespace ringworld
