#pragma once
/// @file  The row that `ringworld generate` records.

#include <cstdint>

#include "io/row.hpp"
#include "io/schedule_columns.hpp"

namespace ringworld {

/// One prompt of text and frames, and the text or the frames that were generated after it.
struct GenerationRow : ScheduleColumns {
  static constexpr std::string_view path = "/generation/prompts";
  static constexpr std::string_view meaning =
      "one prompt of text, image or video, read by attention over ranks, and the text, image or video that was "
      "generated "
      "after it from a sharded key/value cache";

  FixedString<8> target = "text";
  FixedString<16> prompt_style = "caption";
  FixedString<160> chat;
  std::int64_t given_frames = 0;
  std::int64_t source_frames = 0;
  double first_frame_time = 0;
  double last_frame_time = 0;
  FixedString<24> given_digest;
  std::int64_t frames_wanted = 0;
  double fps_wanted = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t new_tokens_limit = 0;
  std::int64_t new_tokens = 0;
  std::int64_t new_frames = 0;
  double temperature = 0;
  std::int64_t top_k = 0;
  double guidance = 1;
  std::int64_t seed = 0;
  FixedString<24> first_frame_digest;
  double first_frame_guidance = 1;
  std::int64_t first_frame_top_k = 0;
  std::int64_t ranks = 0;
  FixedString<48> mesh;
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> dtype;
  FixedString<16> weights;
  std::int64_t threads = 1;
  double rope_theta = 0;
  FixedString<16> theta_mode;
  std::int64_t trained_context_length = 0;
  double encode_time = 0;
  double prefill_time = 0;
  double prefill_tokens_per_second = 0;
  double token_time = 0;
  double token_time_min = 0;
  double token_time_max = 0;
  double decode_time = 0;
  std::int64_t cache_bytes = 0;
  FixedString<24> answer_digest;
  FixedString<160> media_output;
  FixedString<160> frame_tokenizer;
  FixedString<48> frame_tokenizer_digest;
  FixedString<160> checkpoint;
  FixedString<24> checkpoint_digest;
  FixedString<24> prompt_digest;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = GenerationRow;
    return joined(
        {Columns{
             Column{"target", &R::target, Role::key, "", "what was generated: text, image or video"},
             Column{"prompt_style", &R::prompt_style, Role::key, "",
                    "caption: the text alone, as in training; lwm: LWM's chat around it"},
             Column{"chat", &R::chat, Role::key, "", "chat template around the prompt, as it was given; empty: none"},
             Column{"given_frames", &R::given_frames, Role::key, "frame", "frames that the prompt shows"},
             Column{"source_frames", &R::source_frames, Role::origin, "frame",
                    "frames of the file that they were taken from"},
             Column{"first_frame_time", &R::first_frame_time, Role::origin, "s",
                    "time of the first given frame, from the first of the file"},
             Column{"last_frame_time", &R::last_frame_time, Role::origin, "s",
                    "time of the last given frame, likewise"},
             Column{"given_digest", &R::given_digest, Role::key, "",
                    "digest of the codes of the given frames; empty without"},
             Column{"frames_wanted", &R::frames_wanted, Role::key, "frame",
                    "most given frames that were asked for, spread uniformly over the file; 0: no limit"},
             Column{"fps_wanted", &R::fps_wanted, Role::key, "frame/s",
                    "given frames a second that were asked for; 0: all"},
             Column{"prompt_tokens", &R::prompt_tokens, Role::key, "token",
                    "tokens of the prompt, over all ranks (S); of a video whose first frame was made apart, with this "
                    "frame"},
             Column{"new_tokens_limit", &R::new_tokens_limit, Role::key, "token",
                    "largest number of new tokens, as requested; of frames what they take with their markers and "
                    "delimiter"},
             Column{"new_tokens", &R::new_tokens, Role::measure, "token",
                    "tokens generated, an end-of-document token or markers and the delimiter included"},
             Column{"new_frames", &R::new_frames, Role::key, "frame", "frames that were generated"},
             Column{"temperature", &R::temperature, Role::key, "1",
                    "divides logits before a token is drawn; 0: the likeliest token was taken"},
             Column{"top_k", &R::top_k, Role::key, "token", "how many of the likeliest tokens could be drawn; 0: all"},
             Column{"guidance", &R::guidance, Role::key, "1", "scale of classifier-free guidance; 1: none"},
             Column{"seed", &R::seed, Role::key, "", "names the draws"},
             Column{"first_frame_digest", &R::first_frame_digest, Role::key, "",
                    "digest of the prompt of a first frame that was made apart as an image; empty: none was"},
             Column{"first_frame_guidance", &R::first_frame_guidance, Role::key, "1", "guidance of that frame"},
             Column{"first_frame_top_k", &R::first_frame_top_k, Role::key, "token", "top_k of that frame"},
             Column{"ranks", &R::ranks, Role::key, "rank", "ranks of the job (P)"},
             Column{"mesh", &R::mesh, Role::key, "", "ranks along dp,fsdp,tp,sp; sp is the ring"}},
         schedule_columns<R>(),
         Columns{
             Column{"layout", &R::layout, Role::key, "",
                    "which tokens of the prompt a rank holds: contiguous, striped or zigzag"},
             Column{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
             Column{"dtype", &R::dtype, Role::key, "", "type of activations, of weights in products, and of the cache"},
             Column{"weights", &R::weights, Role::key, "",
                    "held: every rank holds all weights of its tp part; gathered: they are gathered for every token"},
             Column{"threads", &R::threads, Role::key, "", "threads of a rank"},
             Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles"},
             Column{"theta_mode", &R::theta_mode, Role::key, "", "stage, scaled or given, as in /needle/cells"},
             Column{"trained_context_length", &R::trained_context_length, Role::origin, "token",
                    "context of the stage that trained the model last"},
             Column{"encode_time", &R::encode_time, Role::measure, "s",
                    "time to read the given frames and turn them into codes, slowest rank"},
             Column{"prefill_time", &R::prefill_time, Role::measure, "s",
                    "time to read the prompt and choose the first token, slowest rank"},
             Column{"prefill_tokens_per_second", &R::prefill_tokens_per_second, Role::measure, "token/s",
                    "prompt_tokens / prefill_time"},
             Column{"token_time", &R::token_time, Role::measure, "s",
                    "median time of a further token, slowest rank; 0: no further token"},
             Column{"token_time_min", &R::token_time_min, Role::measure, "s",
                    "shortest time of a further token, slowest rank"},
             Column{"token_time_max", &R::token_time_max, Role::measure, "s",
                    "longest time of a further token, slowest rank"},
             Column{"decode_time", &R::decode_time, Role::measure, "s",
                    "time to turn the generated codes into frames and write them, on one rank"},
             Column{"cache_bytes", &R::cache_bytes, Role::measure, "B",
                    "keys and values that a rank holds, the largest of all ranks"},
             Column{"answer_digest", &R::answer_digest, Role::measure, "",
                    "digest of the generated tokens: the same on any number of ranks"},
             Column{"media_output", &R::media_output, Role::origin, "", "file of the generated frames; empty without"},
             Column{
                 "frame_tokenizer", &R::frame_tokenizer, Role::origin, "",
                 "file of the network of codes, as it was given or as the checkpoint names it; empty without frames"},
             Column{"frame_tokenizer_digest", &R::frame_tokenizer_digest, Role::key, "",
                    "digest of that network; empty without frames"},
             Column{"checkpoint", &R::checkpoint, Role::origin, "", "file of the model, as it was given"},
             Column{"checkpoint_digest", &R::checkpoint_digest, Role::key, "",
                    "digest of the model's parameters and tokenizer"},
             Column{"prompt_digest", &R::prompt_digest, Role::key, "", "digest of the prompt's text"},
             Column{"valid", &R::valid, Role::verdict, "", "whether all logits were finite"},
             Column{"outcome", &R::outcome, Role::verdict, "",
                    "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
             Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
             Column{"run", &R::run, Role::origin, "",
                    "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}}});
  }
};

}  // namespace ringworld
