#include "kernels/vector_quantizer/vector_quantizer.hpp"

#include "core/error.hpp"
#include "kernels/vector_quantizer/cost.hpp"

namespace ringworld {
namespace {

void check_codebook(const TensorView<const float, 2>& codebook) {
  require(codebook.is_dense(), "vector quantizer: the codebook is not dense");
  require(codebook.shape[0] > 0 && codebook.shape[1] > 0, "vector quantizer: the codebook has no codes");
}

void check_vectors(const TensorView<const float, 2>& vectors, const TensorView<const float, 2>& codebook) {
  require(vectors.is_dense(), "vector quantizer: vectors are not dense");
  require(vectors.shape[1] == codebook.shape[1], "vector quantizer: vectors have not the size of the codebook's");
}

void check_codes(const std::int32_t* codes, std::int64_t vectors) {
  require(codes != nullptr || vectors == 0, "vector quantizer: codes are missing");
}

void check(const NearestCode& search) {
  check_codebook(search.codebook);
  check_vectors(search.z, search.codebook);
  check_codes(search.codes, search.z.shape[0]);
}

void check(const CodeLookUp& look_up) {
  check_codebook(look_up.codebook);
  check_vectors(look_up.quantized, look_up.codebook);
  check_codes(look_up.codes, look_up.quantized.shape[0]);
}

void check(const QuantizerBackward& pass) {
  check_codebook(pass.codebook);
  check_vectors(pass.z, pass.codebook);
  check_codes(pass.codes, pass.z.shape[0]);
  require(pass.dquantized.shape == pass.z.shape && pass.dquantized.is_dense(),
          "vector quantizer: dquantized has not the shape of z or is not dense");
  require(pass.dz.shape == pass.z.shape && pass.dz.is_dense(),
          "vector quantizer: dz has not the shape of z or is not dense");
  require(pass.dcodebook.shape == pass.codebook.shape && pass.dcodebook.is_dense(),
          "vector quantizer: dcodebook has not the shape of the codebook or is not dense");
}

}  // namespace

void VectorQuantizer::nearest(const NearestCode& search) {
  check(search);
  charge(cost_of(search));
  run_nearest(search);
}

void VectorQuantizer::look_up(const CodeLookUp& look_up) {
  check(look_up);
  charge(cost_of(look_up));
  run_look_up(look_up);
}

void VectorQuantizer::backward(const QuantizerBackward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_backward(pass);
}

}  // namespace ringworld
