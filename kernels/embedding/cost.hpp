#pragma once
/// @file  The cost of the token embedding: T tokens, C columns, e bytes of an activation. Host code cannot look at
/// tokens that lie in the memory of a device, so every token counts as one of this shard.

#include "kernels/embedding/embedding.hpp"

namespace ringworld {

/// No FLOP. Bytes: rows read and rows written, (bytes of a table element + e) T C; token ids, 4 T.
[[nodiscard]] Cost cost_of(const EmbeddingForward& pass);

/// T C FLOP. Bytes: dy once, e T C; token ids, 4 T; and each row of dtable that a token names, read and written, 8 C.
/// @param distinct_tokens  how many rows of dtable the tokens name. Where it is not known: as many as there can be,
///        which is the smaller one of T and the rows of dtable
[[nodiscard]] Cost cost_of(const EmbeddingBackward& pass, std::int64_t distinct_tokens);
[[nodiscard]] Cost cost_of(const EmbeddingBackward& pass);

}  // namespace ringworld
