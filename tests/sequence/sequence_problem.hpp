#pragma once
/// @file  A sequence spread over a ring, with its results and the dense oracle: what tests of ring attention share.

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "device/buffer.hpp"
#include "kernels/attention/tolerance.hpp"
#include "sequence/sequence_attention.hpp"
#include "support/dense_attention.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {

/// How document ids are spread over the sequence.
enum class Documents : std::uint8_t {
  none,         ///< no ids at all
  one_token,    ///< every token is a document
  several,      ///< documents of uneven length, with padding among them and at the end
  padded_rank,  ///< all tokens of the last rank are padding
  padding,      ///< nothing but padding
};

[[nodiscard]] const char* name_of(Documents documents);

/// One point of the tests. `options.problem.has_documents` follows `documents`.
struct SequenceCase {
  SequenceAttentionOptions options;
  Documents documents = Documents::none;
  Transport transport = Transport::automatic;  ///< of a ring of GPUs; for the name of the case: the ring has its own

  friend void PrintTo(const SequenceCase& sequence_case, std::ostream* stream);
};

/// (S, heads, kv_heads) of head size 16 in fp32, zigzag, causal, host.
[[nodiscard]] SequenceCase make_case(std::int64_t context_length, std::int64_t heads = 4, std::int64_t kv_heads = 2);

/// Whether this build has the backend's kernels.
[[nodiscard]] bool is_built(Backend backend);

/// Results of the whole sequence, in global token order.
struct SequenceResults {
  std::vector<double> out;  ///< (B, S, H, D)
  std::vector<double> lse;  ///< (B, H, S)
  std::vector<double> dq;   ///< (B, S, H, D)
  std::vector<double> dk;   ///< (B, S, Hkv, D)
  std::vector<double> dv;   ///< (B, S, Hkv, D)
};

/// This rank's part of a case: random operands that depend on the token's place in the sequence only, and results. For a
/// backend with memory of its own, passes work on copies there.
class SequenceProblem {
 public:
  SequenceProblem(const Ring& ring, const SequenceCase& sequence_case);

  /// Puts `value` into q, k, v and dout of this rank's padding, whose clean values the oracle goes on with.
  void spoil_padding(float value);

  [[nodiscard]] SequenceForward forward_pass();
  [[nodiscard]] SequenceBackward backward_pass();

  /// Fills the results with NaN and runs forward, and backward if it is planned for.
  void run(SequenceAttention& attention, const PassOptions& rotation = {});

  /// The results of all ranks. Collective over the ring.
  [[nodiscard]] SequenceResults gather();
  /// The bits of this rank's results.
  [[nodiscard]] std::vector<std::byte> result_bits();
  [[nodiscard]] bool guards_are_intact() const;

  /// The dense oracle on the very numbers that the operands hold. Collective over the ring.
  [[nodiscard]] const SequenceResults& expected() const;

 private:
  struct Global {
    std::vector<double> q;
    std::vector<double> k;
    std::vector<double> v;
    std::vector<double> dout;
    std::vector<std::int32_t> document_ids;
  };

  /// A host tensor and its copy in the backend's memory.
  struct Copy {
    void* host;
    Buffer memory;
  };

  [[nodiscard]] std::vector<double> draw(const ActivationView& local, std::uint64_t stream) const;
  [[nodiscard]] DeviceKind kind() const { return device_of(case_.options.backend); }
  /// Where a pass finds a host tensor: in the host's memory itself, or in a copy, made at the first call.
  template <class View>
  [[nodiscard]] View place(View view);
  /// Copies all tensors to, or from, the backend's memory.
  void send();
  void fetch();
  [[nodiscard]] SequenceResults compute_expected() const;

  Ring ring_;
  SequenceCase case_;
  std::vector<std::int64_t> tokens_;  // place in the sequence of each local token
  ActivationTensor q_;
  ActivationTensor k_;
  ActivationTensor v_;
  ActivationTensor dout_;
  Tensor<std::int32_t, 2> document_ids_;
  ActivationTensor out_;
  Tensor<float, 3> maximum_;
  Tensor<float, 3> sum_;
  Tensor<float, 3> delta_;
  Tensor<float, 4> dq_;
  Tensor<float, 4> dk_;
  Tensor<float, 4> dv_;
  Global global_;
  std::vector<Copy> copies_;
};

/// Compares all results, or those of the forward pass. The bounds follow from the types of the case.
void expect_equals_dense(const SequenceResults& actual, const SequenceResults& expected,
                         const SequenceCase& sequence_case);

}  // namespace ringworld::test
