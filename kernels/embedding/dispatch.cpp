#include "core/error.hpp"
#include "kernels/embedding/embedding.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

void check_embedding(const EmbeddingForward& pass) {
  require(pass.y.rows == std::ssize(pass.tokens), "embedding: y does not have one row a token");
  require(pass.y.columns == pass.table.columns, "embedding: y has not as many columns as the table");
}

void check_embedding(const EmbeddingBackward& pass) {
  require(pass.dy.rows == std::ssize(pass.tokens), "embedding: dy does not have one row a token");
  require(pass.dy.columns == pass.dtable.shape[1], "embedding: dtable has not as many columns as dy");
  require(pass.dtable.strides[1] == 1, "embedding: the rows of dtable must be dense");
}

std::unique_ptr<Embedding> make_embedding(Backend backend) {
  return row::make<Embedding>(
      backend, {.reference = make_reference_embedding, .kokkos = make_kokkos_embedding, .cuda = make_cuda_embedding});
}

}  // namespace ringworld
