// Ring attention of four tokens a rank, whose values are all one: so are the results.
#include <cstdio>
#include <vector>

#include "comm/environment.hpp"
#include "sequence/sequence_attention.hpp"

int main(int argc, char** argv) {
  using namespace ringworld;
  const Environment environment(argc, argv);
  const Communicator ranks = Communicator::world();
  constexpr std::int64_t heads = 2;
  constexpr std::int64_t head_size = 64;
  const std::int64_t context_length = 4 * ranks.size();
  const auto attention = make_sequence_attention(
      ranks, {.problem = {.context_length = context_length, .heads = heads, .kv_heads = heads, .head_size = head_size},
              .pass = AttentionPass::forward});
  const std::int64_t tokens = attention->partition().tokens(ranks.rank());
  const std::array<std::int64_t, 4> shape{1, tokens, heads, head_size};
  const std::vector<float> ones(static_cast<std::size_t>(tokens * heads * head_size), 1.0F);
  std::vector<float> out(ones.size());
  std::vector<float> maximum(static_cast<std::size_t>(tokens * heads));
  std::vector<float> sum(maximum.size());
  const TensorView<const float, 4> input(ones.data(), shape);
  attention->forward({.q = input,
                      .k = input,
                      .v = input,
                      .document_ids = {},
                      .out = TensorView<float, 4>(out.data(), shape),
                      .maximum = {maximum.data(), {1, heads, tokens}},
                      .sum = {sum.data(), {1, heads, tokens}}});
  double total = 0;
  for (const float value : out) {
    total += value;
  }
  total = ranks.all_reduce(total, Reduction::sum);
  if (ranks.rank() == 0) {
    std::printf("mean %.6f over %d ranks, %lld bytes sent by rank 0\n",
                total / static_cast<double>(context_length * heads * head_size), ranks.size(),
                static_cast<long long>(attention->traffic().bytes()));
  }
  return 0;
}
