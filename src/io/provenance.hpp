#pragma once
/// @file  Where a record comes from: build, configuration, command line, machine and times, in `/provenance`.
///
/// Everything but the ranks is an attribute, so that `dict(file["provenance"].attrs)` shows it in h5py. The run that
/// starts a record describes itself in `/provenance`, the n-th run that resumes it in `/provenance/resume_<n>`: rows
/// made by different builds stay told apart.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/attribute.hpp"
#include "io/rank_row.hpp"
#include "io/record_file.hpp"

namespace ringworld {

/// Description of a run.
struct RunDescription {
  std::vector<std::string> arguments;  ///< argv, the program first
  std::string configuration;           ///< text of the configuration in force, defaults included
  std::vector<std::int64_t> seeds;
  std::vector<RankRow> ranks;                                 ///< one a rank; `run` is filled in here
  std::vector<std::pair<std::string, AttributeValue>> extra;  ///< further attributes, such as the MPI library's version
};

/// Which run of a record this is.
struct RunOrigin {
  std::int64_t number = 0;  ///< 0 for the run that started the record, n for the n-th that resumed it
  std::string group;        ///< that describes it
};

/// Writes a run's provenance, its start time and environment included. `utc_end` stays empty until `end_provenance`: an
/// empty one marks a run that was cut short. Does not commit.
[[nodiscard]] RunOrigin begin_provenance(RecordFile& record, const RunDescription& run);

/// Sets `utc_end` of the group of a run. Does not commit.
void end_provenance(RecordFile& record, const std::string& group);

/// The time now as ISO 8601 in UTC, to the second: "2024-05-01T12:00:00Z".
[[nodiscard]] std::string utc_now();

}  // namespace ringworld
