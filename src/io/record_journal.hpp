#pragma once
/// @file  The journal of a record: what was committed since the HDF5 image was written, appended to the same file.
///
///   byte 0          `journal_begin` (attribute of the image's root)
///   |  HDF5 image   |  start  |  commit 0  |  commit 1  |  commit 2 ...
///
///   start    8 bytes "RWJOURNL"
///   commit   8 bytes "RWCOMMIT", its number, bytes of its payload, CRC-32 of all that and of the payload, the payload
///   payload  for each dataset that grew: bytes of its path, the path, its rows before, rows that were added, bytes of
///            these, and the rows as the dataset stores them
///
/// Every number is a little-endian int64.
///
/// A commit counts when all of it is there. One that is cut off or wrong at the end of the file was being written when
/// the writer ended: it never was a commit. One that is wrong with a whole one behind it is damage.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// The error text for an image that announces a journal but has none. This program never writes such an image.
inline constexpr std::string_view missing_journal =
    "its journal is missing: a program that writes HDF5 has cut it off, and rows with it; without the attribute "
    "'journal_begin' the file counts as it is";

/// Rows that one extendable dataset grew by.
struct JournalRows {
  std::string dataset;
  std::int64_t first = 0;  ///< rows that it had before
  std::int64_t count = 0;
  std::vector<std::byte> bytes;  ///< as the dataset stores them
};

/// All data of one commit.
using JournalCommit = std::vector<JournalRows>;

/// The bytes between the image and the first commit.
[[nodiscard]] std::vector<std::byte> journal_start();

/// A commit as bytes of the file.
[[nodiscard]] std::vector<std::byte> encode_commit(std::int64_t number, const JournalCommit& commit);

struct Journal {
  std::vector<JournalCommit> commits;
  std::int64_t ignored_bytes = 0;  ///< of a commit that was not ended
};

/// Reads all that follows the image.
/// @throws ringworld::Error (bad_input) that says what is damaged, when the start is missing, or when a commit is wrong
/// though a later one is whole.
[[nodiscard]] Journal decode_journal(std::span<const std::byte> content);

}  // namespace ringworld
