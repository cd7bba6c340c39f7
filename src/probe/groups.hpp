#pragma once
/// @file  The attention pattern of the retrieval probe: groups of keys that share a code, and the code that each query
/// asks for.
///
///   comb, N = 4          stretch 0      stretch 1      stretch 2      stretch 3
///     tokens          |. . a . . . .|. . . . . a .|a . . . . . .|. . . a . . .|    one key of each stretch, at places
///     members of a         0              1              2             3          that the seed draws
///   near, N = 4       |a a a a|b b b b|c c c c| ...                                neighbours
///   stair             as comb; the scores of its members rise or fall by about a half each
///   address           one token alone, as far as the codes reach; the query stands at one of a few distances behind
///
/// A comb's members lie on many ranks, so that a query's answer is right only when every block came. Queries do not ask
/// for the group of their own token but for that of one beside it: every key, the last token's too, has a query that
/// depends on it, and a mask that is off by one shows.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ringworld {

enum class ProbeForm : std::uint8_t { comb, near, stair, address };

inline constexpr std::array<std::string_view, 4> probe_form_names{"comb", "near", "stair", "address"};

[[nodiscard]] constexpr std::string_view name_of(ProbeForm form) noexcept {
  return probe_form_names[static_cast<std::size_t>(form)];
}

/// A number that looks random: a bijection of 64-bit words.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (SplitMix64).
[[nodiscard]] constexpr std::uint64_t scramble(std::uint64_t word) noexcept {
  word += 0x9e3779b97f4a7c15U;
  word = (word ^ (word >> 30U)) * 0xbf58476d1ce4e5b9U;
  word = (word ^ (word >> 27U)) * 0x94d049bb133111ebU;
  return word ^ (word >> 31U);
}

/// The groups of one key head of one sequence.
class ProbeGroups {
 public:
  /// @param members  most keys of a group (N)     @param codes  how many groups can have a code of their own
  /// @pre members * codes >= context_length
  ProbeGroups(ProbeForm form, std::int64_t context_length, std::int64_t members, std::int64_t codes,
              std::uint64_t seed);

  [[nodiscard]] ProbeForm form() const { return form_; }
  [[nodiscard]] std::int64_t context_length() const { return context_length_; }
  /// Most keys of a group.
  [[nodiscard]] std::int64_t members() const { return members_; }
  [[nodiscard]] std::int64_t group_of(std::int64_t token) const;
  /// A token's place in its group; later tokens have later places.
  [[nodiscard]] std::int64_t member_of(std::int64_t token) const;
  /// The token at a place of a group; outside the sequence where the group has no such member.
  [[nodiscard]] std::int64_t token_of(std::int64_t group, std::int64_t member) const;
  [[nodiscard]] std::int64_t first_token_of(std::int64_t group) const;
  [[nodiscard]] bool holds(std::int64_t token) const { return token >= 0 && token < context_length_; }

  /// Calls `function(token, member)` for the keys of a group that a query sees, in rising order.
  template <class Function>
  void for_each_visible(std::int64_t group, std::int64_t query, bool is_causal, Function&& function) const {
    for (std::int64_t member = 0; member < members_; ++member) {
      const std::int64_t token = token_of(group, member);
      if (token >= context_length_ || (is_causal && token > query)) {
        return;
      }
      if (token >= 0) {
        function(token, member);
      }
    }
  }

 private:
  ProbeForm form_;
  std::int64_t context_length_;
  std::int64_t members_;
  std::int64_t stretch_;              // tokens of a stretch of a comb
  std::int64_t offset_;               // of near: where the first group begins, before the sequence
  std::vector<std::int64_t> shifts_;  // of each stretch
};

/// Which token's group each query of one head asks for.
class ProbeQueries {
 public:
  /// @param groups  must outlive this
  ProbeQueries(const ProbeGroups& groups, bool is_causal, std::uint64_t seed);

  /// A token whose group the query at `token` asks for; the group has a key that the query sees.
  [[nodiscard]] std::int64_t target_of(std::int64_t token) const;

  /// No query behind this place asks for the group by way of `token`.
  [[nodiscard]] std::int64_t last_asker_of(std::int64_t token) const {
    return groups_.form() == ProbeForm::address ? token + distances_.back() : token - token % quad + quad - 1;
  }

  /// Calls `function(query)` for each query that `target_of` sends to `token`.
  template <class Function>
  void for_each_asker(std::int64_t token, Function&& function) const {
    const auto offer = [&](std::int64_t query) {
      if (query != token && groups_.holds(query) && target_of(query) == token) {
        function(query);
      }
    };
    if (target_of(token) == token) {
      function(token);
    }
    if (groups_.form() == ProbeForm::address) {
      for (const std::int64_t distance : distances_) {
        offer(token + distance);
      }
      return;
    }
    const std::int64_t first = token - token % quad;
    for (std::int64_t query = first; query < first + quad; ++query) {
      offer(query);
    }
  }

 private:
  static constexpr std::int64_t quad = 4;

  const ProbeGroups& groups_;
  bool is_causal_;
  std::uint64_t seed_;
  std::array<std::int64_t, 8> distances_{};  // of address; all different
};

}  // namespace ringworld
