#pragma once
/// @file  Which tokens of the sequence a rank holds.
///
///   S = 16, P = 2        token  0 1 2 3 4 5 6 7 8 9 . . . . . F
///     contiguous         rank   0 0 0 0 0 0 0 0 1 1 1 1 1 1 1 1     one run of S/P tokens
///     striped            rank   0 1 0 1 0 1 0 1 0 1 0 1 0 1 0 1     every P-th token
///     zigzag             rank   0 0 0 0 1 1 1 1 1 1 1 1 0 0 0 0     runs r and 2P-1-r of 2P
///
/// Ranks may share what a layout gives to one: U neighbours hold consecutive pieces of it, and exchange heads for tokens
/// before they compute (head_exchange.hpp).
///
///   zigzag, P = 4, U = 2 rank   0 0 0 0 2 2 2 2 3 3 3 3 1 1 1 1     as two ranks, each cut in two
///
/// Under a causal mask late tokens have more work: contiguous leaves it with the last ranks, striped and zigzag even it
/// out.
/// Source: contiguous, Liu et al., arXiv:2310.01889; striped, Brandon et al., "Striped Attention", arXiv:2311.09431;
/// zigzag, the load-balanced order of Llama 3's context parallelism, arXiv:2407.21783, section 3.3.2.
/// Lengths that do not divide are not padded: runs differ by at most one token, and a rank may hold none.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ringworld {

enum class Layout : std::uint8_t { contiguous, striped, zigzag };

inline constexpr std::array<std::string_view, 3> layout_names{"contiguous", "striped", "zigzag"};

[[nodiscard]] constexpr std::string_view name_of(Layout layout) noexcept {
  return layout_names[static_cast<std::size_t>(layout)];
}

/// @throws Error(bad_input) naming the nearest layout.
[[nodiscard]] Layout parse_layout(std::string_view name);

/// A run of tokens that a rank holds: local tokens `token_local + i` are tokens `token + i * stride` of the sequence,
/// for 0 <= i < count.
struct TokenRun {
  std::int64_t token_local = 0;
  std::int64_t token = 0;
  std::int64_t stride = 1;
  std::int64_t count = 0;
};

/// A sequence of `context_length` tokens laid out over `ranks` ranks: P = R x U, of which rank p = r U + u holds the u-th
/// of U consecutive pieces of what Partition(layout, context_length, R) gives to rank r. Pieces of one r differ by at
/// most one token.
class Partition {
 public:
  /// @param ulysses  U, the neighbours that share the tokens of one rank of the layout
  /// @throws Error(bad_input) when a length is not positive, or U does not divide `ranks`.
  Partition(Layout layout, std::int64_t context_length, std::int64_t ranks, std::int64_t ulysses = 1);

  [[nodiscard]] Layout layout() const { return layout_; }
  [[nodiscard]] std::int64_t context_length() const { return context_length_; }
  [[nodiscard]] std::int64_t ranks() const { return ranks_; }
  [[nodiscard]] std::int64_t ulysses() const { return ulysses_; }

  /// The runs of a rank, in rising order of tokens; none is empty. All runs of all ranks have the same stride.
  [[nodiscard]] std::vector<TokenRun> runs(std::int64_t rank) const;
  /// Position in the sequence of each token of a rank, in the rank's order; they rise.
  [[nodiscard]] std::vector<std::int64_t> positions(std::int64_t rank) const;
  /// Tokens that a rank holds.
  [[nodiscard]] std::int64_t tokens(std::int64_t rank) const;
  /// Tokens of the rank that holds most (T).
  [[nodiscard]] std::int64_t tokens_per_rank() const;

 private:
  /// The runs that the layout gives to the `index`-th of R ranks.
  [[nodiscard]] std::vector<TokenRun> runs_of_layout(std::int64_t index) const;

  Layout layout_;
  std::int64_t context_length_;
  std::int64_t ranks_;
  std::int64_t ulysses_;
};

}  // namespace ringworld
