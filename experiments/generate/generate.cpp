/// @file  `ringworld generate`: a prompt of text, images or video, answered by a trained model with any of them.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text_file.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/frames_of_model.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/media_output.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/common/theta_choice.hpp"
#include "experiments/common/trained_model.hpp"
#include "experiments/generate/config.hpp"
#include "experiments/generate/given_frames.hpp"
#include "experiments/generate/rows.hpp"
#include "generation/generator.hpp"
#include "generation/prompt_style.hpp"
#include "io/console_table.hpp"
#include "perf/samples.hpp"
#include "tokens/chat_template.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Answers a text, an image or a video by a text, an image or a video. The prompt is read in one pass by ring\n"
    "attention; its keys and values stay where the pass left them, and each new token is answered by all ranks' "
    "caches\n"
    "and merged by one reduction. Frames are given and generated as codes of the model's frame tokenizer.\n"
    "Prints the text or writes the frames, records prompt and token times.";

std::string read_prompt(const GenerateOptions& values) {
  return values.prompt_file.empty() ? plain_text(values.prompt, "--prompt") : read_text_file(values.prompt_file);
}

/// The network of frames, and how its codes stand in the model's sequences.
struct Vision {
  std::unique_ptr<FrameTokenizer> frames;
  std::unique_ptr<VisionFormat> format;
};

Vision read_vision(const GenerateOptions& values, const TrainedModel& trained) {
  const std::vector<VocabularyPart>& parts = trained.parameters().config().vocabulary.parts();
  require_input(std::ranges::any_of(parts, [](const VocabularyPart& part) { return part.name == "vision"; }),
                fmt::format("'{}' knows text alone: its vocabulary '{}' has no part 'vision'", values.checkpoint,
                            trained.parameters().config().vocabulary.to_text()));
  Vision vision{.frames = read_frame_tokenizer_of(trained.description(), values.frame_tokenizer, values.backend,
                                                  static_cast<int>(values.threads)),
                .format = nullptr};
  vision.format = std::make_unique<VisionFormat>(trained.tokenizer(), trained.parameters().config().vocabulary,
                                                 vision.frames->codes_per_frame(), vision.frames->codebook_size());
  return vision;
}

/// The whole prompt: the text, with the frames before what is generated or those that are asked about.
std::vector<Token> prompt_of(const GenerateOptions& values, const Tokenizer& tokenizer, const VisionFormat* format,
                             std::span<const Token> codes, const std::string& text) {
  if (values.makes_frames()) {
    return frame_prompt(*format, values.prompt_style,
                        {.caption = text, .is_video = values.to == Target::video, .given = codes});
  }
  if (!values.chat.empty()) {
    const ChatTemplate chat = values.chat == "auto" ? read_chat_of_weights(values.checkpoint) : read_chat(values.chat);
    return chat_prompt(tokenizer, chat, text);
  }
  return codes.empty() ? text_prompt(tokenizer, values.prompt_style, text)
                       : question_prompt(*format, values.prompt_style, codes, text);
}

/// Tokens of generated frames with their markers and the delimiter.
std::int64_t length_of_frames(const VisionFormat& format, std::int64_t frames) {
  return frames * (format.codes_per_frame() + 1) + std::ssize(format.end_of_vision());
}

/// What was generated, whatever it is.
struct Answer {
  std::vector<Token> tokens;
  std::vector<Token> codes;  ///< of the frames among them
  std::int64_t prompt_tokens = 0;
  std::int64_t limit = 0;   ///< most tokens that were wanted
  double prefill_time = 0;  ///< slowest rank
  std::vector<double> token_times;
  bool is_finite = true;
  bool is_stopped = false;
};

class Answering {
 public:
  Answering(const Communicator& world, const GenerateOptions& values, const TrainedModel& trained,
            const VisionFormat* format, const GivenFrames& given, std::string text, double rope_theta)
      : world_(world),
        values_(values),
        tokenizer_(trained.tokenizer()),
        format_(format),
        given_(given.codes),
        text_(std::move(text)),
        generator_(trained.parameters(), {.schedule = values.schedule,
                                          .layout = values.layout,
                                          .dtype = values.dtype,
                                          .rope_theta = rope_theta,
                                          .backend = values.backend,
                                          .threads = static_cast<int>(values.threads),
                                          .holds_weights = !values.gather_weights}) {}

  [[nodiscard]] std::int64_t cache_bytes() const { return generator_.cache_bytes(); }

  Answer answer() {
    std::optional<Answer> first;
    if (!values_.first_frame_prompt.empty()) {
      first = answer_by_frames(
          frame_prompt(*format_, values_.prompt_style, {.caption = values_.first_frame_prompt, .given = {}}), 1,
          values_.first_frame_guidance, values_.first_frame_top_k);
      if (first->is_stopped) {
        return *first;
      }
      given_ = first->codes;
    }
    const std::vector<Token> prompt = prompt_of(values_, tokenizer_, format_, given_, text_);
    if (!values_.makes_frames()) {
      return answer_by_text(prompt);
    }
    Answer answer = answer_by_frames(prompt, values_.frames_to_make() - (first.has_value() ? 1 : 0), values_.guidance,
                                     values_.top_k);
    if (first.has_value()) {
      join(*first, answer);
    }
    return answer;
  }

 private:
  Answer answer_by_text(const std::vector<Token>& prompt) {
    const TextRequest request{.new_tokens = values_.new_tokens,
                              .tokens = {.begin = 0, .end = static_cast<Token>(tokenizer_.vocab_size())},
                              .end = tokenizer_.eos(),
                              .sampling = sampling(values_.top_k)};
    return agreed(generator_.generate_text({&prompt, 1}, request, observer()), std::ssize(prompt), values_.new_tokens);
  }

  /// Goes on from the given frames, which the prompt ends with.
  Answer answer_by_frames(const std::vector<Token>& prompt, std::int64_t frames, double guidance, std::int64_t top_k) {
    const VisionRequest request{.frames = frames,
                                .given_frames = std::ssize(given_) / format_->codes_per_frame(),
                                .sampling = sampling(top_k),
                                .guidance = guidance,
                                .unconditional = {unconditional_prompt(*format_, given_)}};
    Answer answer = agreed(generator_.generate_vision({&prompt, 1}, *format_, request, observer()), std::ssize(prompt),
                           length_of_frames(*format_, frames));
    answer.codes = codes_of(answer.tokens, *format_);
    return answer;
  }

  [[nodiscard]] Sampling sampling(std::int64_t top_k) const {
    return {.temperature = values_.temperature, .top_k = top_k, .seed = static_cast<std::uint64_t>(values_.seed)};
  }

  [[nodiscard]] TokenObserver observer() const {
    return [this](std::int64_t) { return !is_stop_wanted(world_); };
  }

  /// With the times of the slowest rank.
  Answer agreed(Generation made, std::int64_t prompt_tokens, std::int64_t limit) const {
    made.token_seconds.push_back(made.prompt_seconds);
    world_.all_reduce(std::span(made.token_seconds), Reduction::max);
    const double prefill_time = made.token_seconds.back();
    made.token_seconds.pop_back();
    return {.tokens = std::move(made.rows.front()),
            .codes = {},
            .prompt_tokens = prompt_tokens,
            .limit = limit,
            .prefill_time = prefill_time,
            .token_times = std::move(made.token_seconds),
            .is_finite = made.is_finite,
            .is_stopped = made.is_stopped};
  }

  /// Puts a first frame that was made apart before the frames that went on from it.
  void join(const Answer& first, Answer& rest) const {
    std::vector<Token> tokens = first.tokens;
    tokens.resize(static_cast<std::size_t>(format_->codes_per_frame()));
    tokens.push_back(format_->end_of_frame());
    rest.limit += std::ssize(tokens);
    rest.tokens.insert(rest.tokens.begin(), tokens.begin(), tokens.end());
    rest.codes.insert(rest.codes.begin(), first.codes.begin(), first.codes.end());
    rest.token_times.insert(rest.token_times.begin(), first.token_times.begin(), first.token_times.end());
    rest.is_finite = rest.is_finite && first.is_finite;
  }

  const Communicator& world_;
  const GenerateOptions& values_;
  const Tokenizer& tokenizer_;
  const VisionFormat* format_;
  std::vector<Token> given_;  ///< codes of the frames before the generated ones, or of those that are asked about
  std::string text_;
  Generator generator_;
};

void write_frames(const std::vector<Token>& codes, FrameTokenizer& frames, MediaOutput& output) {
  const auto codes_per_frame = static_cast<std::size_t>(frames.codes_per_frame());
  for (std::size_t begin = 0; begin < codes.size(); begin += codes_per_frame) {
    output.add(frames.decode(std::span(codes).subspan(begin, codes_per_frame)));
    note_progress();
  }
  output.publish();
}

std::string digest_of_tokens(std::span<const Token> tokens) {
  std::vector<std::string> texts;
  for (const Token token : tokens) {
    texts.push_back(std::to_string(token));
  }
  return content_digest(texts);
}

/// What the row says of the request; the frames' file and network included.
GenerationRow row_of(const GenerateOptions& values, const GivenFrames& given, const Vision& vision,
                     const TrainedModel& trained) {
  GenerationRow row;
  row.target = name_of(values.to);
  row.prompt_style = name_of(values.prompt_style);
  row.chat = std::string_view(values.chat);
  row.given_frames = given.frames();
  row.source_frames = given.source_frames;
  row.first_frame_time = given.times.empty() ? 0 : given.times.front();
  row.last_frame_time = given.times.empty() ? 0 : given.times.back();
  row.given_digest = std::string_view(given.digest);
  row.frames_wanted = values.frames;
  row.fps_wanted = values.fps;
  row.encode_time = given.seconds;
  row.new_frames = values.makes_frames() ? values.frames_to_make() : 0;
  row.temperature = values.temperature;
  row.top_k = values.top_k;
  row.guidance = values.guidance;
  row.seed = values.seed;
  if (!values.first_frame_prompt.empty()) {
    row.first_frame_digest = std::string_view(content_digest(std::span(&values.first_frame_prompt, 1)));
  }
  row.first_frame_guidance = values.first_frame_guidance;
  row.first_frame_top_k = values.first_frame_top_k;
  row.media_output = std::string_view(values.media_output);
  if (vision.frames != nullptr) {
    row.frame_tokenizer = std::string_view(values.frame_tokenizer.empty() ? trained.description().frame_tokenizer
                                                                          : values.frame_tokenizer);
    row.frame_tokenizer_digest = std::string_view(vision.frames->digest());
  }
  row.set_schedule(values.schedule);
  row.layout = name_of(values.layout);
  row.dtype = name_of(values.dtype);
  row.weights = std::string_view(values.gather_weights ? "gathered" : "held");
  row.backend = name_of(values.backend);
  row.threads = values.threads;
  row.trained_context_length = trained.description().context_length;
  row.checkpoint = std::string_view(values.checkpoint);
  row.checkpoint_digest = std::string_view(trained.digest());
  return row;
}

void fill_measures(GenerationRow& row, const Answer& answer) {
  row.prompt_tokens = answer.prompt_tokens;
  row.new_tokens_limit = answer.limit;
  row.new_tokens = std::ssize(answer.tokens);
  row.prefill_time = answer.prefill_time;
  row.prefill_tokens_per_second = static_cast<double>(row.prompt_tokens) / answer.prefill_time;
  if (!answer.token_times.empty()) {
    const SampleSummary times = summarize(answer.token_times);
    row.token_time = times.median;
    row.token_time_min = times.min;
    row.token_time_max = times.max;
  }
  row.answer_digest = std::string_view(digest_of_tokens(answer.tokens));
  if (answer.is_finite) {
    conclude(row, Outcome::ok);
  } else {
    conclude(row, Outcome::not_finite, "the model's logits are not numbers");
  }
}

}  // namespace

int run_generate(const Job& job) {
  GenerateOptions values;
  Options options("generate", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const Communicator& world = job.world;
  std::vector<JobFile> reads = job_files("--checkpoint", files_of_weights(values.checkpoint));
  reads.push_back({.flag = "--prompt-file", .path = values.prompt_file});
  reads.push_back({.flag = "--frame-tokenizer", .path = values.frame_tokenizer});
  reads.push_back({.flag = "--image", .path = values.image});
  reads.push_back({.flag = "--video", .path = values.video});
  const JobFiles files(
      job, std::move(reads),
      {{.flag = "--output", .path = values.output}, {.flag = "--media-output", .path = values.media_output}});
  static_cast<void>(warn_of_shared_cpus(world, values.threads));
  MeshShape shape;
  std::string text;
  on_every_rank(world, [&] {
    require_sensible(values);
    text = read_prompt(values);
    shape = parse_mesh(values.mesh, world.size());
    require_input(shape[MeshAxis::dp] == 1 && shape[MeshAxis::fsdp] == 1,
                  fmt::format("--mesh {}: one prompt is split by tp and sp: dp and fsdp must be 1", shape.to_string()));
  });
  const Mesh mesh(world, shape);
  const TrainedModel trained(world, mesh, values.checkpoint, values);
  const CheckpointDescription& of_model = trained.description();
  Vision vision;  // null without frames
  std::optional<MediaOutput> media;
  if (values.needs_frame_tokenizer()) {
    on_every_rank(world, [&] { vision = read_vision(values, trained); });
  }
  if (values.makes_frames()) {
    // Before anything is computed: a file that cannot be written is known at once.
    on_root(world, [&] {
      media.emplace(values.media_output, "--media-output", vision.frames->frame_side(), values.frames_to_make(),
                    values.media_fps);
    });
  }
  GivenFrames given;
  if (!values.given_media().empty()) {
    given = encode_given_frames(world, values.given_media(),
                                {.frames = values.image.empty() ? values.frames : 1, .frames_per_second = values.fps},
                                *vision.frames);
  }
  GenerationRow row = row_of(values, given, vision, trained);
  std::optional<Answering> answering;
  on_every_rank(world, [&] {
    const std::vector<Token> prompt = prompt_of(values, trained.tokenizer(), vision.format.get(), given.codes, text);
    require_input(!prompt.empty(), "the prompt has no token; give a text that is not empty");
    const std::int64_t length =
        std::ssize(prompt) +
        (values.makes_frames() ? length_of_frames(*vision.format, values.frames_to_make()) : values.new_tokens);
    require_within_window(trained.parameters().config(), length);
    const ThetaChoice theta = read_theta(values.rope_theta);
    row.rope_theta = theta.value(of_model.rope_theta, of_model.context_length, length);
    row.theta_mode = std::string_view(theta.mode);
    if (world.is_root() && length > of_model.context_length) {
      log_warning(fmt::format("{} tokens of prompt and answer: more than the {} that '{}' was trained on", length,
                              of_model.context_length, values.checkpoint));
    }
    answering.emplace(world, values, trained, vision.format.get(), given, text, row.rope_theta);
  });
  if (const std::string warning = warning_of(text, trained.tokenizer(), "prompt");
      world.is_root() && !warning.empty()) {
    log_warning(warning);
  }
  RunRecord record(job, {.output = values.output, .configuration = options.to_toml(), .seeds = {values.seed}});

  const Answer answer = answering->answer();
  if (answer.is_stopped) {
    record.finish();
    return stopped_early(
        job, fmt::format("the {} tokens so far are dropped, {} has no row", answer.tokens.size(), values.output));
  }
  row.ranks = world.size();
  row.mesh = std::string_view(shape.to_string());
  row.prompt_digest = std::string_view(content_digest(std::span(&text, 1)));
  row.cache_bytes = world.all_reduce(answering->cache_bytes(), Reduction::max);
  fill_measures(row, answer);
  on_root(world, [&] {
    if (media.has_value() && row.valid) {
      const double begin = now_seconds();
      write_frames(answer.codes, *vision.frames, *media);
      row.decode_time = now_seconds() - begin;
    }
  });
  record.add(row);
  record.finish();
  on_root(world, [&] {
    if (!media.has_value()) {
      fmt::print("{}\n", trained.tokenizer().decode(answer.tokens));
    } else if (row.valid) {
      fmt::print("{}\n", values.media_output);
    }
    std::fflush(stdout);
    if (!row.valid) {
      log_error(fmt::format("{}: {}", row.outcome.view(), row.reason.view()));
    }
    log_info(fmt::format("{} tokens read in {}s ({}token/s), {} generated at {}s a token, cache {}B a rank -> {}",
                         row.prompt_tokens, with_si_prefix(row.prefill_time),
                         with_si_prefix(row.prefill_tokens_per_second), row.new_tokens, with_si_prefix(row.token_time),
                         with_si_prefix(static_cast<double>(row.cache_bytes)), values.output));
  });
  return row.valid ? 0 : 1;
}

}  // namespace ringworld
