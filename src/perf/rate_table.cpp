#include "perf/rate_table.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <ranges>
#include <set>
#include <span>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/text_file.hpp"

namespace ringworld {
namespace {

// --- interpolation

/// A measured rate at a place in as many dimensions as its shape has extents.
template <std::size_t N>
struct Point {
  std::array<std::int64_t, N> at{};
  MeasuredRate rate;
};

MeasuredRate between(const MeasuredRate& low, const MeasuredRate& high, double share) {
  const auto mix = [&](double a, double b) { return std::exp(std::log(a) + share * (std::log(b) - std::log(a))); };
  return {.value = mix(low.value, high.value),
          .lowest = mix(low.lowest, high.lowest),
          .highest = mix(low.highest, high.highest)};
}

/// Interpolates over dimension D, between points that were themselves interpolated over the later dimensions: a grid
/// need not be complete.
template <std::size_t D, std::size_t N>
MeasuredRate interpolate(std::span<const Point<N>> points, const std::array<std::int64_t, N>& at) {
  if constexpr (D == N) {
    return points.front().rate;
  } else {
    std::optional<std::int64_t> below;
    std::optional<std::int64_t> above;
    for (const Point<N>& point : points) {
      const std::int64_t extent = point.at[D];
      if (extent <= at[D] && (!below.has_value() || extent > *below)) {
        below = extent;
      }
      if (extent >= at[D] && (!above.has_value() || extent < *above)) {
        above = extent;
      }
    }
    const auto rate_at = [&](std::int64_t extent) {
      std::vector<Point<N>> same;
      std::ranges::copy_if(points, std::back_inserter(same),
                           [&](const Point<N>& point) { return point.at[D] == extent; });
      return interpolate<D + 1, N>(std::span<const Point<N>>(same), at);
    };
    if (!below.has_value() || !above.has_value() || *below == *above) {
      return rate_at(below.value_or(above.value_or(0)));
    }
    const auto logarithm = [](std::int64_t extent) { return std::log(static_cast<double>(extent)); };
    const double share = (logarithm(at[D]) - logarithm(*below)) / (logarithm(*above) - logarithm(*below));
    return between(rate_at(*below), rate_at(*above), share);
  }
}

/// Whether the place lies outside what was measured, in any dimension.
template <std::size_t N>
bool is_outside(std::span<const Point<N>> points, const std::array<std::int64_t, N>& at) {
  for (std::size_t dimension = 0; dimension < N; ++dimension) {
    const auto extent = [&](const Point<N>& point) { return point.at[dimension]; };
    const auto [least, most] = std::ranges::minmax(points, {}, extent);
    if (at[dimension] < extent(least) || at[dimension] > extent(most)) {
      return true;
    }
  }
  return false;
}

template <std::size_t N>
RateAt rate_at(const std::vector<Point<N>>& points, const std::array<std::int64_t, N>& at) {
  const std::span<const Point<N>> all(points);
  return {.rate = interpolate<0, N>(all, at), .is_extrapolated = is_outside<N>(all, at)};
}

// --- the file

/// One table of the file; what nobody asked for is an error.
class Entry {
 public:
  Entry(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

  [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise) {
    const toml::node* const node = get(key);
    return node == nullptr ? otherwise : value<std::string>(*node, key, "text");
  }
  [[nodiscard]] bool boolean(const std::string& key) { return value<bool>(needed(key), key, "true or false"); }
  [[nodiscard]] std::int64_t extent(const std::string& key) {
    const auto number = value<std::int64_t>(needed(key), key, "an integer");
    require_input(number > 0, fmt::format("{}: {} must be positive", where_, key));
    return number;
  }
  [[nodiscard]] double number(const std::string& key) {
    const toml::node& node = needed(key);
    const double found =
        node.is_integer() ? static_cast<double>(*node.value<std::int64_t>()) : value<double>(node, key, "a number");
    require_input(std::isfinite(found) && found >= 0, fmt::format("{}: {} must not be negative", where_, key));
    return found;
  }
  [[nodiscard]] MeasuredRate rate(const std::string& key) {
    const double found = number(key);
    MeasuredRate rate{.value = found, .lowest = found, .highest = found};
    if (table_.contains("lowest") || table_.contains("highest")) {
      rate.lowest = number("lowest");
      rate.highest = number("highest");
    }
    require_input(rate.lowest > 0 && rate.lowest <= rate.value && rate.value <= rate.highest,
                  fmt::format("{}: {} must be positive, not below lowest and not above highest", where_, key));
    return rate;
  }
  /// Which of the names the key holds.
  [[nodiscard]] std::size_t choice(const std::string& key, std::span<const std::string_view> names) {
    const auto name = value<std::string>(needed(key), key, "text");
    const auto found = std::ranges::find(names, std::string_view(name));
    require_input(found != names.end(),
                  fmt::format("{}: {} '{}' is none of {}", where_, key, name, fmt::join(names, ", ")));
    return static_cast<std::size_t>(found - names.begin());
  }
  [[nodiscard]] const toml::node* get(const std::string& key) {
    known_.insert(key);
    return table_.get(key);
  }
  void require_all_known() const {
    for (const auto& [key, node] : table_) {
      require_input(known_.contains(std::string(key.str())) || key == "lowest" || key == "highest",
                    fmt::format("{}: unknown key '{}'", where_, key.str()));
    }
  }

 private:
  [[nodiscard]] const toml::node& needed(const std::string& key) {
    const toml::node* const node = get(key);
    require_input(node != nullptr, fmt::format("{}: {} is missing", where_, key));
    return *node;
  }
  template <class T>
  [[nodiscard]] T value(const toml::node& node, const std::string& key, std::string_view kind) const {
    const auto found = node.value_exact<T>();
    require_input(found.has_value(), fmt::format("{}: {} is not {}", where_, key, kind));
    return *found;
  }

  const toml::table& table_;
  std::string where_;
  std::set<std::string> known_;
};

constexpr std::array<std::string_view, 2> pass_names{"forward", "backward"};

/// Calls `function(entry)` for each table of `[[key]]`.
template <class Function>
void for_each_table(Entry& file, std::string_view name, const std::string& key, Function&& function) {
  const toml::node* const node = file.get(key);
  if (node == nullptr) {
    return;
  }
  const toml::array* const tables = node->as_array();
  require_input(tables != nullptr && tables->is_homogeneous(toml::node_type::table),
                fmt::format("{}: {} must be written as [[{}]]", name, key, key));
  std::size_t index = 0;
  for (const toml::node& table : *tables) {
    Entry entry(*table.as_table(), fmt::format("{}: [[{}]] {}", name, key, ++index));
    function(entry);
    entry.require_all_known();
  }
}

/// Calls `function(entry)` when there is a table of this name.
template <class Function>
void with_table(Entry& file, std::string_view name, const std::string& key, Function&& function) {
  const toml::node* const node = file.get(key);
  if (node == nullptr) {
    return;
  }
  require_input(node->is_table(), fmt::format("{}: {} must be written as [{}]", name, key, key));
  Entry entry(*node->as_table(), fmt::format("{}: [{}]", name, key));
  function(entry);
  entry.require_all_known();
}

std::string rate_lines(std::string_view key, const MeasuredRate& rate) {
  return fmt::format("{} = {}\nlowest = {}\nhighest = {}\n", key, rate.value, rate.lowest, rate.highest);
}

/// A TOML string.
std::string toml_string(std::string_view text) {
  std::string result = "\"";
  for (const char character : text) {
    if (character == '"' || character == '\\') {
      result += '\\';
    }
    result += character;
  }
  return result + '"';
}

}  // namespace

RateAt RateTable::attention_rate(const AttentionShape& shape) const {
  std::vector<const Attention*> found;
  for (const Attention& measured : attention) {
    if (measured.shape.is_backward == shape.is_backward) {
      found.push_back(&measured);
    }
  }
  require_input(!found.empty(), fmt::format("no rate of attention was measured for the {} pass",
                                            pass_names[shape.is_backward ? 1 : 0]));
  bool is_other = false;
  const auto keep_nearest = [&](const auto& distance) {
    const double least = std::ranges::min(found | std::views::transform(distance));
    std::erase_if(found, [&](const Attention* measured) { return distance(measured) > least; });
    is_other = is_other || least > 0;
  };
  keep_nearest([&](const Attention* measured) {
    return std::abs(std::log(static_cast<double>(measured->shape.head_size) / static_cast<double>(shape.head_size)));
  });
  keep_nearest([&](const Attention* measured) { return measured->shape.is_causal == shape.is_causal ? 0.0 : 1.0; });
  std::vector<Point<3>> points;
  for (const Attention* measured : found) {
    points.push_back({.at = {measured->shape.heads, measured->shape.query_tokens, measured->shape.key_tokens},
                      .rate = measured->flops_per_second});
  }
  RateAt rate = rate_at<3>(points, {shape.heads, shape.query_tokens, shape.key_tokens});
  rate.is_extrapolated = rate.is_extrapolated || is_other;
  return rate;
}

RateAt RateTable::matmul_rate(const MatmulShape& shape) const {
  require_input(!matmul.empty(), "no rate of a matrix product was measured");
  std::vector<Point<3>> points;
  for (const Matmul& measured : matmul) {
    points.push_back({.at = {measured.shape.m, measured.shape.n, measured.shape.k}, .rate = measured.flops_per_second});
  }
  return rate_at<3>(points, {shape.m, shape.n, shape.k});
}

const LinkRate& RateTable::link(LinkLevel level) const {
  require_input(!links.empty(), "no link was measured");
  const auto found = std::ranges::find(links, level, &Link::level);
  return found != links.end() ? found->rate : links.front().rate;
}

std::string RateTable::to_toml() const {
  std::string text =
      fmt::format("[source]\nmachine = {}\ndtype = {}\ndate = {}\nrecord = {}\n", toml_string(source.machine),
                  toml_string(source.dtype), toml_string(source.date), toml_string(source.record));
  for (const auto& [shape, rate] : attention) {
    text += fmt::format(
        "\n[[attention]]\npass = \"{}\"\ncausal = {}\nquery_tokens = {}\nkey_tokens = {}\nhead_size = {}\nheads = {}\n",
        pass_names[shape.is_backward ? 1 : 0], shape.is_causal, shape.query_tokens, shape.key_tokens, shape.head_size,
        shape.heads);
    text += rate_lines("flops_per_second", rate);
  }
  for (const auto& [shape, rate] : matmul) {
    text += fmt::format("\n[[matmul]]\nm = {}\nn = {}\nk = {}\n", shape.m, shape.n, shape.k);
    text += rate_lines("flops_per_second", rate);
  }
  if (memory_bytes_per_second.value > 0) {
    text += "\n[memory]\n" + rate_lines("bytes_per_second", memory_bytes_per_second);
  }
  for (const auto& [level, rate] : links) {
    text += fmt::format("\n[[link]]\nlevel = \"{}\"\nlatency = {}\n", link_level_names[static_cast<std::size_t>(level)],
                        rate.latency);
    text += rate_lines("bytes_per_second", rate.bytes_per_second);
  }
  return text;
}

std::uint64_t RateTable::digest() const { return digest_of(to_toml()); }

RateTable parse_rate_table(std::string_view text, std::string_view name) {
  toml::table parsed;
  try {
    parsed = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorKind::bad_input, fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
  Entry file(parsed, std::string(name));
  RateTable table;
  with_table(file, name, "source", [&](Entry& entry) {
    table.source = {.machine = entry.text("machine", ""),
                    .dtype = entry.text("dtype", ""),
                    .date = entry.text("date", ""),
                    .record = entry.text("record", "")};
  });
  for_each_table(file, name, "attention", [&](Entry& entry) {
    table.attention.push_back({.shape = {.is_backward = entry.choice("pass", pass_names) == 1,
                                         .is_causal = entry.boolean("causal"),
                                         .query_tokens = entry.extent("query_tokens"),
                                         .key_tokens = entry.extent("key_tokens"),
                                         .head_size = entry.extent("head_size"),
                                         .heads = entry.extent("heads")},
                               .flops_per_second = entry.rate("flops_per_second")});
  });
  for_each_table(file, name, "matmul", [&](Entry& entry) {
    table.matmul.push_back({.shape = {.m = entry.extent("m"), .n = entry.extent("n"), .k = entry.extent("k")},
                            .flops_per_second = entry.rate("flops_per_second")});
  });
  with_table(file, name, "memory",
             [&](Entry& entry) { table.memory_bytes_per_second = entry.rate("bytes_per_second"); });
  for_each_table(file, name, "link", [&](Entry& entry) {
    const auto level = static_cast<LinkLevel>(entry.choice("level", link_level_names));
    require_input(std::ranges::find(table.links, level, &RateTable::Link::level) == table.links.end(),
                  fmt::format("{}: two links of one level", name));
    table.links.push_back(
        {.level = level,
         .rate = {.bytes_per_second = entry.rate("bytes_per_second"), .latency = entry.number("latency")}});
  });
  file.require_all_known();
  return table;
}

RateTable read_rate_table(const std::filesystem::path& path) {
  return parse_rate_table(read_text_file(path), path.string());
}

}  // namespace ringworld
