/// @file  `ringworld info`: the build, and the measured peaks of this machine.

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "comm/device_choice.hpp"
#include "comm/environment.hpp"
#include "comm/stop_agreement.hpp"
#include "core/build_info.hpp"
#include "core/isa.hpp"
#include "device/device.hpp"
#include "experiments/common/gemm_peak.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/ring_link.hpp"
#include "experiments/common/run_flags.hpp"
#include "experiments/info/gpu_info.hpp"
#include "experiments/info/links.hpp"
#include "experiments/record_tables.hpp"
#include "io/console_table.hpp"
#include "io/rank_row.hpp"
#include "io/schema.hpp"
#include "kernels/attention/attention.hpp"
#include "perf/peak.hpp"

namespace ringworld {

enum class SchemaFormat : std::uint8_t { none, markdown, json };
template <>
struct Enumerators<SchemaFormat> {
  static constexpr std::string_view what = "format";
  static constexpr std::array<std::string_view, 3> names{"none", "markdown", "json"};
};

namespace {

struct InfoOptions {
  SchemaFormat schema = SchemaFormat::none;
  Backend backend = Backend::host;
  Transport transport = Transport::automatic;
  double seconds = 0.5;
  std::int64_t gemm_extent = 0;  // 0: by the backend
  std::int64_t hop_bytes = std::int64_t{32} << 20;
  std::int64_t triad_bytes = std::int64_t{128} << 20;
  bool links = false;
  std::int64_t links_max_bytes = std::int64_t{1} << 30;
  std::int64_t links_repeats = 20;
  std::string output = "links.h5";
  bool resume = false;
};

std::string schema_page() {
  std::string page =
      "# Record schema\n\n"
      "One HDF5 file a run. Every table is a compound dataset; its attributes `columns`, `roles`, `units` and "
      "`meanings` "
      "say the same as\nthis page, which `ringworld info --schema` prints from the row types (`--schema json`: the "
      "same for programs). An array is a dataset of\nplain numbers that rows of its table point into. Provenance is in "
      "the attributes of `/provenance`.\n\n"
      "Roles: `key` columns say which point a row is of, and rows that agree in all of them measured the same; "
      "`measure` "
      "was measured;\n`model` follows from the keys by a formula; `verdict` says whether to believe the row; `origin` "
      "where it comes from.\n";
  for (const TableSchema& table : record_schemas()) {
    page += '\n';
    page += schema_section(table);
  }
  return page;
}

constexpr std::string_view nothing_shown = "the peaks are not shown, for not all were measured";

/// "yes", or why a backend cannot be used here.
std::string availability(Backend backend) {
  try {
    const auto kernel = make_block_attention(backend, {.head_size = compiled_head_sizes.front()});
    return "yes";
  } catch (const Error& error) {
    return error.what();
  }
}

void print_build() {
  const BuildInfo& build = build_info();
  fmt::print("Build\n");
  fmt::print("  version     {} ({}{})\n", build.version, build.git_revision, build.git_is_dirty ? ", changed" : "");
  fmt::print("  compiler    {}, {}: {}\n", build.compiler, build.build_type, build.compiler_flags);
  fmt::print("  libraries   {}\n", build.library_versions);
  fmt::print("  MPI         {}\n", Environment::library_version());
  fmt::print("Backends\n");
  for (const Backend backend : all_backends) {
    fmt::print("  {:<10}  {}\n", name_of(backend), availability(backend));
  }
}

/// The host, and GPUs that can be described.
bool is_measured(Backend backend) {
  return traits_of(backend).is_tuned && (device_of(backend) == DeviceKind::host || is_gpu(device_of(backend)));
}

/// Their names, for people.
std::string measured_backends() {
  std::string names;
  for (const Backend backend : all_backends) {
    if (is_measured(backend)) {
      names += (names.empty() ? "" : " and ") + std::string(name_of(backend));
    }
  }
  return names;
}

}  // namespace

int run_info(const Job& job) {
  InfoOptions values;
  Options options("info", "Shows the build, its backends, the ranks' devices and measured peaks.");
  options.add_with_bare("schema", values.schema, SchemaFormat::markdown,
                        "print the record schema and nothing else, as Markdown unless it says json");
  options.add("backend", values.backend, "", fmt::format("whose device to measure: {}", measured_backends()));
  declare(options, RunFlag::transport, values.transport);
  options.add("seconds", values.seconds, "s", "how long to measure each peak");
  options.add("gemm-extent", values.gemm_extent, "",
              "rows, columns and depth of the matrix product; 0 = 1024 on the host, 8192 on GPUs");
  options.add("hop-bytes", values.hop_bytes, "B", "size of a hop for the ring's bandwidth");
  options.add("triad-bytes", values.triad_bytes, "B",
              "size of each of the three arrays of the memory triad, of the two of a GPU's copy");
  options.add("links", values.links, "",
              "measure every kind of transfer between the ranks instead, at lengths from 8 B on, and record them");
  options.add("links-max-bytes", values.links_max_bytes, "B",
              "the longest transfer, as far as a quarter of the free memory holds it");
  options.add("links-repeats", values.links_repeats, "", "measurements a length; 5 where they take longer than 2 s");
  declare(options, RunFlag::output, values.output);
  declare(options, RunFlag::resume, values.resume);
  if (!parse_options(job, options)) {
    return 0;
  }
  Backend backend = Backend::host;
  Transport wanted = Transport::automatic;
  on_every_rank(job.world, [&] {
    require_input(values.seconds > 0, "--seconds must be positive");
    require_input(values.gemm_extent >= 0, "--gemm-extent must be positive, or 0 for the backend's own");
    backend = values.backend;
    require_input(values.links || is_measured(backend),
                  fmt::format("--backend {}: only {} are measured", name_of(backend), measured_backends()));
    wanted = values.transport;
    require_input(values.hop_bytes > 0 && values.triad_bytes >= 1024,
                  "--hop-bytes must be positive and --triad-bytes at least 1K");
  });
  if (values.schema != SchemaFormat::none) {
    if (job.world.is_root()) {
      fmt::print("{}", values.schema == SchemaFormat::json ? schema_json(record_schemas()) : schema_page());
    }
    return 0;
  }

  if (values.links) {
    take_device(job.world, device_of(backend));
    return measure_links(job, {.backend = backend,
                               .transport = wanted,
                               .max_bytes = values.links_max_bytes,
                               .repeats = values.links_repeats,
                               .output = values.output,
                               .is_resumed = values.resume,
                               .configuration = options.to_toml()});
  }
  if (values.gemm_extent == 0) {
    values.gemm_extent = is_gpu(device_of(backend)) ? 8192 : 1024;
  }
  take_device(job.world, device_of(backend));
  RankRow mine;
  on_every_rank(job.world, [&] { mine = describe_this_process(job.world.rank()); });
  if (is_gpu(device_of(backend))) {
    const Communicator world = job.world.with_transport(wanted);
    static_cast<void>(world.transport());  // one that cannot be had ends the job before anything is printed
    if (world.is_root()) {
      print_build();
    }
    const bool is_whole = show_gpus(world, mine,
                                    {.backend = backend,
                                     .seconds = values.seconds,
                                     .gemm_extent = values.gemm_extent,
                                     .copy_bytes = values.triad_bytes,
                                     .hop_bytes = values.hop_bytes});
    return is_whole ? 0 : stopped_early(job, std::string(nothing_shown));
  }
  const std::vector<RankRow> ranks = job.world.all_gather(mine);
  // A failed allocation on one rank ends the job with one message. After a signal nothing more is measured.
  bool is_stopped = false;
  const auto sum_of = [&](auto&& measure) {
    double mine_alone = 0;
    is_stopped = is_stopped || is_stop_wanted(job.world);
    if (is_stopped) {
      return mine_alone;
    }
    job.world.barrier();
    on_every_rank(job.world, [&] { mine_alone = measure(); });
    return job.world.all_reduce(mine_alone, Reduction::sum);
  };
  constexpr std::array dtypes{DType::float32, DType::bfloat16};
  std::array<double, dtypes.size()> fma{};
  std::array<double, dtypes.size()> gemm{};
  for (std::size_t index = 0; index < dtypes.size(); ++index) {
    const DType dtype = dtypes[index];
    fma[index] = sum_of([&] { return measure_fma_peak(selected_isa(), dtype, values.seconds); });
    gemm[index] = sum_of([&] { return measure_gemm_peak(Backend::host, dtype, values.gemm_extent, values.seconds); });
  }
  const double triad = sum_of([&] { return measure_triad(values.triad_bytes, values.seconds); });
  if (is_stopped || is_stop_wanted(job.world)) {
    return stopped_early(job, std::string(nothing_shown));
  }
  const RingLink link = measure_ring_link(Ring(job.world), values.hop_bytes, DeviceKind::host);
  if (!job.world.is_root()) {
    return 0;
  }

  print_build();
  constexpr std::array<std::string_view, 5> columns{"rank", "host", "cpu", "isa", "binding"};
  fmt::print("Ranks\n{}", console_table(std::span<const RankRow>(ranks), columns));
  const auto count = static_cast<double>(job.world.size());
  fmt::print("Measured peaks, a rank, all {} ranks at work\n", job.world.size());
  for (std::size_t index = 0; index < dtypes.size(); ++index) {
    const std::string_view dtype = dtypes[index] == DType::float32 ? "fp32" : "bf16";
    const bool is_paired = dtypes[index] == DType::bfloat16 && has_bf16_dot_product();
    const double nominal = nominal_fma_peak(selected_isa(), dtypes[index]);
    fmt::print("  {} FMA    {}FLOP/s ({}{}){}\n", dtype, with_si_prefix(fma[index] / count), name_of(selected_isa()),
               is_paired ? ", dot products of pairs" : "",
               nominal > 0 ? fmt::format(", nominal {}FLOP/s", with_si_prefix(nominal)) : "");
    fmt::print("  {} GEMM   {}FLOP/s ({}^3)\n", dtype, with_si_prefix(gemm[index] / count), values.gemm_extent);
  }
  fmt::print("  memory      {}B/s (triad, 3 x {}B)\n", with_si_prefix(triad / count),
             with_si_prefix(static_cast<double>(values.triad_bytes)));
  if (job.world.size() > 1) {
    fmt::print("  ring        {}B/s each way, {}s a hop (hops of {}B and of 1 B)\n",
               with_si_prefix(link.bytes_per_second), with_si_prefix(link.latency_seconds),
               with_si_prefix(static_cast<double>(values.hop_bytes)));
  } else {
    fmt::print("  ring        run under mpirun -n 2 or more to measure it\n");
  }
  return 0;
}

}  // namespace ringworld
