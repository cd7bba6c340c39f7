#pragma once
/// @file  One wrong row of a probe's result: where it is, and what came to it that should not, or did not that should.

#include <cstdint>
#include <string>

#include "probe/groups.hpp"

namespace ringworld {

enum class ProbeTensor : std::uint8_t { out, lse, dq, dk, dv };

/// The fault that a wrong row shows for the other token.
enum class ProbeFault : std::uint8_t {
  missed,     ///< it is not in the sum
  doubled,    ///< it is there twice
  misplaced,  ///< it is there, though the query must not see it
  wrong,      ///< the numbers fit none of these
};

/// One wrong row.
struct ProbeFinding {
  std::int64_t rank = 0;  ///< that holds the row
  std::int64_t sequence = 0;
  std::int64_t token = 0;  ///< of the row: a query for out, lse and dq, a key for dk and dv
  std::int64_t head = 0;   ///< of queries, or of keys
  ProbeForm form = ProbeForm::comb;
  ProbeTensor tensor = ProbeTensor::out;
  ProbeFault fault = ProbeFault::wrong;
  std::int64_t other = -1;       ///< the key or query concerned; -1: cannot be told
  std::int64_t other_rank = -1;  ///< its origin
  std::int64_t hop = -1;         ///< hops between the two ranks, in the sense in which blocks travelled
};

/// One line of message text, of at most 160 characters.
[[nodiscard]] std::string describe(const ProbeFinding& finding);

}  // namespace ringworld
