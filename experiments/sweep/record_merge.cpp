#include "experiments/sweep/record_merge.hpp"

#include <algorithm>
#include <concepts>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "experiments/record_tables.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t not_taken = -1;

/// Whether the rows of a table are those of points; the others belong to a point, or to a run.
template <class Row>
concept PointRow = requires(Row row) { row.outcome; };
template <class Row>
concept AttentionDetail = requires(Row row) { row.attention_row; };

/// New index of each row of a part's table; `not_taken` for rows that the record already had.
template <PointRow Row>
std::vector<std::int64_t> merge_points(RunRecord& record, const RecordFile& part) {
  std::vector<std::int64_t> places;
  for (const Row& row : part.read<Row>()) {
    const Row* const held = record.find(row);
    const bool is_news = held == nullptr || (!held->valid && (row.valid || row.outcome != held->outcome));
    places.push_back(is_news ? record.append(row) : not_taken);
  }
  return places;
}

/// Brings the numbers of a row over; the row then says where they are.
template <RowWithArrays Row>
void take_arrays(RunRecord& record, const RecordFile& part, Row& row) {
  std::int64_t place = 0;
  for (const RecordArray& array : Row::arrays()) {
    place = record.append_from(part, array, row.first, row.count());
  }
  row.first = place;
}

}  // namespace

std::int64_t merge_record(RunRecord& record, const RecordFile& part) {
  std::int64_t count = 0;
  std::vector<std::int64_t> attention_places;
  for_each_table([&]<class Row>(std::type_identity<Row>) {
    if constexpr (PointRow<Row>) {
      const std::vector<std::int64_t> places = merge_points<Row>(record, part);
      count += std::ranges::count_if(places, [](std::int64_t place) { return place != not_taken; });
      if constexpr (std::same_as<Row, AttentionRow>) {
        attention_places = places;
      }
    }
  });
  for_each_table([&]<class Row>(std::type_identity<Row>) {
    if constexpr (AttentionDetail<Row>) {
      std::vector<Row> taken;
      for (Row row : part.read<Row>()) {
        row.attention_row = attention_places.at(static_cast<std::size_t>(row.attention_row));
        if (row.attention_row != not_taken) {
          if constexpr (RowWithArrays<Row>) {
            take_arrays(record, part, row);
          }
          taken.push_back(row);
        }
      }
      if (!taken.empty()) {  // a table without rows would ask for the arrays that its rows name
        record.append_all(std::span<const Row>(taken));
      }
      count += std::ssize(taken);
    }
  });
  return count;
}

bool has_failed_points(const std::filesystem::path& part) {
  if (!std::filesystem::exists(part)) {
    return false;
  }
  const RecordFile record = RecordFile::resume(part);
  bool has_failed = false;
  for_each_table([&]<class Row>(std::type_identity<Row>) {
    if constexpr (PointRow<Row>) {
      std::unordered_map<std::string, bool> is_valid;
      for (const Row& row : record.read<Row>()) {
        is_valid[key_of(row)] = row.valid;
      }
      has_failed = has_failed || std::ranges::any_of(is_valid, [](const auto& point) { return !point.second; });
    }
  });
  return has_failed;
}

}  // namespace ringworld
