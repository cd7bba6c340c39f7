#pragma once
/// @file  The record of one run of a verb: created or resumed, with its provenance; rows are added to it, and it is
/// asked which points it holds.
///
///   RunRecord record(job, {.output = ..., .is_resumed = ...});
///   for each point:  if (!record.holds(keys)) record.add(measure(point));
///   record.finish();
///
/// The file lies on the root; every function is collective over the job unless it says otherwise.

#include <algorithm>
#include <any>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "experiments/common/job.hpp"
#include "io/outcome.hpp"
#include "io/record_file.hpp"
#include "io/row_keys.hpp"

namespace ringworld {

struct RunRecordOptions {
  std::filesystem::path output{};
  bool is_resumed = false;  ///< go on with the record at `output`, if there is one
  /// Whether points whose check failed, or that an unchanged limit stopped, are tried again.
  bool retries_failed = false;
  std::string configuration{};  ///< TOML of the values in force
  std::vector<std::int64_t> seeds{};
  std::string device = "host";         ///< what this rank computes on
  double seconds_between_commits = 0;  ///< 0: every added row is committed at once
  std::string checkpoint{};            ///< written beside the record; an existing one is kept as an existing record is
};

/// Whether a point that a record holds is to be tried again. What was measured or refused stands, unless points that
/// failed are to be retried: whatever a point depends on is a key, so that it would fail again. A point that a limit
/// (memory, time) stopped is tried again under another limit; a point that a signal stopped is always tried again.
template <RecordRow Row>
[[nodiscard]] bool is_tried_again(const Row& held, const Row& wanted, bool retries_failed) {
  const Outcome outcome = outcome_of(held);
  if (outcome == Outcome::ok) {
    return false;
  }
  if (retries_failed) {
    return true;
  }
  if (is_measured(outcome) || outcome == Outcome::bad_input) {
    return false;
  }
  if constexpr (requires { held.memory_limit, held.time_limit; }) {
    const bool has_same_limits = held.memory_limit == wanted.memory_limit && held.time_limit == wanted.time_limit;
    return outcome == Outcome::interrupted || !has_same_limits;
  } else {
    return true;
  }
}

class RunRecord {
 public:
  /// Opens the record, says so when an existing file was renamed, describes the run in it, and commits.
  /// @throws Error(bad_input, collective) when the output cannot be written, or resumed.
  RunRecord(const Job& job, RunRecordOptions options);

  /// Whether the record holds the point, so that it need not be measured: the same answer on every rank.
  /// @param point  a row whose keys are filled in; only the root's counts
  template <RecordRow Row>
  [[nodiscard]] bool holds(const Row& point) {
    return ask_root([&] {
      const Held<Row>& held = held_rows<Row>();
      const auto found = held.latest.find(key_of(point));
      return found != held.latest.end() && !is_tried_again(held.rows[found->second], point, options_.retries_failed);
    });
  }

  /// The same for any question to the rows: whether `is_it(row)` for one of them.
  template <RecordRow Row, class Predicate>
  [[nodiscard]] bool holds_any(Predicate&& is_it) {
    return ask_root([&] {
      const std::vector<Row>& rows = held_rows<Row>().rows;
      return std::ranges::any_of(rows, is_it);
    });
  }

  /// The root's answer to a question, on every rank.
  template <class Question>
  [[nodiscard]] bool ask_root(Question&& question) {
    std::int64_t answer = 0;
    on_root(world_, [&] { answer = question() ? 1 : 0; });
    return world_.all_reduce(answer, Reduction::max) == 1;
  }

  /// Adds a row, of the root; its `run` is filled in.
  template <RecordRow Row>
  void add(const Row& row) {
    write([&] { append(row); });
  }

  /// Calls `function` on the root, which may `append` there; then commits as the policy says.
  template <class Function>
  void write(Function&& function) {
    on_root(world_, [&] {
      function();
      commit_when_due();
    });
  }

  /// On the root, inside `write`: adds a row and returns its index in the table.
  template <RecordRow Row>
  std::int64_t append(Row row) {
    if constexpr (requires { row.run; }) {
      row.run = run_;
    }
    Held<Row>& held = held_rows<Row>();
    held.latest[key_of(row)] = held.rows.size();
    held.rows.push_back(row);
    return file_->append(row);
  }

  /// On the root, inside `write`: adds rows that are not asked for again.
  template <RecordRow Row>
  void append_all(std::span<const Row> rows) {
    file_->append_all(rows);
  }

  /// On the root, inside `write`: adds numbers to an array; returns the index of the first. The arrays of a row type
  /// grow together.
  template <class Number>
  std::int64_t append_numbers(const RecordArray& array, std::span<const Number> numbers) {
    return file_->append_numbers(array, numbers);
  }

  /// On the root, inside `write`: adds a dataset of whole numbers (RecordFile::write_block).
  void write_block(const std::string& path, std::span<const std::int64_t> shape, std::span<const std::int32_t> values,
                   const std::string& meaning) {
    file_->write_block(path, shape, values, meaning);
  }

  /// On the root: whether the record has a group, table or dataset of this path.
  [[nodiscard]] bool has(std::string_view path) const { return file_->has(path); }

  /// On the root, inside `write`: sets an attribute of the record itself.
  void set_attribute(const std::string& name, const AttributeValue& value) { file_->set_attribute("/", name, value); }

  /// The same with numbers of another record.
  std::int64_t append_from(const RecordFile& other, const RecordArray& array, std::int64_t first, std::int64_t count) {
    return file_->append_from(other, array, first, count);
  }

  /// What a watchdog says of a point that came to a standstill: adds the row and commits, without a word to the other
  /// ranks. On another rank than the root, for a root that stands still itself: to the file as the root left it, unless
  /// another rank was faster. Not collective.
  template <RecordRow Row>
  void add_last_words(Row row) {
    if (file_.has_value()) {
      append(row);
      file_->fold();  // the process is about to end
      return;
    }
    RecordFile file = RecordFile::stand_in(options_.output);
    row.run = run_;
    const auto is_same = [&](const Row& other) { return other.run == run_ && key_of(other) == key_of(row); };
    if (std::ranges::none_of(file.read<Row>(), is_same)) {
      file.append(row);
      file.fold();
    }
  }

  /// On the root: all rows of a table, those of earlier runs included.
  template <RecordRow Row>
  [[nodiscard]] const std::vector<Row>& rows() {
    return held_rows<Row>().rows;
  }

  /// On the root: the latest row of the point; null when there is none.
  template <RecordRow Row>
  [[nodiscard]] const Row* find(const Row& point) {
    const Held<Row>& held = held_rows<Row>();
    const auto found = held.latest.find(key_of(point));
    return found == held.latest.end() ? nullptr : &held.rows[found->second];
  }

  /// 0 for the run that started the record, n for the n-th that resumed it.
  [[nodiscard]] std::int64_t run() const { return run_; }

  /// Brings everything to the file now.
  void commit();

  /// Marks the run as ended, and makes plain HDF5 of the file.
  void finish();

  RunRecord(const RunRecord&) = delete;
  RunRecord& operator=(const RunRecord&) = delete;
  /// Makes plain HDF5 of the file also when the run ends early, unless it cannot be written, or holds half of
  /// something.
  ~RunRecord();

 private:
  /// The rows of a table, and where the latest of each point stands among them.
  template <RecordRow Row>
  struct Held {
    std::vector<Row> rows;
    std::unordered_map<std::string, std::size_t> latest;
  };

  template <RecordRow Row>
  Held<Row>& held_rows() {
    const auto [place, is_new] = held_.try_emplace(std::string(Row::path));
    if (is_new) {
      Held<Row> held{.rows = file_->read<Row>(), .latest = {}};
      for (std::size_t index = 0; index < held.rows.size(); ++index) {
        held.latest[key_of(held.rows[index])] = index;
      }
      place->second = std::move(held);
    }
    return *std::any_cast<Held<Row>>(&place->second);
  }

  void commit_on_root();
  void commit_when_due();
  bool is_finished_ = false;

  Communicator world_;
  RunRecordOptions options_;
  std::optional<RecordFile> file_;  // on the root
  std::map<std::string, std::any> held_;
  std::int64_t run_ = 0;
  std::string group_;  // of the provenance
  double last_commit_ = 0;
};

}  // namespace ringworld
