#include "experiments/attention/official_submission.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "core/build_info.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "experiments/common/binding_report.hpp"
#include "io/provenance.hpp"

namespace ringworld {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view submission_name = "ringworld official";

std::string digest_of_submission(const Json& submission) {
  return fmt::format("{:016x}", digest_of(submission.dump(-1, ' ', false, Json::error_handler_t::replace)));
}

Json problem_of(const AttentionRow& row) {
  return {{"context_length", row.context_length},
          {"batch", row.batch},
          {"heads", row.heads},
          {"kv_heads", row.kv_heads},
          {"head_size", row.head_size},
          {"dtype", row.dtype.view()},
          {"wire_dtype", row.wire_dtype.view()},
          {"causal", row.causal},
          {"pass", row.pass.view()},
          {"seed", row.seed},
          {"flop", row.flop_causal}};
}

Json machine_of(const Submission& submission) {
  const RankRow& first = submission.ranks.front();
  std::set<std::string_view> nodes;
  for (const RankRow& rank : submission.ranks) {
    nodes.insert(rank.host.view());
  }
  const BuildInfo& build = build_info();
  return {{"nodes", nodes.size()},
          {"ranks", submission.ranks.size()},
          {"threads", submission.row.threads},
          {"cpu", first.cpu.view()},
          {"isa", first.isa.view()},
          {"packages", first.packages},
          {"cores", first.cores},
          {"numa_nodes", first.numa_nodes},
          {"caches", first.caches.view()},
          {"device", first.device.view()},
          {"network", first.network.view()},
          {"mpi_library", submission.mpi_library},
          {"version", build.version},
          {"git_revision", build.git_revision},
          {"git_is_dirty", build.git_is_dirty},
          {"compiler", build.compiler},
          {"compiler_flags", build.compiler_flags},
          {"library_versions", build.library_versions}};
}

Json binding_of(std::span<const RankRow> ranks) {
  Json rows = Json::array();
  for (const RankRow& rank : ranks) {
    rows.push_back({{"rank", rank.rank},
                    {"node", rank.host.view()},
                    {"cpus", rank.binding.view()},
                    {"cores", rank.core_binding.view()},
                    {"numa", rank.numa_binding.view()},
                    {"device", rank.device.view()}});
  }
  return {{"summary", describe_binding(ranks)}, {"warnings", binding_warnings(ranks)}, {"ranks", rows}};
}

}  // namespace

std::string fault_of(const Submission& submission) {
  const AttentionRow& row = submission.row;
  if (!row.valid) {
    return std::string(row.reason.view());
  }
  if (row.probe_rows == 0 || row.probe_wrong_rows > 0) {
    return fmt::format("the retrieval probe found {} of {} rows exact", row.probe_rows - row.probe_wrong_rows,
                       row.probe_rows);
  }
  if (row.simulated) {
    return "the times are simulated";
  }
  if (submission.measured_seconds < submission.least_seconds) {
    return fmt::format("{:.3g} s were measured, {:g} s are asked for", submission.measured_seconds,
                       submission.least_seconds);
  }
  return {};
}

double rating_of(const AttentionRow& row) { return row.step_time > 0 ? row.flop_causal / row.step_time : 0; }

std::string to_json(const Submission& submission) {
  const AttentionRow& row = submission.row;
  const std::string fault = fault_of(submission);
  Json json{{"benchmark", submission_name},
            {"format", 1},
            {"size", submission.size},
            {"utc", utc_now()},
            {"valid", fault.empty()},
            {"fault", fault},
            {"rating",
             {{"value", rating_of(row)},
              {"unit", "FLOP/s"},
              {"tokens_per_second", row.tokens_per_second},
              {"seconds", row.step_time},
              {"seconds_min", row.step_time_min},
              {"seconds_max", row.step_time_max},
              {"repeats", row.repeats_done},
              {"noisy", row.noisy},
              {"measured_seconds", submission.measured_seconds},
              {"share_of_measured_peak", row.mfu_measured_peak},
              {"joules", row.energy > 0 ? Json(row.energy) : Json("not available")}}},
            {"problem", problem_of(row)},
            {"chosen",
             {{"schedule", row.schedule.view()},
              {"ulysses", row.ulysses},
              {"window", row.window},
              {"layout", row.layout.view()},
              {"backend", row.backend.view()},
              {"transport", row.transport.view()}}},
            {"probe", {{"rows", row.probe_rows}, {"wrong_rows", row.probe_wrong_rows}}},
            {"error", row.error},
            {"machine", machine_of(submission)},
            {"binding", binding_of(submission.ranks)}};
  json["digest"] = digest_of_submission(json);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool has_right_digest(const std::string& text, const std::string& name) {
  Json json = Json::parse(text, nullptr, false);
  require_input(json.is_object() && json.value("benchmark", "") == submission_name && json.contains("digest") &&
                    json["digest"].is_string(),
                fmt::format("'{}' is no submission of {}: expected its JSON with a digest", name, submission_name));
  const auto digest = json["digest"].get<std::string>();
  json.erase("digest");
  return digest == digest_of_submission(json);
}

}  // namespace ringworld
