#pragma once
/// @file  Brings the rows of one record into another: each point once, its latest verdict last.

#include <cstdint>
#include <filesystem>

#include "experiments/common/run_record.hpp"
#include "io/record_file.hpp"

namespace ringworld {

/// Appends the rows of `part` that `record` does not have: those of points that it lacks, and those of points that it
/// has without a valid row. Rows that belong to a row of /attention follow it. On the root, inside `RunRecord::write`.
/// @return rows appended, over all tables
std::int64_t merge_record(RunRecord& record, const RecordFile& part);

/// Whether the record at `part` holds a point whose latest row is not valid. A missing record holds none.
[[nodiscard]] bool has_failed_points(const std::filesystem::path& part);

}  // namespace ringworld
