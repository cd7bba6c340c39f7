#include "tasks/needle/generation.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "tasks/needle/answer.hpp"

namespace ringworld {
namespace {

/// Whether the answers of two trials stand at the same places, so that one decoder can walk through both.
bool is_in_step(const NeedleTrial& a, const NeedleTrial& b) {
  return a.prompt_length == b.prompt_length &&
         std::ranges::equal(a.asked, b.asked, [](const AskedNeedle& x, const AskedNeedle& y) {
           return x.answer_begin == y.answer_begin && x.answer_length == y.answer_length;
         });
}

/// Reads trials that are in step, and returns each one's tokens with the model's answers in place of the right ones.
std::vector<std::vector<Token>> answer(std::span<const NeedleTrial> trials, const DecoderSource& source) {
  const NeedleTrial& first = trials.front();
  const std::int64_t end = first.asked.back().answer_begin + first.asked.back().answer_length;
  std::vector<std::vector<Token>> generated;
  std::vector<Token> prompts;
  for (const NeedleTrial& trial : trials) {
    generated.push_back(trial.tokens);
    prompts.insert(prompts.end(), trial.tokens.begin(), trial.tokens.begin() + trial.prompt_length);
  }
  GreedyDecoder& decoder = source({.batch = std::ssize(trials),
                                   .prompt_length = first.prompt_length,
                                   .new_tokens = std::max<std::int64_t>(1, end - first.prompt_length - 1)});
  std::vector<Token> next = decoder.read(prompts);
  auto asked = first.asked.begin();
  for (std::int64_t position = first.prompt_length; position < end; ++position) {
    const bool is_answer = position >= asked->answer_begin;
    for (std::size_t row = 0; row < generated.size(); ++row) {
      Token& token = generated[row][static_cast<std::size_t>(position)];
      token = is_answer ? next[row] : token;
      next[row] = token;
    }
    if (is_answer && position + 1 == asked->answer_begin + asked->answer_length) {
      ++asked;
    }
    if (position + 1 < end) {
      next = decoder.add(next);
    }
  }
  return generated;
}

void add_trial(const NeedleTrial& trial, std::span<const Token> generated, const Tokenizer& tokenizer,
               NeedleScore& score) {
  ++score.contexts;
  for (const AskedNeedle& asked : trial.asked) {
    const auto begin = static_cast<std::size_t>(asked.answer_begin);
    const auto length = static_cast<std::size_t>(asked.answer_length);
    const std::span<const Token> answered = generated.subspan(begin, length);
    ++score.trials;
    if (std::ranges::equal(answered, std::span(trial.tokens).subspan(begin, length))) {
      ++score.hits;
    } else if (is_another_value(trial, asked.needle, printed_answer(tokenizer, answered))) {
      ++score.wrong_needle;
    }
  }
}

}  // namespace

NeedleScore generate_needle_cell(const NeedleCellPlan& plan, const TrialSource& draw, const Tokenizer& tokenizer,
                                 const DecoderSource& decoder) {
  require_plan(plan);
  NeedleScore score;
  std::vector<NeedleTrial> trials;
  const auto answer_all = [&] {
    const std::vector<std::vector<Token>> generated = answer(trials, decoder);
    for (std::size_t row = 0; row < trials.size(); ++row) {
      add_trial(trials[row], generated[row], tokenizer, score);
    }
    trials.clear();
  };
  for (std::int64_t index = 0; index < plan.contexts; ++index) {
    NeedleTrial trial = draw(plan.cell, index);
    if (!trials.empty() && (std::ssize(trials) == plan.contexts_per_pass || !is_in_step(trials.front(), trial))) {
      answer_all();
    }
    trials.push_back(std::move(trial));
  }
  answer_all();
  return score;
}

}  // namespace ringworld
