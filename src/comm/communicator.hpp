#pragma once
/// @file  A group of ranks that exchange messages. Every collective is collective over this communicator.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "comm/transport.hpp"
#include "core/error.hpp"

namespace ringworld {

enum class Reduction : std::uint8_t { sum, min, max };

/// A handle that copies share; the last one frees it.
class Communicator {
 public:
  /// What carries the messages; one class for MPI, one for ranks that are not there.
  class Impl;

  /// The null communicator, held by ranks outside a split.
  Communicator() = default;

  /// All ranks of the job. Needs an Environment.
  [[nodiscard]] static Communicator world();
  /// Rank `rank` of `size` ranks that are not there: nothing moves, and every other rank counts as having given the
  /// same values as this one. For plans of jobs larger than the one at hand. `split`, which only all ranks together
  /// could answer, throws Error(internal): `part` is the way to groups.
  [[nodiscard]] static Communicator pretended(int rank, int size);

  [[nodiscard]] bool is_null() const { return impl_ == nullptr; }
  [[nodiscard]] bool is_pretended() const;
  [[nodiscard]] int rank() const;
  [[nodiscard]] int size() const;
  [[nodiscard]] bool is_root() const { return rank() == 0; }
  /// The rank in the whole job of this communicator's `rank`: for people, who know no other.
  [[nodiscard]] int rank_in_job(int rank) const;

  /// Ranks with equal `color` form a new communicator, ordered by `key`. A negative color gets a null one.
  [[nodiscard]] Communicator split(int color, int key) const;
  /// The ranks that `members` lists, in that order; this rank is one of them. Collective: every rank names the group
  /// that it is in.
  [[nodiscard]] Communicator part(std::span<const int> members) const;
  /// The same ranks with message matching of their own.
  [[nodiscard]] Communicator duplicate() const;
  /// The ranks that share this rank's memory.
  [[nodiscard]] Communicator split_by_node() const;
  /// The same ranks, whose device memory travels as `wanted`. Splits and duplicates inherit the wish; `world` has none
  /// (automatic).
  [[nodiscard]] Communicator with_transport(Transport wanted) const;
  /// How device memory travels between these ranks; never automatic. Decided at the first call, which is collective.
  /// @throws Error(bad_input), on every rank, when the wanted transport cannot work here.
  [[nodiscard]] Transport transport() const;

  /// Barrier: blocks until every rank has called it.
  void barrier() const;
  /// A barrier that sleeps instead of spinning: for ranks that wait for others to compute on the same cores.
  void barrier_asleep() const;

  void all_reduce(std::span<double> values, Reduction reduction) const;
  void all_reduce(std::span<std::int64_t> values, Reduction reduction) const;
  [[nodiscard]] double all_reduce(double value, Reduction reduction) const {
    all_reduce(std::span(&value, 1), reduction);
    return value;
  }
  [[nodiscard]] std::int64_t all_reduce(std::int64_t value, Reduction reduction) const {
    all_reduce(std::span(&value, 1), reduction);
    return value;
  }
  /// True on every rank iff true on all.
  [[nodiscard]] bool all_agree(bool value) const {
    return all_reduce(static_cast<std::int64_t>(value), Reduction::min) == 1;
  }

  void broadcast(std::span<std::byte> bytes, int root) const;
  [[nodiscard]] std::string broadcast(std::string text, int root) const;

  /// One value of every rank, in rank order, on every rank.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  [[nodiscard]] std::vector<T> all_gather(const T& value) const {
    std::vector<T> all(static_cast<std::size_t>(size()));
    all_gather_bytes(std::as_bytes(std::span(&value, 1)), std::as_writable_bytes(std::span(all)));
    return all;
  }

  /// Blocking; any length.
  void send(std::span<const std::byte> bytes, int destination, int tag) const;
  void receive(std::span<std::byte> bytes, int source, int tag) const;

 private:
  friend struct CommunicatorAccess;
  explicit Communicator(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  void all_gather_bytes(std::span<const std::byte> mine, std::span<std::byte> all) const;

  std::shared_ptr<Impl> impl_;
};

/// Runs `action` on the root only; when it throws, every rank throws the same error, marked collective.
/// Collective over `communicator`.
void on_root(const Communicator& communicator, const std::function<void()>& action);

/// Runs `action` on every rank; when it throws anywhere, every rank throws the error of the first such rank, marked
/// collective. If `action` communicates, it must do so before anything that can fail on some ranks only.
void on_every_rank(const Communicator& communicator, const std::function<void()>& action);

}  // namespace ringworld
