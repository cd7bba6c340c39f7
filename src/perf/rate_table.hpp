#pragma once
/// @file  Measured rates of a device and of its links: what predictions and simulated kernels take their times from.
///
/// The file, in TOML; every rate may have the lowest and the highest that was measured beside it:
///
///   [source]                       machine, dtype, date, record: text, shown with everything that is predicted
///   [[attention]]                  one call of the block kernel
///   pass = "forward"               or "backward"
///   causal = true                  whether the block is cut by its diagonal; false: every pair is visible
///   query_tokens = 1024
///   key_tokens = 1024
///   head_size = 64
///   heads = 8                      query heads of all sequences of the call (B H)
///   flops_per_second = 1.1e11      of visible pairs (kernels/attention/cost.hpp)
///   lowest = 1.0e11
///   highest = 1.2e11
///   [[matmul]]                     m, n, k, flops_per_second
///   [memory]                       bytes_per_second of kernels that move more than they compute
///   [[link]]                       level = "node" or "network"; bytes_per_second of one rank each way, latency in s
///
/// Between measured extents rates are interpolated, linear in the logarithms of extent and rate: a rate that grows as a
/// power of the extent is met exactly. Outside them the nearest one is used, and marked as extrapolated.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// A figure, and the smallest and largest that were measured.
struct MeasuredRate {
  double value = 0;
  double lowest = 0;
  double highest = 0;
};

/// A rate for a shape that need not have been measured.
struct RateAt {
  MeasuredRate rate;
  bool is_extrapolated = false;
};

/// The shape of one call of the block kernel.
struct AttentionShape {
  bool is_backward = false;
  bool is_causal = false;  ///< whether the diagonal cuts the block
  std::int64_t query_tokens = 0;
  std::int64_t key_tokens = 0;
  std::int64_t head_size = 0;
  std::int64_t heads = 0;  ///< of all sequences of the call
};

/// The shape of a matrix product (m, n) = (m, k) (k, n).
struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
};

/// Where the two ends of a transfer are.
enum class LinkLevel : std::uint8_t {
  node,     ///< both on one node
  network,  ///< on two
};
inline constexpr std::array<std::string_view, 2> link_level_names{"node", "network"};

/// seconds = latency + bytes / bandwidth
struct LinkRate {
  MeasuredRate bytes_per_second;  ///< of one rank each way
  double latency = 0;             ///< s

  [[nodiscard]] double seconds(double bytes) const { return latency + bytes / bytes_per_second.value; }
};

class RateTable {
 public:
  struct Source {
    std::string machine;
    std::string dtype;
    std::string date;
    std::string record;  ///< where the rates were taken from
  };
  struct Attention {
    AttentionShape shape;
    MeasuredRate flops_per_second;
  };
  struct Matmul {
    MatmulShape shape;
    MeasuredRate flops_per_second;
  };
  struct Link {
    LinkLevel level = LinkLevel::node;
    LinkRate rate;
  };

  Source source;
  std::vector<Attention> attention;
  std::vector<Matmul> matmul;
  MeasuredRate memory_bytes_per_second;  ///< 0: not measured
  std::vector<Link> links;               ///< at most one a level

  /// FLOP/s of visible pairs. Of rates with another head size, or of blocks with or without a diagonal alone, the
  /// nearest are used and marked.
  /// @throws Error(bad_input) when no rate of the pass was measured
  [[nodiscard]] RateAt attention_rate(const AttentionShape& shape) const;
  /// @throws Error(bad_input) when no product was measured
  [[nodiscard]] RateAt matmul_rate(const MatmulShape& shape) const;
  /// That of the level; where it is missing, of the other one.
  /// @throws Error(bad_input) when there is none
  [[nodiscard]] const LinkRate& link(LinkLevel level) const;

  /// The table in the form of its file.
  [[nodiscard]] std::string to_toml() const;
  /// Differs between tables with different content, however their files are laid out.
  [[nodiscard]] std::uint64_t digest() const;
};

/// @param name  what messages call the text
/// @throws Error(bad_input) naming the text, and the table and key that are missing, unknown or not positive
[[nodiscard]] RateTable parse_rate_table(std::string_view text, std::string_view name);
/// @throws Error(bad_input) the same, and when there is no such file
[[nodiscard]] RateTable read_rate_table(const std::filesystem::path& path);

}  // namespace ringworld
