#pragma once
/// @file  What a sweep of `ringworld attention` is asked to do.

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "experiments/common/names.hpp"
#include "experiments/common/options.hpp"
#include "experiments/common/point_data.hpp"
#include "experiments/common/repeats.hpp"
#include "experiments/common/simulation.hpp"
#include "sequence/port.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

/// The options as given; lists span the sweep.
struct SweepOptions {
  std::vector<std::int64_t> context_length{4096};
  std::vector<std::int64_t> ranks{0};  // 0: all
  std::vector<ScheduleKind> schedule{ScheduleKind::ring};
  std::vector<int> ulysses{1};
  std::vector<int> window{0};  // 0: the ranks of a node
  std::vector<int> head_groups{1};
  std::vector<bool> trim{false};
  std::vector<Layout> layout{Layout::zigzag};
  std::vector<std::int64_t> heads{8};
  std::vector<std::int64_t> kv_heads{0};  // 0: as heads
  std::vector<std::int64_t> head_size{64};
  std::vector<std::int64_t> batch{1};
  std::vector<DType> dtype{DType::float32};
  std::vector<WireDType> wire_dtype{WireDType::same};
  std::vector<bool> causal{true};
  std::vector<AttentionPass> pass{AttentionPass::forward};
  std::vector<Backend> backend{Backend::host};
  std::vector<Transport> transport{Transport::automatic};
  std::vector<RotationChoice> backward_rotation{RotationChoice::automatic};
  std::vector<InputKind> inputs{InputKind::random};
  std::vector<std::int64_t> threads{1};
  std::vector<bool> polling{true};
  bool overlap_probe = false;
  std::int64_t probe_repeats = 3;
  std::int64_t gemm_extent = 8192;
  std::int64_t warmup = 1;
  Repeats repeats;
  double repeat_seconds = 2;
  double least_seconds = 0;
  double time_limit = 0;
  std::int64_t memory_limit = 0;
  std::int64_t seed = 1;
  bool dry_run = false;
  bool predict = false;
  std::string rates;
  std::string rates_output;
  std::vector<double> link;  // bytes/s and s
  Port port = Port::rank;
  double overlap = 1;
  std::int64_t ranks_per_node = 0;  // of a dry run; 0: as the job's
  bool resume = false;
  bool retry_failed = false;
  bool csv = false;
  std::string output = "ringworld-attention.h5";
};

void declare(Options& options, SweepOptions& values);

/// One point of the sweep.
struct SweepPoint {
  std::int64_t ranks = 1;
  Transport transport = Transport::automatic;  ///< of GPUs; of other devices automatic
  InputKind inputs = InputKind::random;
  std::vector<int> nodes;                        ///< of each of its ranks (comm/nodes.hpp)
  std::shared_ptr<const Simulation> simulation;  ///< of a backend that computes nothing; else null
  SequenceAttentionOptions plan;
};

struct SweepPoints {
  std::vector<SweepPoint> points;
  std::int64_t left_out = 0;      ///< combinations of the lists that no schedule can run
  std::string first_of_left_out;  ///< why the first of them cannot
};

/// The product of the lists, in the order of running: ring sizes innermost, so that what is compared runs close in
/// time. Points that differ only in what does not concern them (rotation, in a forward pass) appear once.
/// Left out is what a schedule cannot run, such as head groups of a ring, as long as every value of every list is in
/// some point; a window of 0 has become the ranks of a node.
/// @param nodes  of each rank of the job
/// @throws Error(bad_input) naming the flag whose value cannot be run, before anything runs.
[[nodiscard]] SweepPoints make_points(const SweepOptions& values, const std::vector<int>& nodes);

/// The devices with memory of their own on which backends of the sweep run.
[[nodiscard]] std::set<DeviceKind> devices_of(const SweepOptions& values);

}  // namespace ringworld
