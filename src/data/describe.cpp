#include "data/describe.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {
namespace {

void append_spaced(std::string& text, std::string_view part) {
  if (!text.empty() && !part.empty()) {
    text += ' ';
  }
  text += part;
}

std::string decode_part(const Tokenizer& tokenizer, std::span<const Token> tokens, std::int64_t begin,
                        std::int64_t end) {
  return tokenizer.decode(tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
}

}  // namespace

std::string describe(const Tokenizer& tokenizer, std::span<const Token> tokens, std::span<const MarkedRun> runs,
                     std::int64_t around) {
  std::string text;
  std::int64_t shown = 0;
  const auto show_up_to = [&](std::int64_t end) {
    if (around >= 0 && end - shown > 2 * around) {
      append_spaced(text, decode_part(tokenizer, tokens, shown, shown + around));
      append_spaced(text, "...");
      shown = end - around;
    }
    append_spaced(text, decode_part(tokenizer, tokens, shown, end));
    shown = end;
  };
  for (const MarkedRun& run : runs) {
    require(run.begin >= shown && run.begin + run.length <= static_cast<std::int64_t>(tokens.size()),
            "marked runs rise within the tokens");
    show_up_to(run.begin);
    append_spaced(text, run.opening);
    append_spaced(text, decode_part(tokenizer, tokens, run.begin, run.begin + run.length));
    append_spaced(text, run.closing);
    shown = run.begin + run.length;
  }
  show_up_to(static_cast<std::int64_t>(tokens.size()));
  return text;
}

std::string describe(const Tokenizer& tokenizer, const NeedleTrial& trial, std::int64_t around) {
  std::vector<MarkedRun> runs;
  for (const PlantedNeedle& needle : trial.needles) {
    runs.push_back({.begin = needle.begin, .length = needle.length, .opening = "{", .closing = "}"});
  }
  for (const AskedNeedle& answer : trial.asked) {
    runs.push_back({.begin = answer.answer_begin, .length = answer.answer_length});
  }
  return describe(tokenizer, trial.tokens, runs, around);
}

std::string describe(const Tokenizer& tokenizer, const Batch& batch, std::int64_t row, std::int64_t around) {
  require(row >= 0 && row < batch.rows, "no such row in the batch");
  const auto begin = static_cast<std::size_t>(row * batch.context_length);
  const auto length = static_cast<std::size_t>(batch.context_length);
  const auto tokens = std::span(batch.tokens).subspan(begin, length);
  const auto kinds = std::span(batch.kinds).subspan(begin, length);
  std::vector<MarkedRun> runs;
  for (std::size_t target = 0; target + 1 < length; ++target) {
    if (kinds[target] == TargetKind::answer) {
      const auto token = static_cast<std::int64_t>(target) + 1;
      if (!runs.empty() && runs.back().begin + runs.back().length == token) {
        ++runs.back().length;
      } else {
        runs.push_back({.begin = token, .length = 1});
      }
    }
  }
  return describe(tokenizer, tokens, runs, around);
}

}  // namespace ringworld
