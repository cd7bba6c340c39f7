#include "kernels/embedding/embedding.hpp"

#include "core/error.hpp"
#include "kernels/embedding/cost.hpp"

namespace ringworld {
namespace {

void check(const EmbeddingForward& pass) {
  require(pass.y.rows == std::ssize(pass.tokens), "embedding: y does not have one row a token");
  require(pass.y.columns == pass.table.columns, "embedding: y has not as many columns as the table");
}

void check(const EmbeddingBackward& pass) {
  require(pass.dy.rows == std::ssize(pass.tokens), "embedding: dy does not have one row a token");
  require(pass.dy.columns == pass.dtable.shape[1], "embedding: dtable has not as many columns as dy");
  require(pass.dtable.strides[1] == 1, "embedding: the rows of dtable must be dense");
}

}  // namespace

void Embedding::forward(const EmbeddingForward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_forward(pass);
}

void Embedding::backward(const EmbeddingBackward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_backward(pass);
}

}  // namespace ringworld
