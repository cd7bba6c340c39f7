#include "core/topology.hpp"

#include <fmt/format.h>
#include <hwloc.h>

#include <algorithm>
#include <memory>

namespace ringworld {

namespace {

struct TopologyEnd {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using TopologyHandle = std::unique_ptr<hwloc_topology, TopologyEnd>;

struct BitmapEnd {
  void operator()(hwloc_bitmap_s* bitmap) const { hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<hwloc_bitmap_s, BitmapEnd>;

/// Read once: a node does not change. Null when it cannot be read.
hwloc_topology* topology() {
  static const TopologyHandle handle = [] {
    hwloc_topology* made = nullptr;
    if (hwloc_topology_init(&made) != 0) {
      return TopologyHandle();
    }
    TopologyHandle loaded(made);
    // CPUs reserved for other jobs count as part of the node.
    const bool is_read =
        hwloc_topology_set_flags(made, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) == 0 && hwloc_topology_load(made) == 0;
    return is_read ? std::move(loaded) : TopologyHandle();
  }();
  return handle.get();
}

std::int64_t count_of(hwloc_obj_type_t type) { return std::max(hwloc_get_nbobjs_by_type(topology(), type), 0); }

std::string size_text(hwloc_uint64_t bytes) {
  constexpr hwloc_uint64_t kib = 1024;
  constexpr hwloc_uint64_t mib = kib * kib;
  return bytes >= mib && bytes % mib == 0 ? fmt::format("{} MiB", bytes / mib) : fmt::format("{} KiB", bytes / kib);
}

/// The caches above the first core's hardware thread; instruction caches are left out.
std::string caches_of_a_core() {
  std::string text;
  const hwloc_obj_t thread = hwloc_get_obj_by_type(topology(), HWLOC_OBJ_PU, 0);
  for (hwloc_obj_t object = thread; object != nullptr; object = object->parent) {
    if (hwloc_obj_type_is_dcache(object->type) == 0) {
      continue;
    }
    const int cores = hwloc_get_nbobjs_inside_cpuset_by_type(topology(), object->cpuset, HWLOC_OBJ_CORE);
    text += fmt::format("{}L{}{} {}{}", text.empty() ? "" : ", ", object->attr->cache.depth,
                        object->attr->cache.type == HWLOC_OBJ_CACHE_DATA ? "d" : "",
                        size_text(object->attr->cache.size), cores > 1 ? fmt::format(" of {} cores", cores) : "");
  }
  return text;
}

/// The CPUs on which this thread may run; null if unknown.
Bitmap binding() {
  Bitmap cpus(hwloc_bitmap_alloc());
  const bool is_known =
      topology() != nullptr && cpus != nullptr && hwloc_get_cpubind(topology(), cpus.get(), HWLOC_CPUBIND_THREAD) == 0;
  return is_known ? std::move(cpus) : Bitmap();
}

std::vector<int> numbers_in(const Bitmap& bitmap) {
  std::vector<int> numbers;
  if (bitmap != nullptr && hwloc_bitmap_weight(bitmap.get()) >= 0) {  // an endless set says nothing
    for (int number = hwloc_bitmap_first(bitmap.get()); number >= 0; number = hwloc_bitmap_next(bitmap.get(), number)) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

}  // namespace

NodeTopology node_topology() {
  if (topology() == nullptr) {
    return {};
  }
  return {.packages = count_of(HWLOC_OBJ_PACKAGE),
          .cores = count_of(HWLOC_OBJ_CORE),
          .numa_nodes = count_of(HWLOC_OBJ_NUMANODE),
          .caches = caches_of_a_core()};
}

std::vector<int> allowed_cpus() { return numbers_in(binding()); }

std::vector<int> allowed_cores() {
  const Bitmap cpus = binding();
  std::vector<int> cores;
  for (int index = 0; cpus != nullptr && index < count_of(HWLOC_OBJ_CORE); ++index) {
    const hwloc_obj_t core = hwloc_get_obj_by_type(topology(), HWLOC_OBJ_CORE, static_cast<unsigned>(index));
    if (hwloc_bitmap_intersects(core->cpuset, cpus.get()) != 0) {
      cores.push_back(index);
    }
  }
  return cores;
}

std::vector<int> allowed_numa_nodes() {
  const Bitmap cpus = binding();
  Bitmap nodes(hwloc_bitmap_alloc());
  if (cpus == nullptr || nodes == nullptr || hwloc_cpuset_to_nodeset(topology(), cpus.get(), nodes.get()) != 0) {
    return {};
  }
  return numbers_in(nodes);
}

}  // namespace ringworld
