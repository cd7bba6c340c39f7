#include "tasks/recall/open_score.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {
namespace {

std::string in_lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

/// The answers to prompts of one length, as text.
class Answers {
 public:
  Answers(const std::vector<OpenTrial>& trials, const OpenPlan& plan, const Tokenizer& tokenizer)
      : trials_(trials), plan_(plan), tokenizer_(tokenizer), tokens_(trials.size()), is_done_(trials.size(), false) {}

  void generate(const DecoderSource& source) {
    std::vector<Token> prompts;
    for (const OpenTrial& trial : trials_) {
      prompts.insert(prompts.end(), trial.prompt.begin(), trial.prompt.end());
    }
    GreedyDecoder& decoder = source({.batch = std::ssize(trials_),
                                     .prompt_length = std::ssize(trials_.front().prompt),
                                     .new_tokens = std::max<std::int64_t>(1, plan_.answer_tokens - 1)});
    std::vector<Token> next = decoder.read(prompts);
    for (std::int64_t count = 1; !take(next) && count < plan_.answer_tokens; ++count) {
      next = decoder.add(next);
    }
  }

  void add_to(OpenScore& score, const OpenAnswerObserver& tell) const {
    for (std::size_t row = 0; row < trials_.size(); ++row) {
      const OpenTrial& trial = trials_[row];
      OpenAnswer answer{.index = score.contexts, .trial = trial, .text = tokenizer_.decode(tokens_[row])};
      answer.hits = count_matches(answer.text, trial.answers);
      ++score.contexts;
      score.expected += std::ssize(trial.answers);
      score.hits += answer.hits;
      if (tell) {
        tell(answer);
      }
    }
  }

 private:
  /// Adds a token to each answer that goes on; returns whether none does any longer.
  bool take(const std::vector<Token>& next) {
    for (std::size_t row = 0; row < tokens_.size(); ++row) {
      // A token that only the model knows has no text.
      const bool is_end = next[row] == tokenizer_.eos() || next[row] >= tokenizer_.vocab_size();
      is_done_[row] = is_done_[row] || is_end;
      if (!is_done_[row]) {
        tokens_[row].push_back(next[row]);
        const std::vector<std::string>& wanted = trials_[row].answers;
        is_done_[row] = count_matches(tokenizer_.decode(tokens_[row]), wanted) == std::ssize(wanted);
      }
    }
    return std::ranges::find(is_done_, false) == is_done_.end();
  }

  const std::vector<OpenTrial>& trials_;
  const OpenPlan& plan_;
  const Tokenizer& tokenizer_;
  std::vector<std::vector<Token>> tokens_;
  std::vector<bool> is_done_;
};

}  // namespace

std::int64_t count_matches(std::string_view answer, const std::vector<std::string>& expected) {
  const std::string text = in_lower_case(answer);
  return std::ranges::count_if(
      expected, [&](const std::string& wanted) { return text.find(in_lower_case(wanted)) != std::string::npos; });
}

OpenScore score_open_cell(const OpenPlan& plan, const OpenTrialSource& draw, const Tokenizer& tokenizer,
                          const DecoderSource& decoder, const OpenAnswerObserver& tell) {
  require_input(plan.contexts >= 1 && plan.contexts_per_pass >= 1 && plan.answer_tokens >= 1,
                "contexts, contexts a pass and tokens of an answer are at least 1");
  OpenScore score;
  std::vector<OpenTrial> trials;
  const auto answer_all = [&] {
    Answers answers(trials, plan, tokenizer);
    answers.generate(decoder);
    answers.add_to(score, tell);
    trials.clear();
  };
  for (std::int64_t index = 0; index < plan.contexts; ++index) {
    OpenTrial trial = draw(index);
    const bool is_full = std::ssize(trials) == plan.contexts_per_pass;
    if (!trials.empty() && (is_full || trials.front().prompt.size() != trial.prompt.size())) {
      answer_all();
    }
    trials.push_back(std::move(trial));
  }
  answer_all();
  return score;
}

}  // namespace ringworld
