#include "kernels/backends/idle/idle.hpp"

#include <array>

#include "device/buffer.hpp"
#include "kernels/backends/idle/footprint.hpp"

namespace ringworld {
namespace {

/// Scratch memory that grows to the largest call, as the kernels of devices keep theirs.
class GrowingScratch {
 public:
  void hold(std::int64_t bytes, DeviceKind memory, MemoryUse use = MemoryUse::scratch) {
    if (memory_.bytes() < bytes) {
      memory_ = Buffer(bytes, memory, use);
    }
  }
  [[nodiscard]] std::int64_t bytes() const { return memory_.bytes(); }

 private:
  Buffer memory_;
};

template <class Footprint>
class IdleAttention final : public BlockAttention {
 public:
  explicit IdleAttention(const BlockAttentionOptions& options) : BlockAttention(options.head_size) {}
  [[nodiscard]] std::int64_t workspace_bytes() const override { return memory_.bytes() + summaries_.bytes(); }

 private:
  void run_reset(const AttentionState& /*state*/) override {}
  bool run_accumulate(const ForwardBlock& block, const AttentionState& /*state*/, const ActivationView& /*out*/,
                      const Progress& /*progress*/) override {
    hold_summaries(block.q, block.mask);
    return true;
  }
  void run_merge(const AttentionState& /*from*/, const AttentionState& /*into*/) override {}
  void run_rescale(const TensorView<const float, 3>& /*maximum*/, const AttentionState& /*state*/) override {}
  void run_finalize(const AttentionState& /*state*/, const ActivationView& /*out*/) override {}
  void run_output_dot_gradient(const ConstActivationView& /*out*/, const ConstActivationView& /*dout*/,
                               const TensorView<float, 3>& /*delta*/) override {}
  bool run_backward(const BackwardBlock& block, const BlockGradients& /*gradients*/,
                    const Progress& /*progress*/) override {
    hold_summaries(block.q, block.mask);
    return true;
  }

  void hold_summaries(const ConstActivationView& q, const BlockMask& mask) {
    if constexpr (Footprint::document_summary_tokens > 0) {
      if (mask.has_documents() && Footprint::has_summaries(q.dtype, head_size())) {
        const auto groups = [](const TensorView<const std::int32_t, 2>& ids) {
          return ids.shape[0] *
                 ((ids.shape[1] + Footprint::document_summary_tokens - 1) / Footprint::document_summary_tokens);
        };
        summaries_.hold(
            (groups(mask.query_document_ids) + groups(mask.key_document_ids)) * Footprint::document_summary_bytes,
            Footprint::memory, MemoryUse::attention);
      }
    }
  }

  Buffer memory_{Footprint::attention_bytes, Footprint::memory, MemoryUse::attention};
  GrowingScratch summaries_;
};

template <class Footprint>
class IdleMatmul final : public Matmul {
  void run_multiply(const MatmulProblem& /*problem*/) override {}

  Buffer workspace_{Footprint::matmul_bytes, Footprint::memory};
};

/// Bytes of the partial sums of `rows` rows.
template <class Footprint>
std::int64_t partial_bytes(const ConstRowsView& rows) {
  return Footprint::sum_ranges(rows.rows) * rows.columns * static_cast<std::int64_t>(sizeof(float));
}

template <class Footprint>
class IdleTensorOps final : public TensorOps {
  void run_fill_zero(void* /*to*/, std::int64_t /*bytes*/) override {}
  void run_fill_zero_rows(const RowsView& /*rows*/) override {}
  void run_copy(const void* /*from*/, void* /*to*/, std::int64_t /*bytes*/) override {}
  void run_copy_rows(const ConstRowsView& /*from*/, const RowsView& /*to*/) override {}
  void run_copy_activations(const ConstActivationView& /*from*/, const ActivationView& /*to*/) override {}
  void run_copy_strided(const StridedCopy& /*copy*/) override {}
  void run_add(std::span<const float> /*from*/, std::span<float> /*to*/) override {}
  void run_add_to_rows(std::span<const float> /*row*/, const RowsView& /*rows*/) override {}
  void run_add_column_sums(const ConstRowsView& rows, std::span<float> /*sums*/) override {
    partial_.hold(partial_bytes<Footprint>(rows), Footprint::memory);
  }
  void run_scale_rows(std::span<const float> /*factors*/, const RowsView& /*rows*/) override {}
  void run_find_row_maxima(const ConstRowsView& /*rows*/, const RowMaxima& /*maxima*/) override {}
  void run_gather_rows(const ConstRowsView& /*from*/, std::span<const std::int32_t> /*index*/,
                       const RowsView& /*to*/) override {}
  void run_scatter_rows(const ConstRowsView& /*from*/, std::span<const std::int32_t> /*index*/,
                        const RowsView& /*to*/) override {}

  GrowingScratch partial_;
};

template <class Footprint>
class IdleRmsNorm final : public RmsNorm {
  void run_forward(const RmsNormForward& /*pass*/) override {}
  void run_backward(const RmsNormBackward& pass) override {
    partial_.hold(partial_bytes<Footprint>(pass.x), Footprint::memory);
  }

  GrowingScratch partial_;
};

class IdleRope final : public Rope {
  void run_rotate(const RopeRotation& /*rotation*/) override {}
};

class IdleSwiGlu final : public SwiGlu {
  void run_forward(const SwiGluForward& /*pass*/) override {}
  void run_backward(const SwiGluBackward& /*pass*/) override {}
};

class IdleEmbedding final : public Embedding {
  void run_forward(const EmbeddingForward& /*pass*/) override {}
  void run_backward(const EmbeddingBackward& /*pass*/) override {}
};

class IdleCrossEntropy final : public CrossEntropy {
  [[nodiscard]] bool can_host_read_operands() const override { return false; }
  void run_forward(const CrossEntropyForward& /*pass*/) override {}
  void run_backward(const CrossEntropyBackward& /*pass*/) override {}
  void run_shard_maximum(const CrossEntropyShard& /*shard*/, std::span<float> /*maximum*/) override {}
  void run_shard_exponentials(const CrossEntropyShard& /*shard*/, std::span<const float> /*maximum*/,
                              std::span<float> /*sum*/, std::span<float> /*target_logit*/) override {}
  void run_shard_gradient(const CrossEntropyShard& /*shard*/, std::span<const float> /*sum*/,
                          std::span<const float> /*weights*/) override {}
};

template <class Footprint>
class IdleOptimizer final : public Optimizer {
  void run_adamw(const AdamWRange& /*range*/, const AdamWOptions& /*options*/) override {}
  [[nodiscard]] double run_sum_of_squares(std::span<const std::span<const float>> ranges) override {
    if constexpr (Footprint::square_chunk == 0) {
      return 0;
    }
    std::int64_t sums = 1;
    for (const std::span<const float> values : ranges) {
      sums += (std::ssize(values) + Footprint::square_chunk - 1) / Footprint::square_chunk;
    }
    sums_.hold(sums * static_cast<std::int64_t>(sizeof(double)), Footprint::memory);
    return 0;
  }

  GrowingScratch sums_;
};

template <class Footprint>
class IdleConvolution final : public Convolution {
  void run_forward(const ConvolutionForward& /*pass*/) override {}
  void run_backward(const ConvolutionBackward& pass) override {
    const ConvolutionExtents extents(pass.shape, pass.x.shape, pass.weight.shape);
    sums_.hold(Footprint::convolution_floats(extents) * static_cast<std::int64_t>(sizeof(float)), Footprint::memory);
  }

  GrowingScratch sums_;
};

class IdleUpsampling final : public Upsampling {
  void run_forward(const UpsamplingForward& /*pass*/) override {}
  void run_backward(const UpsamplingBackward& /*pass*/) override {}
};

constexpr std::int64_t pair_bytes = 2 * static_cast<std::int64_t>(sizeof(double));

template <class Footprint>
class IdleGroupNorm final : public GroupNorm {
  void run_forward(const GroupNormForward& pass) override { hold(pass.x.shape, pass.groups); }
  void run_backward(const GroupNormBackward& pass) override { hold(pass.x.shape, pass.groups); }

  void hold(const std::array<std::int64_t, 4>& shape, std::int64_t groups) {
    sums_.hold(Footprint::group_norm_pairs(shape[0], shape[1] * shape[2], shape[3], groups) * pair_bytes,
               Footprint::memory);
  }

  GrowingScratch sums_;
};

class IdleVectorQuantizer final : public VectorQuantizer {
  void run_nearest(const NearestCode& /*search*/) override {}
  void run_look_up(const CodeLookUp& /*look_up*/) override {}
  void run_backward(const QuantizerBackward& /*pass*/) override {}
};

template <class Footprint>
class IdleReconstructionLoss final : public ReconstructionLoss {
  void run_forward_backward(const ReconstructionLossPass& pass) override {
    const auto [frames, elements] = pass.target.shape;
    sums_.hold(Footprint::reconstruction_pairs(frames, elements) * pair_bytes, Footprint::memory);
  }

  GrowingScratch sums_;
};

template <class Family, class Kernel>
std::unique_ptr<Family> make(const KernelOptions& /*options*/) {
  return std::make_unique<Kernel>();
}

template <class Footprint>
std::unique_ptr<BlockAttention> make_attention(const BlockAttentionOptions& options) {
  return std::make_unique<IdleAttention<Footprint>>(options);
}

template <class Footprint>
KernelMakers makers(std::unique_ptr<BlockAttention> (*attention)(const BlockAttentionOptions&)) {
  return {.attention = attention,
          .matmul = make<Matmul, IdleMatmul<Footprint>>,
          .tensor = make<TensorOps, IdleTensorOps<Footprint>>,
          .norm = make<RmsNorm, IdleRmsNorm<Footprint>>,
          .rope = make<Rope, IdleRope>,
          .swiglu = make<SwiGlu, IdleSwiGlu>,
          .embedding = make<Embedding, IdleEmbedding>,
          .loss = make<CrossEntropy, IdleCrossEntropy>,
          .optimizer = make<Optimizer, IdleOptimizer<Footprint>>,
          .convolution = make<Convolution, IdleConvolution<Footprint>>,
          .upsampling = make<Upsampling, IdleUpsampling>,
          .group_norm = make<GroupNorm, IdleGroupNorm<Footprint>>,
          .vector_quantizer = make<VectorQuantizer, IdleVectorQuantizer>,
          .reconstruction_loss = make<ReconstructionLoss, IdleReconstructionLoss<Footprint>>};
}

}  // namespace

KernelMakers idle_kernels(Backend backend) {
  switch (backend) {
    case Backend::kokkos:
      return makers<KokkosFootprint>(make_attention<KokkosFootprint>);
    case Backend::cuda:
      return makers<CudaFootprint>(make_attention<CudaFootprint>);
    case Backend::simulated:
      return makers<SimulatedFootprint>(make_attention<SimulatedFootprint>);
    case Backend::reference:
    case Backend::host:
      break;
  }
  return makers<HostFootprint>(nullptr);
}

}  // namespace ringworld
