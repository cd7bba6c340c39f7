#pragma once
/// @file  How one pass of attention is run: whole, or one of its halves alone, and with or without times.

#include <cstdint>
#include <vector>

namespace ringworld {

/// The mode of a pass; the last two modes measure compute and communication alone.
enum class PassMode : std::uint8_t {
  compute_and_transfer,
  compute_only,   ///< the same work on the present content of the buffers, without messages
  transfer_only,  ///< the same messages, no work
};

struct PassOptions {
  PassMode mode = PassMode::compute_and_transfer;
  /// When set, the seconds of each step are appended, and with gradients those of the last transfer home; on a GPU by
  /// events of its compute stream, which the call then waits for. Without gradients ranks start every step together, so
  /// that each transfer is measured alone; a transfer of gradients spans two steps, which a barrier between them would
  /// drive for nothing.
  std::vector<double>* step_seconds = nullptr;
};

}  // namespace ringworld
