#include "generation/generator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "generation/padded_prompts.hpp"

namespace ringworld {
namespace {

/// Adds the seconds until its end to a list.
class StepClock {
 public:
  explicit StepClock(std::vector<double>& seconds) : seconds_(seconds) {}
  void end_step() {
    const double now = now_seconds();
    seconds_.push_back(now - begin_);
    begin_ = now;
  }

 private:
  std::vector<double>& seconds_;
  double begin_ = now_seconds();
};

}  // namespace

/// What one generation does, step by step.
struct Generator::Plan {
  std::span<const std::vector<Token>> prompts;
  std::span<const std::vector<Token>> unconditional;  ///< empty without guidance
  double guidance = 1;
  Sampling sampling;
  TokenRange range;
  std::int64_t steps = 0;
  std::optional<Token> end;  ///< ends a row
  /// The token of a step that is given; nothing where one is drawn. Empty: all are drawn.
  std::function<std::optional<Token>(std::int64_t step)> given;
  std::uint64_t first_row = 0;
  std::uint64_t first_step = 0;
};

Generator::Generator(ShardedParameters& parameters, const DecoderOptions& options)
    : parameters_(parameters), options_(options) {}

Decoder& Generator::decoder_for(std::int64_t batch, std::int64_t prompt_length, std::int64_t new_tokens,
                                bool has_padding) {
  if (decoder_ == nullptr || options_.batch != batch || options_.prompt_length != prompt_length ||
      options_.new_tokens != new_tokens || options_.has_padding != has_padding) {
    decoder_.reset();  // before another takes memory
    options_.batch = batch;
    options_.prompt_length = prompt_length;
    options_.new_tokens = new_tokens;
    options_.has_padding = has_padding;
    decoder_ = std::make_unique<Decoder>(parameters_, options_);
  }
  return *decoder_;
}

Generation Generator::run(const Plan& plan, const TokenObserver& observer) {
  const std::size_t rows = plan.prompts.size();
  std::vector<std::vector<Token>> contexts(plan.prompts.begin(), plan.prompts.end());
  contexts.insert(contexts.end(), plan.unconditional.begin(), plan.unconditional.end());
  const PaddedPrompts prompts = pad_prompts(contexts);
  Decoder& decoder = decoder_for(std::ssize(contexts), prompts.length, plan.steps, prompts.has_padding());

  Generation result;
  result.rows.resize(rows);
  std::vector<bool> has_ended(rows, false);
  const auto draw = [&](std::int64_t step) {
    const TensorView<const float, 2> logits = decoder.logits();
    std::vector<Token> next(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      const float* const first = &logits(row, 0);
      std::vector<float> guided(first, first + logits.shape[1]);
      if (!plan.unconditional.empty()) {
        guide(guided, {&logits(rows + row, 0), guided.size()}, plan.guidance);
      }
      const auto here = std::span(guided).subspan(static_cast<std::size_t>(plan.range.begin),
                                                  static_cast<std::size_t>(plan.range.end - plan.range.begin));
      result.is_finite = result.is_finite && std::ranges::all_of(here, [](float l) { return std::isfinite(l); });
      next[row] =
          choose_token(plan.sampling, guided, plan.range,
                       {.row = plan.first_row + row, .step = plan.first_step + static_cast<std::uint64_t>(step)});
    }
    decoder.agree(next);
    return next;
  };

  std::vector<double> seconds;
  StepClock clock(seconds);
  {
    const Phase phase("prompt of {} tokens", prompts.length);
    decoder.read(prompts.tokens, prompts.padding);
  }
  for (std::int64_t step = 0; step < plan.steps; ++step) {
    const Phase phase("token {} of {}", step + 1, plan.steps);
    const std::optional<Token> given = plan.given ? plan.given(step) : std::nullopt;
    std::vector<Token> next = given.has_value() ? std::vector<Token>(rows, *given) : draw(step);
    for (std::size_t row = 0; row < rows; ++row) {
      if (has_ended[row]) {
        next[row] = *plan.end;  // of no consequence: rows do not see each other
        continue;
      }
      result.rows[row].push_back(next[row]);
      has_ended[row] = next[row] == plan.end;
    }
    clock.end_step();
    const bool is_whole = step + 1 == plan.steps || std::ranges::all_of(has_ended, std::identity());
    if (observer && !observer(step + 1) && !is_whole) {
      result.is_stopped = true;
      break;
    }
    if (is_whole) {
      break;
    }
    const std::size_t contexts_of_row = contexts.size() / rows;
    std::vector<Token> all;
    for (std::size_t half = 0; half < contexts_of_row; ++half) {
      all.insert(all.end(), next.begin(), next.end());
    }
    decoder.add(all);
  }
  result.prompt_seconds = seconds.front();
  result.token_seconds.assign(seconds.begin() + 1, seconds.end());
  return result;
}

Generation Generator::generate_text(std::span<const std::vector<Token>> prompts, const TextRequest& request,
                                    const TokenObserver& observer) {
  validate(request.sampling);
  require_input(request.new_tokens >= 1, fmt::format("{} new tokens: at least 1", request.new_tokens));
  return run({.prompts = prompts,
              .unconditional = {},
              .sampling = request.sampling,
              .range = request.tokens,
              .steps = request.new_tokens,
              .end = request.end,
              .given = {},
              .first_row = request.first_row},
             observer);
}

Generation Generator::generate_vision(std::span<const std::vector<Token>> prompts, const VisionFormat& format,
                                      const VisionRequest& request, const TokenObserver& observer) {
  validate(request.sampling);
  require_input(request.frames >= 1, fmt::format("{} frames: at least 1", request.frames));
  require_input(std::isfinite(request.guidance), fmt::format("guidance {}: not a finite number", request.guidance));
  const bool is_guided = request.guidance != 1;
  require(!is_guided || request.unconditional.size() == prompts.size(),
          "generator: guidance takes an unconditional prompt a row");
  const std::int64_t frame_length = format.codes_per_frame() + 1;
  // What follows the last code is given, and the model need not read it.
  Generation result =
      run({.prompts = prompts,
           .unconditional = is_guided ? std::span<const std::vector<Token>>(request.unconditional)
                                      : std::span<const std::vector<Token>>(),
           .guidance = request.guidance,
           .sampling = request.sampling,
           .range = {.begin = format.token_of_code(0),
                     .end = format.token_of_code(0) + static_cast<Token>(format.codebook_size())},
           .steps = request.frames * frame_length - 1,
           .end = std::nullopt,
           .given = [&](std::int64_t step) -> std::optional<Token> {
             return (step + 1) % frame_length == 0 ? std::optional(format.end_of_frame()) : std::nullopt;
           },
           .first_row = request.first_row,
           .first_step = static_cast<std::uint64_t>(request.given_frames * frame_length)},
          observer);
  if (!result.is_stopped) {
    for (std::vector<Token>& row : result.rows) {
      row.push_back(format.last_marker());
      row.insert(row.end(), format.end_of_vision().begin(), format.end_of_vision().end());
    }
  }
  return result;
}

std::vector<Token> codes_of(std::span<const Token> generated, const VisionFormat& format) {
  std::vector<Token> codes;
  for (const Token token : generated) {
    if (format.is_code(token)) {
      codes.push_back(format.code_of(token));
    }
  }
  return codes;
}

}  // namespace ringworld
