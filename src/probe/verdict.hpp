#pragma once
/// @file  Is every row of a probe's result right, and if not, which token did not come as it should?
///
/// Every rank holds its own rows against the closed form, in O(N + D) a row (N keys of a group); no other rank's data are
/// asked for.

#include <cstdint>
#include <optional>

#include "comm/communicator.hpp"
#include "probe/finding.hpp"
#include "probe/probe.hpp"
#include "sequence/partition.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

struct ProbeVerdict {
  std::int64_t rows = 0;  ///< that were checked; a row is one token of one head
  std::int64_t wrong_rows = 0;
  std::optional<ProbeFinding> first;  ///< of the lowest rank that has one

  [[nodiscard]] bool is_right() const { return wrong_rows == 0; }
  ProbeVerdict& operator+=(const ProbeVerdict& more);
};

/// One rank's result of a forward pass, in host memory.
struct ProbeForwardResult {
  ConstActivationView out;             ///< (B, T, H, D)
  TensorView<const float, 3> maximum;  ///< (B, H, T), of the scaled scores
  TensorView<const float, 3> sum;      ///< (B, H, T), of exp(score - maximum)
};

/// One rank's result of a backward pass, in host memory.
struct ProbeBackwardResult {
  TensorView<const float, 4> dq;  ///< (B, T, H, D)
  TensorView<const float, 4> dk;  ///< (B, T, Hkv, D)
  TensorView<const float, 4> dv;  ///< (B, T, Hkv, D)
};

/// Rows out and lse of one token and head are one row. Collective over `ranks`, whose partition it is.
[[nodiscard]] ProbeVerdict check_forward(const Probe& probe, const Partition& partition, const Communicator& ranks,
                                         const ProbeForwardResult& result, int threads = 1);

/// A query's dq is a row, and so are a key's dk and dv together. Collective over `ranks`.
/// @param rotation  what travelled: tells the hop of a finding
[[nodiscard]] ProbeVerdict check_backward(const Probe& probe, const Partition& partition, const Communicator& ranks,
                                          const ProbeBackwardResult& result, BackwardRotation rotation,
                                          int threads = 1);

}  // namespace ringworld
