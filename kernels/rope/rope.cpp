#include "kernels/rope/rope.hpp"

#include "core/error.hpp"
#include "kernels/rope/cost.hpp"

namespace ringworld {
namespace {

void check(const RopeRotation& rotation) {
  const ActivationView& x = rotation.x;
  require(x.head_size() % 2 == 0, "RoPE: the head size is odd");
  require(x.strides[3] == 1, "RoPE: the last extent of x must be dense");
  const std::int64_t rows = rotation.cosine.shape[0];
  require(rows == x.tokens() || rows == x.batch() * x.tokens(), "RoPE: the table has not one row a token of x");
  require(rotation.cosine.shape[1] == x.head_size() / 2, "RoPE: the table has not head_size / 2 columns");
  require(rotation.sine.shape == rotation.cosine.shape, "RoPE: sine has not the shape of cosine");
  require(rotation.cosine.strides[1] == 1 && rotation.sine.strides[1] == 1, "RoPE: rows of the table must be dense");
}

}  // namespace

void Rope::rotate(const RopeRotation& rotation) {
  check(rotation);
  charge(cost_of(rotation));
  run_rotate(rotation);
}

}  // namespace ringworld
