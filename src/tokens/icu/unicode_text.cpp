#include "tokens/unicode_text.hpp"

#include <fmt/format.h>
#include <unicode/unorm2.h>
#include <unicode/uregex.h>
#include <unicode/ustring.h>

#include <limits>

#include "core/error.hpp"

namespace ringworld {
namespace {

void check(UErrorCode status) {
  if (U_FAILURE(status)) {
    throw Error(ErrorKind::internal, fmt::format("ICU: {}", u_errorName(status)));
  }
}

/// @param text  well-formed UTF-8
std::u16string to_utf16(std::string_view text) {
  require_input(text.size() <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
                fmt::format("a text of {} bytes is too long to be split; give at most 2 GiB at a time", text.size()));
  std::u16string wide(text.size(), u'\0');
  std::int32_t length = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strFromUTF8(wide.data(), static_cast<std::int32_t>(wide.size()), &length, text.data(),
                static_cast<std::int32_t>(text.size()), &status);
  if (U_FAILURE(status)) {
    throw Error(ErrorKind::bad_input, "a text is not well-formed UTF-8");
  }
  wide.resize(static_cast<std::size_t>(length));
  return wide;
}

std::string to_utf8(std::u16string_view wide) {
  std::string text(wide.size() * 3, '\0');
  std::int32_t length = 0;
  UErrorCode status = U_ZERO_ERROR;
  u_strToUTF8(text.data(), static_cast<std::int32_t>(text.size()), &length, wide.data(),
              static_cast<std::int32_t>(wide.size()), &status);
  check(status);
  text.resize(static_cast<std::size_t>(length));
  return text;
}

/// ICU's \s lacks two characters of the property that Oniguruma's and Rust's \s stand for.
std::string with_icu_white_space(std::string_view pattern) {
  std::string changed;
  for (std::size_t place = 0; place < pattern.size(); ++place) {
    if (pattern[place] != '\\' || place + 1 == pattern.size()) {
      changed += pattern[place];
      continue;
    }
    const char letter = pattern[++place];
    if (letter == 's') {
      changed += "\\p{White_Space}";
    } else if (letter == 'S') {
      changed += "\\P{White_Space}";
    } else {
      changed += '\\';
      changed += letter;
    }
  }
  return changed;
}

/// Bytes that UTF-8 takes for the UTF-16 units begin .. end - 1.
std::size_t utf8_bytes(std::u16string_view wide, std::int32_t begin, std::int32_t end) {
  std::size_t bytes = 0;
  for (std::int32_t place = begin; place < end; ++place) {
    const char16_t unit = wide[static_cast<std::size_t>(place)];
    if (unit < 0x80) {
      bytes += 1;
    } else if (unit < 0x800 || U16_IS_SURROGATE(unit)) {
      bytes += 2;  // a pair of surrogates is one character of four bytes
    } else {
      bytes += 3;
    }
  }
  return bytes;
}

struct CloseRegex {
  void operator()(URegularExpression* regex) const { uregex_close(regex); }
};

}  // namespace

struct UnicodeRegex::Compiled {
  std::unique_ptr<URegularExpression, CloseRegex> regex;
};

bool has_unicode_text() { return true; }

UnicodeRegex::UnicodeRegex(std::string_view pattern) : compiled_(std::make_unique<Compiled>()) {
  const std::u16string wide = to_utf16(with_icu_white_space(pattern));
  UErrorCode status = U_ZERO_ERROR;
  UParseError where{};
  compiled_->regex.reset(uregex_open(wide.data(), static_cast<std::int32_t>(wide.size()), 0, &where, &status));
  require_input(U_SUCCESS(status),
                fmt::format("regular expression '{}' is not understood: {}", pattern, u_errorName(status)));
  // A run of spaces as long as a document must not be too much.
  uregex_setStackLimit(compiled_->regex.get(), 0, &status);
  check(status);
}

UnicodeRegex::UnicodeRegex(UnicodeRegex&&) noexcept = default;
UnicodeRegex& UnicodeRegex::operator=(UnicodeRegex&&) noexcept = default;
UnicodeRegex::~UnicodeRegex() = default;

void UnicodeRegex::split(std::string_view text, const std::function<void(TextPart)>& take) const {
  const std::u16string wide = to_utf16(text);
  URegularExpression* const regex = compiled_->regex.get();
  UErrorCode status = U_ZERO_ERROR;
  uregex_setText(regex, wide.data(), static_cast<std::int32_t>(wide.size()), &status);
  check(status);
  std::int32_t done = 0;
  std::size_t done_bytes = 0;
  const auto take_to = [&](std::int32_t end, bool is_match) {
    if (end > done) {
      const std::size_t bytes = utf8_bytes(wide, done, end);
      take({.text = text.substr(done_bytes, bytes), .is_match = is_match});
      done = end;
      done_bytes += bytes;
    }
  };
  while (uregex_findNext(regex, &status) != 0) {
    const std::int32_t begin = uregex_start(regex, 0, &status);
    const std::int32_t end = uregex_end(regex, 0, &status);
    check(status);
    take_to(begin, false);
    take_to(end, true);
  }
  check(status);
  take_to(static_cast<std::int32_t>(wide.size()), false);
}

std::string normalised(std::string_view text, NormalForm form) {
  UErrorCode status = U_ZERO_ERROR;
  const UNormalizer2* const normalizer = form == NormalForm::nfc    ? unorm2_getNFCInstance(&status)
                                         : form == NormalForm::nfd  ? unorm2_getNFDInstance(&status)
                                         : form == NormalForm::nfkc ? unorm2_getNFKCInstance(&status)
                                                                    : unorm2_getNFKDInstance(&status);
  check(status);
  const std::u16string wide = to_utf16(text);
  const auto length = static_cast<std::int32_t>(wide.size());
  const std::int32_t clean = unorm2_spanQuickCheckYes(normalizer, wide.data(), length, &status);
  check(status);
  if (clean == length) {
    return std::string(text);
  }
  std::u16string changed(wide.size() * 2 + 32, u'\0');
  while (true) {
    status = U_ZERO_ERROR;
    const std::int32_t needed = unorm2_normalize(normalizer, wide.data(), length, changed.data(),
                                                 static_cast<std::int32_t>(changed.size()), &status);
    changed.resize(static_cast<std::size_t>(needed));
    if (status != U_BUFFER_OVERFLOW_ERROR) {
      check(status);
      return to_utf8(changed);
    }
  }
}

}  // namespace ringworld
