#pragma once
/// @file  Regular expressions with Unicode classes, and Unicode normal forms. Needs the build option
/// RINGWORLD_ENABLE_ICU.

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/enumerators.hpp"

namespace ringworld {

/// Whether this build has regular expressions and normal forms.
[[nodiscard]] bool has_unicode_text();

/// A part of a text that the expression matched, or one between matches.
struct TextPart {
  std::string_view text;
  bool is_match = false;
};

/// A regular expression as the files of Hugging Face's `tokenizers` and of tiktoken write them: \p{L}, \s, possessive
/// repetition, lookahead. \s is Unicode's property White_Space, as in both of these.
/// An object serves one thread at a time.
class UnicodeRegex {
 public:
  /// @throws ringworld::Error (bad_input) that quotes an expression which is not understood, or names the build option
  /// when this build has no regular expressions.
  explicit UnicodeRegex(std::string_view pattern);
  UnicodeRegex(UnicodeRegex&&) noexcept;
  UnicodeRegex& operator=(UnicodeRegex&&) noexcept;
  ~UnicodeRegex();

  /// Calls `take` with matches and with what lies between them, first to last; together they are the whole text. Empty
  /// parts are left out.
  /// @param text  well-formed UTF-8
  void split(std::string_view text, const std::function<void(TextPart)>& take) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

enum class NormalForm : std::uint8_t { nfc, nfd, nfkc, nfkd };
template <>
struct Enumerators<NormalForm> {
  static constexpr std::string_view what = "normal form";
  static constexpr std::array<std::string_view, 4> names{"NFC", "NFD", "NFKC", "NFKD"};
};

/// The text in a normal form of Unicode (Unicode Standard Annex 15).
/// @param text  well-formed UTF-8
/// @throws ringworld::Error (bad_input) that names the build option when this build has no normal forms.
[[nodiscard]] std::string normalised(std::string_view text, NormalForm form);

}  // namespace ringworld
