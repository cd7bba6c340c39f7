#include "model/layer_attention.hpp"

#include "core/error.hpp"

namespace ringworld {

void WholeSequence::forward(std::int64_t layer, const SequenceForward& pass) {
  attention_.forward(pass);
  if (cache_ != nullptr) {
    cache_->append(layer, pass.k, pass.v, pass.document_ids);
  }
}

void WholeSequence::backward(std::int64_t /*layer*/, const SequenceBackward& pass) { attention_.backward(pass); }

void CachedSequence::forward(std::int64_t layer, const SequenceForward& pass) {
  if (is_keeper_) {
    cache_.append(layer, pass.k, pass.v, pass.document_ids);
  }
  cache_.attend(layer, pass.q, pass.out, pass.document_ids);
}

void CachedSequence::backward(std::int64_t /*layer*/, const SequenceBackward& /*pass*/) {
  throw Error(ErrorKind::internal, "attention from a cache has no backward pass");
}

}  // namespace ringworld
