#include "comm/agreement.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <vector>

namespace ringworld {
namespace {

struct Failure {
  std::int64_t has_failed = 0;
  std::int64_t kind = 0;
};

/// Throws what rank `root` met, on every rank.
void rethrow_from(const Communicator& communicator, int root, const Failure& failure, const std::string& message) {
  const std::string text = communicator.broadcast(message, root);
  throw Error(static_cast<ErrorKind>(failure.kind), text).as_collective();
}

Failure attempt(const std::function<void()>& action, std::string& message) {
  try {
    action();
  } catch (const Error& error) {
    message = error.what();
    return {.has_failed = 1, .kind = static_cast<std::int64_t>(error.kind())};
  } catch (const std::filesystem::filesystem_error& error) {
    // A name that is too long, a link that leads to itself, a folder that may not be looked into: what the user can mend.
    message = fmt::format("'{}': {}", error.path1().string(), error.code().message());
    return {.has_failed = 1, .kind = static_cast<std::int64_t>(ErrorKind::bad_input)};
  } catch (const std::exception& error) {
    message = error.what();
    return {.has_failed = 1, .kind = static_cast<std::int64_t>(ErrorKind::internal)};
  }
  return {};
}

/// "rank 1 has" or "ranks 1, 2, 3 and 12 more have".
std::string name_ranks(const std::vector<int>& ranks) {
  constexpr std::size_t most = 8;
  const std::size_t shown = std::min(ranks.size(), most);
  const std::string list = fmt::format("{}", fmt::join(ranks.begin(), ranks.begin() + static_cast<int>(shown), ", "));
  if (ranks.size() == 1) {
    return fmt::format("rank {} differs", list);
  }
  return ranks.size() > shown ? fmt::format("ranks {} and {} more differ", list, ranks.size() - shown)
                              : fmt::format("ranks {} differ", list);
}

std::string name_host_and_folder() {
  std::array<char, 256> host{};
  static_cast<void>(::gethostname(host.data(), host.size() - 1));
  std::error_code failed;
  const auto folder = std::filesystem::current_path(failed);
  return fmt::format("{}:{}", host.data(), failed ? "?" : folder.string());
}

}  // namespace

void require_agreement(const Communicator& communicator, std::span<const RankFact> facts) {
  if (communicator.size() == 1) {
    return;
  }
  const std::vector<std::size_t> counts = communicator.all_gather(facts.size());
  const auto odd = std::ranges::find_if(counts, [&](std::size_t count) { return count != counts.front(); });
  if (odd != counts.end()) {
    throw Error(ErrorKind::bad_input, fmt::format("rank {} was told other things than rank 0", odd - counts.begin()))
        .as_collective();
  }
  for (const RankFact& fact : facts) {
    const std::vector<std::uint64_t> digests = communicator.all_gather(fact.digest);
    std::vector<int> others;
    for (std::size_t rank = 1; rank < digests.size(); ++rank) {
      if (digests[rank] != digests.front()) {
        others.push_back(static_cast<int>(rank));
      }
    }
    if (others.empty()) {
      continue;
    }
    const std::string place = name_host_and_folder();
    const std::string name = communicator.broadcast(fact.name, 0);
    const std::string of_root = communicator.broadcast(fact.description, 0);
    const std::string of_other = communicator.broadcast(fact.description, others.front());
    const std::string place_of_root = communicator.broadcast(place, 0);
    const std::string place_of_other = communicator.broadcast(place, others.front());
    throw Error(
        ErrorKind::bad_input,
        fmt::format("{} from rank 0 in {}: {} on rank 0 (in {}), {} on rank {} (in {}); give all ranks the same",
                    name_ranks(others), name, of_root, place_of_root, of_other, others.front(), place_of_other))
        .as_collective();
  }
}

void on_root(const Communicator& communicator, const std::function<void()>& action) {
  std::string message;
  Failure failure;
  if (communicator.is_root()) {
    failure = attempt(action, message);
  }
  communicator.broadcast(std::as_writable_bytes(std::span(&failure, 1)), 0);
  if (failure.has_failed != 0) {
    rethrow_from(communicator, 0, failure, message);
  }
}

void on_every_rank(const Communicator& communicator, const std::function<void()>& action) {
  std::string message;
  const Failure mine = attempt(action, message);
  const std::vector<Failure> all = communicator.all_gather(mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].has_failed != 0) {
      rethrow_from(communicator, static_cast<int>(rank), all[rank], message);
    }
  }
}

}  // namespace ringworld
