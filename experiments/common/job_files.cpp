#include "experiments/common/job_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <ranges>
#include <system_error>

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "experiments/common/file_agreement.hpp"
#include "io/file_digest.hpp"
#include "io/output_path.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

bool is_one_file(const fs::path& a, const fs::path& b) {
  const auto in_place_a = identity_of(a);
  const auto in_place_b = identity_of(b);
  if (in_place_a.has_value() && in_place_b.has_value()) {
    return in_place_a->device == in_place_b->device && in_place_a->inode == in_place_b->inode;
  }
  // A file that is not there yet is known by its name alone.
  std::error_code failed_a;
  std::error_code failed_b;
  const fs::path whole_a = fs::weakly_canonical(fs::absolute(follow_links(a)), failed_a);
  const fs::path whole_b = fs::weakly_canonical(fs::absolute(follow_links(b)), failed_b);
  return !failed_a && !failed_b && whole_a == whole_b;
}

void require_apart(const JobFile& output, const JobFile& other, std::string_view what) {
  require_input(
      other.path.empty() || !is_one_file(output.path, other.path),
      fmt::format("{} '{}' and {} '{}' are the same file: {}", output.flag, output.path, other.flag, other.path, what));
}

void require_all_apart(const std::vector<JobFile>& reads, const std::vector<JobFile>& writes) {
  for (std::size_t index = 0; index < writes.size(); ++index) {
    if (writes[index].path.empty()) {
      continue;
    }
    for (const JobFile& read : reads) {
      require_apart(writes[index], read, "the output would replace what is read; give it another name");
    }
    for (std::size_t other = index + 1; other < writes.size(); ++other) {
      require_apart(writes[index], writes[other], "one would replace the other; give each its own name");
    }
  }
}

}  // namespace

std::vector<JobFile> job_files(std::string_view flag, const std::vector<std::string>& paths) {
  std::vector<JobFile> files;
  for (const std::string& path : paths) {
    files.push_back({.flag = flag, .path = path});
  }
  return files;
}

JobFiles::JobFiles(const Job& job, std::vector<JobFile> reads, const std::vector<JobFile>& writes) {
  std::vector<NamedFile> contents;
  const auto add_content = [&](const JobFile& file) {
    if (!file.path.empty()) {
      contents.push_back({.name = fmt::format("file '{}' ({})", file.path, file.flag), .path = file.path});
    }
  };
  std::ranges::for_each(reads, add_content);
  std::ranges::for_each(writes | std::views::filter(&JobFile::is_read_as_well), add_content);
  require_same_files(job.world, contents);
  if (const auto config = config_path_of(job.arguments)) {
    reads.push_back({.flag = "--config", .path = *config});
  }
  std::vector<JobFile> written = writes;
  written.push_back({.flag = "--trace", .path = job.trace.path()});
  on_root(job.world, [&] {
    require_all_apart(reads, written);
    for (const JobFile& output : writes) {
      if (!output.path.empty()) {
        locks_.push_back(OutputLock::acquire(output.path));
      }
    }
  });
}

}  // namespace ringworld
