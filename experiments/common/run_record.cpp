#include "experiments/common/run_record.hpp"

#include <fmt/format.h>

#include <exception>

#include "comm/environment.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/simulated_ranks.hpp"
#include "experiments/common/binding_report.hpp"
#include "io/pending_file.hpp"
#include "io/provenance.hpp"

namespace ringworld {

RunRecord::RunRecord(const Job& job, RunRecordOptions options) : world_(job.world), options_(std::move(options)) {
  RankRow mine;
  on_every_rank(world_, [&] {
    mine = describe_this_process(world_.rank());
    mine.device = std::string_view(options_.device);
  });
  const RunDescription run{.arguments = job.command_line,
                           .configuration = options_.configuration,
                           .seeds = options_.seeds,
                           .ranks = world_.all_gather(mine),
                           .extra = {{"mpi_library", Environment::library_version()}}};
  on_root(world_, [&] {
    const bool goes_on = options_.is_resumed && std::filesystem::exists(options_.output);
    file_ = goes_on ? RecordFile::resume(options_.output) : RecordFile::create(options_.output);
    if (file_->backup().has_value()) {
      log_info(fmt::format("{} existed and is now {}", options_.output.string(), file_->backup()->string()));
    }
    if (!options_.is_resumed && !options_.checkpoint.empty()) {
      if (const auto kept = back_up_file(options_.checkpoint)) {
        log_info(fmt::format("{} existed and is now {}", options_.checkpoint, kept->string()));
      }
    }
    const RunOrigin origin = begin_provenance(*file_, run);
    run_ = origin.number;
    group_ = origin.group;
    commit_on_root();
    if (!are_ranks_simulated()) {
      report_binding(run.ranks);
    }
  });
  world_.broadcast(std::as_writable_bytes(std::span(&run_, 1)), 0);
}

void RunRecord::commit() {
  on_root(world_, [&] { commit_on_root(); });
}

void RunRecord::finish() {
  on_root(world_, [&] {
    end_provenance(*file_, group_);
    file_->fold();
    is_finished_ = true;
  });
}

RunRecord::~RunRecord() {
  if (!file_.has_value() || is_finished_ || file_->has_uncommitted()) {
    return;
  }
  try {
    file_->fold();
  } catch (const std::exception& error) {
    // What was committed is safe in the journal.
    log_warning(fmt::format("the record keeps its journal: {}", error.what()));
  }
}

void RunRecord::commit_on_root() {
  file_->commit();
  last_commit_ = wall_seconds();
}

void RunRecord::commit_when_due() {
  if (wall_seconds() - last_commit_ >= options_.seconds_between_commits) {
    commit_on_root();
  }
}

}  // namespace ringworld
