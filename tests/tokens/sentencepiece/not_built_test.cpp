#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "tokens/sentencepiece_tokenizer.hpp"

namespace ringworld::test {
namespace {

TEST(SentencepieceTokenizer, NamesTheBuildOptionWhenItIsNotBuilt) {
  EXPECT_FALSE(has_sentencepiece());
  expect_error(ErrorKind::bad_input, [] { (void)read_sentencepiece_tokenizer("tokenizer.model"); },
               {"RINGWORLD_ENABLE_SENTENCEPIECE=ON"});
  expect_error(ErrorKind::bad_input, [] { (void)restore_tokenizer("sentencepiece 0 x\n"); },
               {"RINGWORLD_ENABLE_SENTENCEPIECE=ON"});
}

}  // namespace
}  // namespace ringworld::test
