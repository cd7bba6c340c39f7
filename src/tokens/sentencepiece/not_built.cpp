#include "core/error.hpp"
#include "tokens/sentencepiece_tokenizer.hpp"

namespace ringworld {
namespace {

[[noreturn]] void throw_not_built() {
  throw Error(ErrorKind::bad_input,
              "this build reads no SentencePiece models; configure with -DRINGWORLD_ENABLE_SENTENCEPIECE=ON, or choose "
              "the byte or word tokenizer");
}

}  // namespace

bool has_sentencepiece() { return false; }

std::unique_ptr<Tokenizer> read_sentencepiece_tokenizer(const std::filesystem::path& /*model*/) { throw_not_built(); }

std::unique_ptr<Tokenizer> restore_sentencepiece_tokenizer(std::string_view /*text*/) { throw_not_built(); }

}  // namespace ringworld
