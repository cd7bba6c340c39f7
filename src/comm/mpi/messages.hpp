#pragma once
/// @file  The cut of a long block into messages that MPI can count. Included by src/comm/mpi only.

#include <algorithm>
#include <cstdint>

namespace ringworld {

/// Calls `post(offset, count)` for each message of a block of `length` elements: none when it is empty.
/// @param limit  elements of a message; at most what an int counts
template <class Post>
void for_each_message(std::int64_t length, std::int64_t limit, Post&& post) {
  for (std::int64_t offset = 0; offset < length; offset += limit) {
    post(offset, static_cast<int>(std::min(limit, length - offset)));
  }
}

}  // namespace ringworld
