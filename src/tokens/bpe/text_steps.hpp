#pragma once
/// @file  The steps from a text to words and from pieces to a text, of which tokenizers are put together.
/// Source: Hugging Face's `tokenizers`, modules normalizers, pre_tokenizers and decoders, whose names these carry.

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/enumerators.hpp"
#include "tokens/unicode_text.hpp"

namespace ringworld {

/// Text to text, before it is split.
using Normaliser = std::function<std::string(std::string)>;

/// Takes the next word. `is_start`: the text begins with it.
using WordSink = std::function<void(std::string_view word, bool is_start)>;

/// Splits a stretch of text into words, which the next step may split further.
using Splitter = std::function<void(std::string_view text, bool is_start, const WordSink& take)>;

/// Pieces to pieces; in the end they are joined.
using Decoder = std::function<std::vector<std::string>(std::vector<std::string>)>;

/// What becomes of the parts that a pattern matches.
enum class SplitBehaviour : std::uint8_t { removed, isolated, merged_with_previous, merged_with_next };
template <>
struct Enumerators<SplitBehaviour> {
  static constexpr std::string_view what = "split behavior";
  static constexpr std::array<std::string_view, 4> names{"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext"};
};

/// Where a metaspace stands for a space that is not there.
enum class PrependScheme : std::uint8_t { always, first, never };
template <>
struct Enumerators<PrependScheme> {
  static constexpr std::string_view what = "prepend_scheme";
  static constexpr std::array<std::string_view, 3> names{"always", "first", "never"};
};

/// One splitter after another.
[[nodiscard]] Splitter in_sequence(std::vector<Splitter> splitters);
[[nodiscard]] Splitter split_at(UnicodeRegex regex, SplitBehaviour behaviour, bool is_inverted);
/// Puts a space before a text that begins with none.
[[nodiscard]] Splitter prefix_space();
/// Spells words in byte letters.
[[nodiscard]] Splitter byte_letters();
/// Spaces become `replacement`; with `is_split` each of them begins a word.
[[nodiscard]] Splitter metaspace(std::string replacement, PrependScheme scheme, bool is_split);
/// A word begins at each first `character` of a run.
[[nodiscard]] Splitter cut_before_runs(std::string character);

/// `text` with every `from` changed to `to`. @pre from is not empty
[[nodiscard]] std::string replaced(std::string_view text, std::string_view from, std::string_view to);
[[nodiscard]] std::string replaced(std::string_view text, const UnicodeRegex& from, std::string_view to);

/// Byte letters to bytes.
[[nodiscard]] Decoder decode_byte_level();
/// Spaces for metaspaces; those of the first piece are left out unless the scheme is never.
[[nodiscard]] Decoder decode_metaspace(std::string replacement, PrependScheme scheme);
/// "<0x41>" to the byte. Bytes that are not UTF-8 stay as they are, where `tokenizers` writes U+FFFD.
[[nodiscard]] Decoder decode_byte_fallback();
/// All pieces become one.
[[nodiscard]] Decoder decode_fuse();
/// At most `start` times `content` off the start of each piece, and `stop` times off its end.
[[nodiscard]] Decoder decode_strip(std::string content, std::int64_t start, std::int64_t stop);

}  // namespace ringworld
