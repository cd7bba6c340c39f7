#pragma once
/// @file  Parameters and their gradients, cut over the ranks of a mesh.
/// Source: Rajbhandari et al., "ZeRO", arXiv:1910.02054, stage 3, over the axes fsdp and sp as in LWM.
///
///   unit (tp-local, flat, fp32)   | q | k | v | ... | down | padding |
///   shards over fsdp x sp         |   rank 0   |   rank 1   | rank 2 |      equal lengths, cut where they happen to be
///
///   forward    gather(u) while start_gather(u + 1) is on its way
///   backward   gather(u), start_gather(u - 1); gradients into gradient(u); start_reduce_scatter(u)
///   at the end finish_gradients(): what is still on its way, then the sum over dp
///
/// On a group of one rank nothing is copied: a gathered unit is the shard itself, and so is its gradient.
///
/// Shards and units lie where the kernels of one backend compute; what is done with them is enqueued there, and
/// `gather` makes the compute stream wait, not the host. Host code reads and writes pieces through HostAccess.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/collectives.hpp"
#include "comm/mesh.hpp"
#include "device/backend.hpp"
#include "device/buffer.hpp"
#include "device/profile.hpp"
#include "kernels/tensor/tensor.hpp"
#include "model/initialization.hpp"
#include "model/parameter_layout.hpp"

namespace ringworld {

/// The part of one tensor that lies in this rank's shard. Together the pieces of all ranks of one dp coordinate hold
/// every tp-local element once; tensors whose slice is replicated are held by every tp rank.
struct ParameterPiece {
  const TensorLayout* tensor = nullptr;  ///< name, global shape, slice; lives as long as the parameters
  std::int64_t unit = 0;
  std::int64_t begin = 0;  ///< of the flat tp-local tensor
  std::int64_t end = 0;
  std::span<float> parameter;  ///< end - begin elements, in ShardedParameters::memory()
  std::span<float> gradient;   ///< the same; none where parameters are held for evaluation

  [[nodiscard]] bool is_decayed() const { return tensor->is_decayed; }
};

/// Elements of one rank's shard of a unit: an equal part of it, rounded up to whole cache lines.
[[nodiscard]] std::int64_t unit_shard_elements(std::int64_t unit_elements, std::int64_t ranks);
/// Slot of the double buffer that holds this unit. A tied embedding has a third slot, because both ends of a pass use
/// it.
inline constexpr std::size_t unit_slots = 3;
[[nodiscard]] std::size_t unit_slot(const ModelConfig& config, std::int64_t unit);

/// What parameters are held for.
enum class ParameterUse : std::uint8_t {
  training,
  evaluation,  ///< forward passes alone: there is no memory for gradients
};

class ShardedParameters {
 public:
  /// Values are 0 until `initialize` or the caller writes them. Collective over the mesh.
  /// @param backend  whose kernels will compute with them
  /// @throws Error(bad_input) as ParameterLayout and when the backend was not built, Error(out_of_memory).
  ShardedParameters(const ModelConfig& config, const Mesh& mesh, Backend backend = Backend::host,
                    ParameterUse use = ParameterUse::training);
  ShardedParameters(const ShardedParameters&) = delete;
  ShardedParameters& operator=(const ShardedParameters&) = delete;

  [[nodiscard]] const ModelConfig& config() const { return layout_.config(); }
  [[nodiscard]] const ParameterLayout& layout() const { return layout_; }
  [[nodiscard]] const Mesh& mesh() const { return mesh_; }
  /// The memory that holds the shards and units.
  [[nodiscard]] DeviceKind memory() const { return memory_; }
  /// The profile that models and optimisers of these parameters write to.
  [[nodiscard]] Profile& profile() { return profile_; }

  /// In order of units, then of tensors, then of elements.
  [[nodiscard]] const std::vector<ParameterPiece>& pieces() const { return pieces_; }
  /// All shards of this rank, padding (always 0) included; `pieces` are views into these.
  [[nodiscard]] std::span<float> shard() {
    return {parameters_.as<float>(), static_cast<std::size_t>(shard_elements_)};
  }
  [[nodiscard]] std::span<float> gradient_shard() {
    return {gradients_.as<float>(), static_cast<std::size_t>(is_trained() ? shard_elements_ : 0)};
  }

  void initialize(const InitialWeights& initial, std::uint64_t seed);
  void clear_gradients();

  /// Must be called after parameters were written, before they are gathered again (Model does, at each pass).
  void invalidate_gathered();
  /// Starts to gather the whole tp-local unit; overwrites the unit two before it. Collective over fsdp x sp.
  void start_gather(std::int64_t unit);
  /// Waits for the gather and returns the whole tp-local unit. Collective over fsdp x sp.
  [[nodiscard]] std::span<const float> gather(std::int64_t unit);
  /// Where the whole tp-local unit's gradient is added up, 0 at first where the group has several ranks.
  [[nodiscard]] std::span<float> gradient(std::int64_t unit);
  /// Starts to add the unit's gradient over fsdp x sp to the gradient shards. Collective over fsdp x sp.
  void start_reduce_scatter(std::int64_t unit);
  /// Makes progress on pending transfers; to be called between pieces of compute.
  void progress();
  /// Waits for all sums over fsdp x sp: the gradient shards are then those of this dp coordinate's batch.
  void wait_for_reduce_scatters();
  /// Adds the gradient shards up over dp. Once a step, after the last pass of gradient accumulation. Collective over
  /// dp.
  void finish_gradients();

 private:
  /// Room for one whole unit, and what is under way with it.
  struct Slot {
    Buffer memory;   // gathered parameters, or gradients
    Buffer landing;  // gradients: this rank's part of a sum over ranks
    std::int64_t unit = -1;
    PendingCollective pending;  // below the memory: a transfer must not outlive it
    bool is_reducing = false;
  };

  [[nodiscard]] std::int64_t shard_length(std::int64_t unit) const;
  [[nodiscard]] std::span<float> unit_shard(const Buffer& buffer, std::int64_t unit) const;
  [[nodiscard]] std::span<float> whole(const Slot& slot, std::int64_t unit) const;
  void make_slots();
  void list_pieces();
  void finish_reduce(Slot& slot);
  [[nodiscard]] bool is_alone() const { return group_.size() == 1; }
  [[nodiscard]] bool is_trained() const { return use_ == ParameterUse::training; }

  Mesh mesh_;
  DeviceKind memory_;
  ParameterUse use_;
  std::unique_ptr<TensorOps> tensors_;
  Profile profile_;
  Communicator group_;   // fsdp x sp: gathers
  Communicator summed_;  // the same ranks: sums of gradients, which must not queue behind gathers
  ParameterLayout layout_;
  std::vector<std::int64_t> shard_offsets_;  // of each unit, and the end
  std::int64_t shard_elements_ = 0;
  Buffer parameters_;
  Buffer gradients_;
  std::vector<ParameterPiece> pieces_;
  std::array<Slot, unit_slots> gathered_;
  std::array<Slot, unit_slots> sums_;
};

}  // namespace ringworld
