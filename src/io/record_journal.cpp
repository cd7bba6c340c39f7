#include "io/record_journal.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.hpp"

namespace ringworld {

namespace {

static_assert(std::endian::native == std::endian::little, "the numbers of a journal are little-endian");

constexpr std::string_view start_marker = "RWJOURNL";
constexpr std::string_view commit_marker = "RWCOMMIT";
constexpr std::size_t marker_bytes = 8;
constexpr std::size_t checked_header_bytes = marker_bytes + 2 * sizeof(std::int64_t);
constexpr std::size_t header_bytes = checked_header_bytes + sizeof(std::int64_t);

using Bytes = std::span<const std::byte>;

std::int64_t checksum_of(Bytes header, Bytes payload) {
  const auto add = [](uLong crc, Bytes part) {
    return ::crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
  };
  return static_cast<std::int64_t>(add(add(::crc32_z(0, nullptr, 0), header), payload));
}

void put(std::vector<std::byte>& bytes, Bytes more) {
  const std::size_t end = bytes.size();
  bytes.resize(end + more.size());
  std::ranges::copy(more, bytes.begin() + static_cast<std::ptrdiff_t>(end));
}

void put(std::vector<std::byte>& bytes, std::string_view text) { put(bytes, std::as_bytes(std::span(text))); }

template <class Number>
void put_number(std::vector<std::byte>& bytes, Number number) {
  put(bytes, std::as_bytes(std::span(&number, 1)));
}

bool starts_with(Bytes bytes, std::string_view marker) {
  return bytes.size() >= marker.size() && std::memcmp(bytes.data(), marker.data(), marker.size()) == 0;
}

/// Takes numbers and bytes off the front of a payload.
class Cursor {
 public:
  explicit Cursor(Bytes left) : left_(left) {}

  [[nodiscard]] bool is_at_end() const { return left_.empty(); }

  Bytes take(std::int64_t count) {
    require_input(count >= 0 && static_cast<std::uint64_t>(count) <= left_.size(), "a commit ends too early");
    const Bytes taken = left_.first(static_cast<std::size_t>(count));
    left_ = left_.subspan(taken.size());
    return taken;
  }

  std::int64_t take_number() {
    std::int64_t number = 0;
    std::memcpy(&number, take(sizeof number).data(), sizeof number);
    return number;
  }

 private:
  Bytes left_;
};

JournalCommit decode_payload(Bytes payload) {
  JournalCommit commit;
  for (Cursor cursor(payload); !cursor.is_at_end();) {
    JournalRows rows;
    const Bytes name = cursor.take(cursor.take_number());
    rows.dataset.assign(reinterpret_cast<const char*>(name.data()), name.size());
    rows.first = cursor.take_number();
    rows.count = cursor.take_number();
    const Bytes bytes = cursor.take(cursor.take_number());
    rows.bytes.assign(bytes.begin(), bytes.end());
    commit.push_back(std::move(rows));
  }
  return commit;
}

/// The payload of the commit that `bytes` begin with; nothing when they do not begin with a whole one.
std::optional<Bytes> payload_of(Bytes bytes, std::optional<std::int64_t> number) {
  if (bytes.size() < header_bytes || !starts_with(bytes, commit_marker)) {
    return std::nullopt;
  }
  std::int64_t found = 0;
  std::int64_t size = 0;
  std::int64_t checksum = 0;
  std::memcpy(&found, &bytes[marker_bytes], sizeof found);
  std::memcpy(&size, &bytes[marker_bytes + sizeof found], sizeof size);
  std::memcpy(&checksum, &bytes[checked_header_bytes], sizeof checksum);
  if (size < 0 || static_cast<std::uint64_t>(size) > bytes.size() - header_bytes || found != number.value_or(found)) {
    return std::nullopt;
  }
  const Bytes payload = bytes.subspan(header_bytes, static_cast<std::size_t>(size));
  const bool is_whole = checksum == checksum_of(bytes.first(checked_header_bytes), payload);
  return is_whole ? std::optional(payload) : std::nullopt;
}

bool holds_whole_commit(Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (auto place = text.find(commit_marker); place != std::string_view::npos;
       place = text.find(commit_marker, place + 1)) {
    if (payload_of(bytes.subspan(place), std::nullopt).has_value()) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::byte> journal_start() {
  std::vector<std::byte> bytes;
  put(bytes, start_marker);
  return bytes;
}

std::vector<std::byte> encode_commit(std::int64_t number, const JournalCommit& commit) {
  std::vector<std::byte> payload;
  for (const JournalRows& rows : commit) {
    put_number(payload, static_cast<std::int64_t>(rows.dataset.size()));
    put(payload, rows.dataset);
    put_number(payload, rows.first);
    put_number(payload, rows.count);
    put_number(payload, static_cast<std::int64_t>(rows.bytes.size()));
    put(payload, rows.bytes);
  }
  std::vector<std::byte> bytes;
  bytes.reserve(header_bytes + payload.size());
  put(bytes, commit_marker);
  put_number(bytes, number);
  put_number(bytes, static_cast<std::int64_t>(payload.size()));
  put_number(bytes, checksum_of(bytes, payload));
  put(bytes, payload);
  return bytes;
}

Journal decode_journal(Bytes content) {
  require_input(starts_with(content, start_marker), std::string(missing_journal));
  Journal journal;
  for (Bytes left = content.subspan(start_marker.size()); !left.empty();) {
    const auto number = static_cast<std::int64_t>(journal.commits.size());
    const std::optional<Bytes> payload = payload_of(left, number);
    if (!payload.has_value()) {
      require_input(!holds_whole_commit(left.subspan(1)),
                    fmt::format("commit {} of its journal is wrong, and a later one is not", number));
      journal.ignored_bytes = static_cast<std::int64_t>(left.size());
      break;
    }
    journal.commits.push_back(decode_payload(*payload));
    left = left.subspan(header_bytes + payload->size());
  }
  return journal;
}

}  // namespace ringworld
