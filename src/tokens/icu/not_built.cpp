#include "core/error.hpp"
#include "tokens/unicode_text.hpp"

namespace ringworld {
namespace {

[[noreturn]] void throw_not_built() {
  throw Error(ErrorKind::bad_input,
              "this build has no regular expressions over Unicode, which this tokenizer needs; configure with "
              "-DRINGWORLD_ENABLE_ICU=ON");
}

}  // namespace

struct UnicodeRegex::Compiled {};

bool has_unicode_text() { return false; }

UnicodeRegex::UnicodeRegex(std::string_view /*pattern*/) { throw_not_built(); }
UnicodeRegex::UnicodeRegex(UnicodeRegex&&) noexcept = default;
UnicodeRegex& UnicodeRegex::operator=(UnicodeRegex&&) noexcept = default;
UnicodeRegex::~UnicodeRegex() = default;

void UnicodeRegex::split(std::string_view /*text*/, const std::function<void(TextPart)>& /*take*/) const {
  throw_not_built();
}

std::string normalised(std::string_view /*text*/, NormalForm /*form*/) { throw_not_built(); }

}  // namespace ringworld
