#pragma once
/// @file  A tokenizer put together of steps:
///
///   text -> added tokens cut out -> normaliser -> splitters -> byte pair encoding -> tokens
///   tokens -> pieces -> decoders -> text

#include <memory>
#include <string>
#include <vector>

#include "tokens/bpe/added_tokens.hpp"
#include "tokens/bpe/byte_pair_model.hpp"
#include "tokens/bpe/text_steps.hpp"

namespace ringworld {

struct PipelineParts {
  std::string kind;      ///< of the tokenizer: "tokenizer_json"
  std::string own_text;  ///< what to_text() is to give
  Normaliser normaliser{};
  std::vector<Splitter> splitters{};
  BytePairParts model{};
  std::vector<AddedToken> added{};
  std::vector<Decoder> decoders{};
  bool joins_with_spaces = false;  ///< decoded pieces have a space between them
  std::vector<Token> prefix{};     ///< tokens that the post-processor puts before a text
  std::vector<Token> suffix{};     ///< and after it
};

/// @throws ringworld::Error (bad_input) as BytePairModel.
[[nodiscard]] std::unique_ptr<Tokenizer> make_pipeline_tokenizer(PipelineParts parts);

}  // namespace ringworld
