#pragma once
/// @file  Inputs of attention whose exact answer is known: a query attends to the keys of one group (groups.hpp), and
/// to nothing else, so that a result says which keys came, once each, in linear time.
///
///   entries of a head      0 ... D-5      D-4     D-3   D-2    D-1        all of them exact in bfloat16
///     key                  +-32 (code)  -32(D-4)  tag    0   step m       m: the member's place, in stairs only
///     query                +-32 (code)     32      0    tag     1         1: in stairs only
///
/// A query that asks for a key's code scores exactly 0 with it (in a stair: the step), and at least 2048 / sqrt(D) less
/// with every other: e^0 is 1 and the other weights vanish in fp32, so that the sum of the softmax counts keys. Member
/// m's value has one number of 1 to 7, at entry m (mod D): `out * count` lists the group, 0 for one missed, twice the
/// number for one counted twice. All of these sums are of integers, exact in any order. The tags make dq and dk differ
/// between the members of a group. The gradient is the count times a small integer, so that dv is a sum of integers.

#include <cstdint>
#include <span>

#include "core/tensor_view.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "probe/groups.hpp"
#include "sequence/partition.hpp"

namespace ringworld {

enum class ProbeOperand : std::uint8_t { q, k, v, dout };

/// The settings that a probe depends on.
struct ProbeOptions {
  AttentionProblem problem;  ///< without documents
  bool is_causal = true;
  std::uint64_t seed = 0;
};

/// One query head of one sequence, with the key head that it reads.
class ProbeHead {
 public:
  ProbeHead(const ProbeOptions& options, std::int64_t sequence, std::int64_t head);
  ProbeHead(const ProbeHead&) = delete;
  ProbeHead& operator=(const ProbeHead&) = delete;

  [[nodiscard]] const ProbeGroups& groups() const { return groups_; }
  [[nodiscard]] const ProbeQueries& queries() const { return queries_; }
  [[nodiscard]] bool is_causal() const { return is_causal_; }
  [[nodiscard]] std::int64_t head_size() const { return head_size_; }
  [[nodiscard]] std::int64_t code_entries() const { return head_size_ - 4; }
  [[nodiscard]] double scale() const { return scale_; }

  /// exp(score) of the member at a place: 1, but in a stair.
  [[nodiscard]] double weight_of(std::int64_t member) const;
  /// Entry of v that is not 0, and what stands there.
  [[nodiscard]] std::int64_t value_entry(std::int64_t token) const { return groups_.member_of(token) % head_size_; }
  [[nodiscard]] float value(std::int64_t token) const;
  [[nodiscard]] float key_tag(std::int64_t token) const;
  [[nodiscard]] float query_tag(std::int64_t token) const;
  /// Entry D - 1 of keys and queries.
  [[nodiscard]] float key_step(std::int64_t member) const;
  [[nodiscard]] float query_step() const { return groups_.form() == ProbeForm::stair ? 1.0F : 0.0F; }
  /// An entry of what all keys of a group, and the queries that ask for it, have in common: +-32.
  [[nodiscard]] float code(std::int64_t group, std::int64_t entry) const;

  /// Group that the query asks for.
  [[nodiscard]] std::int64_t group_asked_by(std::int64_t token) const {
    return groups_.group_of(queries_.target_of(token));
  }

  /// One row. @param values (D), overwritten
  void write(ProbeOperand operand, std::int64_t token, std::span<float> values) const;
  /// The row of dout, for who knows its factor. @param factor  as `gradient_factor` says
  void write_gradient(std::int64_t token, double factor, std::span<float> values) const;
  /// What all numbers of a query's dout are multiples of, before they are rounded to bfloat16.
  /// @param weights  sum of the weights that the query sees: a count, but in a stair
  [[nodiscard]] double gradient_factor(double weights) const {
    return groups_.form() == ProbeForm::stair ? 1.0 : weights;
  }

 private:
  [[nodiscard]] std::uint64_t code_word(std::int64_t group) const;

  std::int64_t head_size_;
  bool is_causal_;
  double scale_;
  std::int64_t used_bits_;  // of the code; repeated over its entries
  std::uint64_t key_seed_;
  std::uint64_t query_seed_;
  float step_;  // of a stair, in units of an unscaled score
  ProbeGroups groups_;
  ProbeQueries queries_;
};

/// The probe of a whole problem: key head k of sequence b has the (b Hkv + k)-th form, modulo their number.
class Probe {
 public:
  /// @throws Error(bad_input) when `reaches` is false.
  explicit Probe(const ProbeOptions& options);

  /// Whether a probe of the problem's length exists: heads of 8 reach 2K tokens, of 16 1M tokens, longer ones any
  /// length.
  [[nodiscard]] static bool reaches(const AttentionProblem& problem);

  [[nodiscard]] const ProbeOptions& options() const { return options_; }
  [[nodiscard]] ProbeHead head(std::int64_t sequence, std::int64_t head) const { return {options_, sequence, head}; }

  /// Fills one rank's tokens, the same with any number of threads.
  /// @param values (B, T, heads, D) in host memory
  void fill(ProbeOperand operand, const Partition& partition, std::int64_t rank, const ActivationView& values,
            int threads = 1) const;

 private:
  ProbeOptions options_;
};

}  // namespace ringworld
