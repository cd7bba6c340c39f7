#pragma once
/// @file  Threads inside a rank that work on one thing together: OpenMP, or one thread where it was not built.

#include <functional>

namespace ringworld {

/// A thread's place in its team.
struct TeamMember {
  int index = 0;  ///< 0 is the thread that called `run_team`: only it may call MPI
  int size = 1;
};

/// Runs `body` on `threads` threads, the calling one among them, and returns when all are done. Fewer may come when the
/// runtime's limit is lower: `body` divides its work by the size it is given.
/// @pre `body` throws only where `threads` is 1 (an exception must not leave another thread)
void run_team(int threads, const std::function<void(TeamMember)>& body);

/// Waits for the other members of a running team. Every member calls it equally often.
void team_barrier();

/// The most threads that this build can run in a team: one without OpenMP.
[[nodiscard]] int largest_team();

/// @throws Error(bad_input) when `threads` is no team that this build can run; `key` is the setting's name.
void require_team(int threads, const char* key);

}  // namespace ringworld
