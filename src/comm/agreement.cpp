#include "comm/communicator.hpp"

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
  } catch (const std::exception& error) {
    message = error.what();
    return {.has_failed = 1, .kind = static_cast<std::int64_t>(ErrorKind::internal)};
  }
  return {};
}

}  // namespace

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
