#pragma once
/// @file  The files that a verb reads and writes, declared before it opens any of them.

#include <string>
#include <string_view>
#include <vector>

#include "experiments/common/job.hpp"
#include "io/output_lock.hpp"

namespace ringworld {

/// A path, and the flag or key that gave it.
struct JobFile {
  std::string_view flag;
  std::string path;              ///< empty: not given
  bool is_read_as_well = false;  ///< of an output: all ranks go on from what it holds
};

/// One for each path of a flag that takes a list.
[[nodiscard]] std::vector<JobFile> job_files(std::string_view flag, const std::vector<std::string>& paths);

/// Declares a verb's files: every rank must read the same content, every name must be a file of its own, and no other
/// job may write an output as long as this lives.
class JobFiles {
 public:
  /// The file of --config counts as read. A file that no rank has is left to the code that reads it, whose message says
  /// more. Contents are compared by digest_of_file. Collective over the job.
  /// @throws Error(bad_input, collective) naming the file, its flag and the ranks whose file differs; the two flags
  /// whose paths lead to one file, by a link as well; or who else writes an output.
  JobFiles(const Job& job, std::vector<JobFile> reads, const std::vector<JobFile>& writes);

 private:
  std::vector<OutputLock> locks_;  // on the root
};

}  // namespace ringworld
