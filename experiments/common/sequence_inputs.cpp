#include "experiments/common/sequence_inputs.hpp"

#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/random.hpp"
#include "core/thread_team.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t per_draw = 4;

/// Calls `store(i, value)` for the elements of one token.
template <class Store>
void draw(std::uint64_t seed, InputTensor tensor, std::int64_t token_index, std::int64_t elements, Store&& store) {
  const CounterRng rng(seed, static_cast<std::uint64_t>(tensor));
  const std::int64_t first = token_index * elements / per_draw;
  for (std::int64_t i = 0; i < elements; i += per_draw) {
    const auto normals = rng.normals(static_cast<std::uint64_t>(first + i / per_draw));
    for (std::int64_t j = 0; j < per_draw; ++j) {
      store(i + j, normals[static_cast<std::size_t>(j)]);
    }
  }
}

}  // namespace

void SequenceInputs::fill(InputTensor tensor, const Partition& partition, std::int64_t rank,
                          const ActivationView& values, int threads) const {
  const std::int64_t elements = values.heads() * values.head_size();
  require(elements % per_draw == 0, "a token's elements are drawn four at a time");
  with_type(values.dtype, [&](auto type) {
    using T = decltype(type);
    const auto typed = values.as<T>();
    for (std::int64_t b = 0; b < values.batch(); ++b) {
      for (const TokenRun& run : partition.runs(rank)) {
        run_team(threads, [&](TeamMember member) {
          for (std::int64_t i = member.index; i < run.count; i += member.size) {
            T* target = &typed(b, run.token_local + i, 0, 0);
            note_progress();
            draw(seed_, tensor, b * context_length_ + run.token + i * run.stride, elements,
                 [target](std::int64_t index, float value) { target[index] = static_cast<T>(value); });
          }
        });
      }
    }
  });
}

void SequenceInputs::draw_token(InputTensor tensor, std::int64_t sequence, std::int64_t token, DType dtype,
                                std::span<float> values) const {
  require(values.size() % per_draw == 0, "a token's elements are drawn four at a time");
  draw(seed_, tensor, sequence * context_length_ + token, static_cast<std::int64_t>(values.size()),
       [&](std::int64_t index, float value) {
         const bool is_narrow = dtype == DType::bfloat16;
         values[static_cast<std::size_t>(index)] = is_narrow ? static_cast<float>(bf16(value)) : value;
       });
}

}  // namespace ringworld
