#include "sequence/piece.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// The first token of the second half of a zigzag sequence: that of the first late run.
std::int64_t first_late_token(const Partition& partition) {
  const std::int64_t pieces = 2 * partition.ranks();
  const std::int64_t longer = partition.context_length() % pieces;
  return partition.ranks() * (partition.context_length() / pieces) + std::min(partition.ranks(), longer);
}

/// The part of a run that a cut takes, in the numbering of the rank.
TokenRun part_of(const TokenRun& run, Cut cut, std::int64_t first_late) {
  const auto part = [&](std::int64_t begin, std::int64_t count) {
    return TokenRun{.token_local = run.token_local + begin,
                    .token = run.token + begin * run.stride,
                    .stride = run.stride,
                    .count = count};
  };
  const std::int64_t lower = (run.count + 1) / 2;
  switch (cut) {
    case Cut::whole:
      return run;
    case Cut::lower:
      return part(0, lower);
    case Cut::upper:
      return part(lower, run.count - lower);
    case Cut::early:
      return part(0, run.token < first_late ? run.count : 0);
    case Cut::late:
      return part(0, run.token < first_late ? 0 : run.count);
  }
  throw Error(ErrorKind::internal, "a cut outside its enumeration");
}

/// The runs of a piece, in the numbering of the rank.
std::vector<TokenRun> runs_in_rank(const Partition& partition, const Piece& piece) {
  std::vector<TokenRun> runs = partition.runs(piece.origin);
  for (TokenRun& run : runs) {
    run = part_of(run, piece.cut, first_late_token(partition));
  }
  std::erase_if(runs, [](const TokenRun& run) { return run.count == 0; });
  return runs;
}

}  // namespace

std::vector<TokenRun> runs_of(const Partition& partition, const Piece& piece) {
  std::vector<TokenRun> runs = runs_in_rank(partition, piece);
  std::int64_t packed = 0;
  for (TokenRun& run : runs) {
    run.token_local = packed;
    packed += run.count;
  }
  return runs;
}

std::vector<PieceRange> ranges_of(const Partition& partition, const Piece& piece) {
  std::vector<PieceRange> ranges;
  std::int64_t packed = 0;
  for (const TokenRun& run : runs_in_rank(partition, piece)) {
    const bool goes_on = !ranges.empty() && ranges.back().token_local + ranges.back().count == run.token_local;
    if (goes_on) {
      ranges.back().count += run.count;
    } else {
      ranges.push_back({.token_local = run.token_local, .token_packed = packed, .count = run.count});
    }
    packed += run.count;
  }
  return ranges;
}

std::int64_t tokens_of(const Partition& partition, const Piece& piece) {
  std::int64_t tokens = 0;
  for (const TokenRun& run : runs_in_rank(partition, piece)) {
    tokens += run.count;
  }
  return tokens;
}

std::int64_t most_tokens(Cut cut, std::int64_t tokens) {
  // At most two runs, each of which may have its middle token in this half.
  return cut == Cut::whole ? tokens : std::min(tokens, (tokens + 2) / 2);
}

AttentionProblem problem_of(const AttentionProblem& problem, const Piece& piece) {
  AttentionProblem of_piece = problem;
  of_piece.heads /= piece.head_groups;
  of_piece.kv_heads /= piece.head_groups;
  return of_piece;
}

std::vector<BlockPair> visible_block_pairs(const Partition& partition, const Piece& queries, const Piece& keys,
                                           bool is_causal) {
  return visible_block_pairs(runs_of(partition, queries), runs_of(partition, keys), is_causal);
}

std::int64_t visible_pairs_between(const Partition& partition, const Piece& queries, const Piece& keys,
                                   bool is_causal) {
  return visible_pairs(visible_block_pairs(partition, queries, keys, is_causal), is_causal);
}

}  // namespace ringworld
