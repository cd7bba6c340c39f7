#pragma once
/// @file  Interpretation of the model's answers.

#include <span>
#include <string>

#include "tasks/needle/trial.hpp"

namespace ringworld {

/// Tokens as printed, without blanks: "42 17" and "4217" are one value.
[[nodiscard]] std::string printed_answer(const Tokenizer& tokenizer, std::span<const Token> tokens);

/// Whether a needle of the trial other than `needle` has the value `text`.
[[nodiscard]] bool is_another_value(const NeedleTrial& trial, std::int64_t needle, const std::string& text);

/// Whether a needle of the trial other than `needle` has a value that begins with `text`.
[[nodiscard]] bool begins_another_value(const NeedleTrial& trial, std::int64_t needle, const std::string& text);

}  // namespace ringworld
