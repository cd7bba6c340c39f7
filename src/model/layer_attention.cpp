#include "model/layer_attention.hpp"

#include "core/error.hpp"

namespace ringworld {

void SequenceAttention::forward(std::int64_t layer, const RingForward& pass) {
  ring_.forward(pass);
  if (cache_ != nullptr) {
    cache_->append(layer, pass.k, pass.v);
  }
}

void SequenceAttention::backward(std::int64_t /*layer*/, const RingBackward& pass) { ring_.backward(pass); }

void CachedAttention::forward(std::int64_t layer, const RingForward& pass) {
  if (is_keeper_) {
    cache_.append(layer, pass.k, pass.v);
  }
  cache_.attend(layer, pass.q, pass.out);
}

void CachedAttention::backward(std::int64_t /*layer*/, const RingBackward& /*pass*/) {
  throw Error(ErrorKind::internal, "attention from a cache has no backward pass");
}

}  // namespace ringworld
