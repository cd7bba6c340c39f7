#include "io/provenance.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <span>

#include "core/build_info.hpp"
#include "io/batch_job.hpp"
#include "io/hdf5/handles.hpp"
#include "io/recorded_environment.hpp"

namespace ringworld {

namespace {

/// The number of the run that is about to describe itself: 0 starts the record.
std::int64_t next_run(const RecordFile& record) {
  if (!record.has("/provenance")) {
    return 0;
  }
  std::int64_t run = 1;
  while (record.has(fmt::format("/provenance/resume_{}", run))) {
    ++run;
  }
  return run;
}

void write_build(RecordFile& record, const std::string& group) {
  const auto& build = build_info();
  record.set_attribute(group, "version", std::string(build.version));
  record.set_attribute(group, "git_revision", std::string(build.git_revision));
  record.set_attribute(group, "git_is_dirty", build.git_is_dirty);
  record.set_attribute(group, "compiler", std::string(build.compiler));
  record.set_attribute(group, "compiler_flags", std::string(build.compiler_flags));
  record.set_attribute(group, "build_type", std::string(build.build_type));
  record.set_attribute(group, "enabled_backends", std::string(build.enabled_backends));
  record.set_attribute(group, "library_versions", std::string(build.library_versions));
  record.set_attribute(group, "hdf5_runtime_version", hdf5::library_version());
}

}  // namespace

std::string utc_now() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

RunOrigin begin_provenance(RecordFile& record, const RunDescription& run) {
  const auto number = next_run(record);
  auto group = number == 0 ? std::string("/provenance") : fmt::format("/provenance/resume_{}", number);
  write_build(record, group);
  record.set_attribute(group, "argv", run.arguments);
  record.set_attribute(group, "configuration", run.configuration);
  record.set_attribute(group, "seeds", run.seeds);
  record.set_attribute(group, "utc_start", utc_now());
  record.set_attribute(group, "utc_end", std::string());
  const BatchJob job = this_batch_job();
  record.set_attribute(group, "scheduler_job", job.number);
  record.set_attribute(group, "scheduler_restarts", job.restarts);
  for (const auto& [name, value] : run.extra) {
    record.set_attribute(group, name, value);
  }
  const auto environment = group + "/environment";
  record.make_group(environment);  // there, if empty, when no variable is set
  for (const auto& [name, value] : recorded_environment()) {
    record.set_attribute(environment, name, value);
  }
  auto ranks = run.ranks;
  for (auto& rank : ranks) {
    rank.run = number;
  }
  record.append_all(std::span<const RankRow>(ranks));
  return {.number = number, .group = std::move(group)};
}

void end_provenance(RecordFile& record, const std::string& group) { record.set_attribute(group, "utc_end", utc_now()); }

}  // namespace ringworld
