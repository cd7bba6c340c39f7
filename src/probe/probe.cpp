#include "probe/probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "core/thread_team.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t extra_entries = 4;
constexpr std::int64_t most_members = 64;
constexpr std::int64_t most_members_an_entry = 16;  // their values' sum keeps its last digit in bfloat16
constexpr std::int64_t fewest_code_bits = 12;       // where there is room: two heads' codes then differ
constexpr std::int64_t most_code_bits = 40;
constexpr float unit = 32;

std::int64_t code_bits(std::int64_t head_size) { return std::min(head_size - extra_entries, most_code_bits); }

std::int64_t codes_of(std::int64_t head_size) { return std::int64_t{1} << code_bits(head_size); }

std::int64_t members_of(const AttentionProblem& problem) {
  const std::int64_t codes = codes_of(problem.head_size);
  return std::max(std::min(problem.head_size, most_members), (problem.context_length + codes - 1) / codes);
}

/// Bits that tell `codes` groups apart.
std::int64_t bits_for(std::int64_t codes) { return std::bit_width(static_cast<std::uint64_t>(codes)); }

std::int64_t used_bits_of(const AttentionProblem& problem) {
  // A group takes at least one token, but for `near` they come in packs: the length is bound enough.
  const std::int64_t needed = bits_for(std::min(problem.context_length, codes_of(problem.head_size) - 1));
  return std::clamp(std::max(needed, fewest_code_bits), std::int64_t{1}, code_bits(problem.head_size));
}

ProbeForm form_of(const AttentionProblem& problem, std::int64_t sequence, std::int64_t kv_head) {
  return static_cast<ProbeForm>((sequence * problem.kv_heads + kv_head) %
                                static_cast<std::int64_t>(probe_form_names.size()));
}

std::int64_t kv_head_of(const AttentionProblem& problem, std::int64_t head) {
  return head / (problem.heads / problem.kv_heads);
}

std::uint64_t seed_of(std::uint64_t seed, std::uint64_t stream, std::int64_t sequence, std::int64_t head) {
  const std::uint64_t run = scramble(scramble(seed) ^ stream);
  return scramble(scramble(run ^ static_cast<std::uint64_t>(sequence)) ^ static_cast<std::uint64_t>(head));
}

/// A power of two, so that scores of whole steps are exact, next to what makes a step of half a unit.
float stair_step(double scale) { return static_cast<float>(std::exp2(std::round(std::log2(0.5 / scale)))); }

float as_bf16(float value) { return static_cast<float>(bf16(value)); }

}  // namespace

ProbeHead::ProbeHead(const ProbeOptions& options, std::int64_t sequence, std::int64_t head)
    : head_size_(options.problem.head_size),
      is_causal_(options.is_causal),
      scale_(1.0 / std::sqrt(static_cast<double>(head_size_))),
      used_bits_(used_bits_of(options.problem)),
      key_seed_(seed_of(options.seed, 1, sequence, kv_head_of(options.problem, head))),
      query_seed_(seed_of(options.seed, 2, sequence, head)),
      step_((kv_head_of(options.problem, head) / 4) % 2 == 0 ? stair_step(scale_) : -stair_step(scale_)),
      groups_(form_of(options.problem, sequence, kv_head_of(options.problem, head)), options.problem.context_length,
              members_of(options.problem), codes_of(head_size_), scramble(key_seed_ ^ 1U)),
      queries_(groups_, is_causal_, scramble(query_seed_ ^ 1U)) {}

double ProbeHead::weight_of(std::int64_t member) const {
  return groups_.form() == ProbeForm::stair ? std::exp(scale_ * static_cast<double>(key_step(member))) : 1.0;
}

float ProbeHead::value(std::int64_t token) const {
  return 1.0F + static_cast<float>(scramble(key_seed_ ^ static_cast<std::uint64_t>(token)) % 7);
}

float ProbeHead::key_tag(std::int64_t token) const {
  const std::uint64_t word = scramble(key_seed_ ^ static_cast<std::uint64_t>(token)) >> 32U;
  return static_cast<float>(1 + word % 15) * (word % 2 == 0 ? unit : -unit);
}

float ProbeHead::query_tag(std::int64_t token) const {
  const std::uint64_t word = scramble(query_seed_ ^ static_cast<std::uint64_t>(token)) >> 32U;
  return static_cast<float>(1 + word % 15) * (word % 2 == 0 ? unit : -unit);
}

float ProbeHead::key_step(std::int64_t member) const {
  if (groups_.form() != ProbeForm::stair) {
    return 0;
  }
  // The highest step is 0, so that no score comes near those of other groups.
  const std::int64_t steps = step_ > 0 ? member - (groups_.members() - 1) : member;
  return as_bf16(static_cast<float>(steps) * step_);
}

std::uint64_t ProbeHead::code_word(std::int64_t group) const {
  // A bijection of the words of `used_bits_`, another one for every key head.
  const std::uint64_t factor = scramble(key_seed_ ^ 2U) | 1U;
  return static_cast<std::uint64_t>(group) * factor + scramble(key_seed_ ^ 3U);
}

float ProbeHead::code(std::int64_t group, std::int64_t entry) const {
  return ((code_word(group) >> static_cast<std::uint64_t>(entry % used_bits_)) & 1U) != 0 ? unit : -unit;
}

void ProbeHead::write(ProbeOperand operand, std::int64_t token, std::span<float> values) const {
  const std::int64_t bits = code_entries();
  const auto write_code = [&](std::int64_t group) {
    const std::uint64_t word = code_word(group);
    for (std::int64_t entry = 0; entry < bits; ++entry) {
      values[static_cast<std::size_t>(entry)] =
          ((word >> static_cast<std::uint64_t>(entry % used_bits_)) & 1U) != 0 ? unit : -unit;
    }
  };
  const auto write_extras = [&](float bias, float key_tag, float query_tag, float step) {
    const std::array<float, extra_entries> extras{bias, key_tag, query_tag, step};
    std::ranges::copy(extras, values.begin() + bits);
  };
  switch (operand) {
    case ProbeOperand::q:
      write_code(group_asked_by(token));
      write_extras(unit, 0, query_tag(token), query_step());
      break;
    case ProbeOperand::k:
      write_code(groups_.group_of(token));
      write_extras(-unit * static_cast<float>(bits), key_tag(token), 0, key_step(groups_.member_of(token)));
      break;
    case ProbeOperand::v:
      std::ranges::fill(values, 0.0F);
      values[static_cast<std::size_t>(value_entry(token))] = value(token);
      break;
    case ProbeOperand::dout: {
      double weights = 0;
      groups_.for_each_visible(group_asked_by(token), token, is_causal_,
                               [&](std::int64_t /*key*/, std::int64_t member) { weights += weight_of(member); });
      write_gradient(token, gradient_factor(weights), values);
      break;
    }
  }
}

void ProbeHead::write_gradient(std::int64_t token, double factor, std::span<float> values) const {
  // Sums of the whole group stay below what bfloat16 weights round away.
  const std::uint64_t largest = static_cast<std::uint64_t>(std::clamp<std::int64_t>(48 / groups_.members(), 1, 3));
  constexpr std::size_t per_word = 16;
  for (std::size_t first = 0; first < values.size(); first += per_word) {
    std::uint64_t word = scramble(scramble(query_seed_ ^ static_cast<std::uint64_t>(token)) + first);
    for (std::size_t entry = first; entry < std::min(first + per_word, values.size()); ++entry, word >>= 4U) {
      const auto size = static_cast<float>(1 + ((word >> 1U) & 7U) % largest) * static_cast<float>(factor);
      values[entry] = as_bf16((word & 1U) != 0 ? size : -size);
    }
  }
}

bool Probe::reaches(const AttentionProblem& problem) {
  return problem.head_size > extra_entries && !problem.has_documents &&
         members_of(problem) <= most_members_an_entry * problem.head_size;
}

Probe::Probe(const ProbeOptions& options) : options_(options) {
  require_input(reaches(options.problem),
                fmt::format("the probe of heads of {} reaches {} tokens, not {}: choose a larger head size",
                            options.problem.head_size,
                            codes_of(options.problem.head_size) * most_members_an_entry * options.problem.head_size,
                            options.problem.context_length));
}

void Probe::fill(ProbeOperand operand, const Partition& partition, std::int64_t rank, const ActivationView& values,
                 int threads) const {
  const bool is_of_queries = operand == ProbeOperand::q || operand == ProbeOperand::dout;
  const std::int64_t queries_a_head = is_of_queries ? 1 : options_.problem.heads / options_.problem.kv_heads;
  for (std::int64_t b = 0; b < values.batch(); ++b) {
    for (std::int64_t h = 0; h < values.heads(); ++h) {
      const ProbeHead head(options_, b, h * queries_a_head);
      for (const TokenRun& run : partition.runs(rank)) {
        run_team(threads, [&](TeamMember member) {
          std::vector<float> row(static_cast<std::size_t>(values.head_size()));
          for (std::int64_t i = member.index; i < run.count; i += member.size) {
            head.write(operand, run.token + i * run.stride, row);
            with_type(values.dtype, [&](auto type) {
              using T = decltype(type);
              std::ranges::transform(row, &values.as<T>()(b, run.token_local + i, h, 0),
                                     [](float value) { return static_cast<T>(value); });
            });
          }
        });
      }
    }
  }
}

}  // namespace ringworld
