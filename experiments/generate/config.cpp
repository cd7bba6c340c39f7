#include "experiments/generate/config.hpp"

#include <fmt/format.h>

#include <cmath>

#include "experiments/common/media_output.hpp"

namespace ringworld {
namespace {

void require_prompt(const GenerateOptions& values) {
  require_input(values.prompt.empty() || values.prompt_file.empty(),
                "give the prompt with --prompt or --prompt-file, one of them");
  const bool has_prompt = !values.prompt.empty() || !values.prompt_file.empty();
  require_input(has_prompt || (!values.makes_frames() && !values.given_media().empty()),
                values.makes_frames() ? "--prompt is missing: what the frames are to show"
                                      : "give the text to continue with --prompt or --prompt-file, one of them");
}

void require_chat(const GenerateOptions& values) {
  require_input(values.chat.empty() || !values.needs_frame_tokenizer(),
                "--chat stands around a text alone: leave out the frames, or choose --prompt-style lwm");
  require_input(values.chat.empty() || values.prompt_style == PromptStyle::caption,
                "--chat and --prompt-style lwm both say what stands around the prompt: give one of them");
}

void require_given_media(const GenerateOptions& values) {
  require_input(values.image.empty() || values.video.empty(), "give the frames with --image or --video, one of them");
  require_input(values.frames >= 0, fmt::format("--frames {}: at least 1", values.frames));
  require_input(values.fps >= 0 && std::isfinite(values.fps),
                fmt::format("--fps {}: a positive number of frames a second", values.fps));
  require_input(values.frames == 0 || values.fps == 0, "--frames and --fps both choose the frames: give one of them");
  require_input(
      !values.video.empty() || (values.frames == 0 && values.fps == 0),
      fmt::format("{} chooses frames of --video, which is not given{}", values.frames != 0 ? "--frames" : "--fps",
                  values.to == Target::video ? "; --new-frames says how many are generated" : ""));
  require_input(values.to != Target::image || values.given_media().empty(),
                fmt::format("{} with --to image: frames may begin a video, or be asked about",
                            values.image.empty() ? "--video" : "--image"));
}

void require_target(const GenerateOptions& values) {
  const std::string not_frames = "has a use with --to image or --to video alone";
  require_input(values.makes_frames() || values.guidance == 1, fmt::format("--guidance {}", not_frames));
  require_input(values.makes_frames() || values.media_output.empty(), fmt::format("--media-output {}", not_frames));
  require_input(std::isfinite(values.guidance), fmt::format("--guidance {}: not a finite number", values.guidance));
  require_input(std::isfinite(values.first_frame_guidance),
                fmt::format("--first-frame-guidance {}: not a finite number", values.first_frame_guidance));
  if (values.makes_frames()) {
    require_input(!values.media_output.empty(), "--media-output is missing: the .png, .gif or .mp4 file of the frames");
    const MediaFormat format = media_format_of(values.media_output, "--media-output");
    require_input(format != MediaFormat::png || values.to == Target::image,
                  fmt::format("--media-output '{}': a video is written as .gif or .mp4", values.media_output));
    require_input(values.media_fps > 0 && std::isfinite(values.media_fps),
                  fmt::format("--media-fps {}: a positive number of frames a second", values.media_fps));
  }
  if (values.to == Target::video) {
    require_input(values.new_frames >= 1, "--new-frames is missing: how many frames are generated, at least 1");
  } else {
    require_input(values.new_frames == 0, "--new-frames has a use with --to video alone");
    require_input(values.first_frame_prompt.empty(), "--first-frame-prompt has a use with --to video alone");
  }
  require_input(values.first_frame_prompt.empty() || values.new_frames >= 2,
                "--new-frames 1 with --first-frame-prompt: no frame would be left for --prompt");
  require_input(values.first_frame_prompt.empty() || values.given_media().empty(),
                "--first-frame-prompt and given frames both begin the video: give one of them");
  require_input(
      !values.first_frame_prompt.empty() || (values.first_frame_guidance == 1 && values.first_frame_top_k == 0),
      "--first-frame-guidance and --first-frame-top-k are of --first-frame-prompt, which is not given");
}

}  // namespace

void declare(Options& options, GenerateOptions& values) {
  options.begin_group("Model");
  options.add("checkpoint", values.checkpoint, "",
              "HDF5 file that `ringworld train` wrote, or a Hugging Face folder, safetensors or GGUF file with its "
              "tokenizer in it "
              "or beside it");
  options.add("frame-tokenizer", values.frame_tokenizer, "",
              "file of the network that turns frames into codes; empty: the one that the checkpoint names");
  options.begin_group("Prompt");
  options.add("prompt", values.prompt, "",
              "text to continue; with frames a question about them, which may be empty; what new frames are to show");
  options.add("prompt-file", values.prompt_file, "", "file that holds it, in place of --prompt");
  options.add("prompt-style", values.prompt_style, "",
              "caption: the text alone, as in training; lwm: the chat around it that LWM's programs write");
  options.add(
      "chat", values.chat, "",
      "chat template around a text prompt: lwm, llama2, llama3, chatml, smollm2, qwen2, mistral; auto (what comes "
      "with the weights); or a text with {} in it; empty: none");
  options.add("image", values.image, "",
              "PNG, JPEG or GIF that the prompt shows: asked about, or the video's first frame");
  options.add("video", values.video, "", "video, animated GIF or folder of pictures that the prompt shows, likewise");
  options.add("frames", values.frames, "frame", "frames taken of --video, spread uniformly; 0: all, or as --fps says");
  options.add("fps", values.fps, "frame/s", "frames a second taken of --video; 0: all, or as --frames says");
  options.begin_group("What is generated");
  options.add("to", values.to, "", "what is generated");
  options.add("new-tokens", values.new_tokens, "token",
              "most that are generated of a text; an end of document ends it earlier");
  options.add("new-frames", values.new_frames, "frame", "frames that are generated of a video");
  options.add("media-output", values.media_output, "", ".png, .gif or .mp4 file of the generated frames");
  options.add("media-fps", values.media_fps, "frame/s", "rate at which --media-output shows a video");
  options.add("temperature", values.temperature, "1",
              "logits are divided by it before a token is drawn; 0: the likeliest token, always");
  options.add("top-k", values.top_k, "token", "only so many of the likeliest tokens may be drawn; 0: all");
  options.add(
      "guidance", values.guidance, "1",
      "scale s of classifier-free guidance, u + s (c - u) of logits with the prompt (c) and without (u); 1: none. "
      "Temperature and top-k act on the guided logits");
  options.add("seed", values.seed, "", "names the draws: the same on any number of ranks");
  options.add("first-frame-prompt", values.first_frame_prompt, "",
              "makes the first frame of a video as an image of this text, as LWM's program does it");
  options.add("first-frame-guidance", values.first_frame_guidance, "1", "its guidance");
  options.add("first-frame-top-k", values.first_frame_top_k, "token", "its top-k");
  options.begin_group("Model");
  options.add("rope-theta", values.rope_theta, "",
              "stage (as trained), scaled (with the square of the length beyond the trained one), or a number");
  options.add(
      "gather-weights", values.gather_weights, "",
      "gather the weights from the ranks that share them for every token, instead of holding all weights on each rank");
  declare(options, values,
          {RunFlag::mesh, RunFlag::schedule, RunFlag::layout, RunFlag::backend, RunFlag::dtype, RunFlag::threads,
           RunFlag::output});
  options.allow_config_file();
  options.add_example("mpirun -n 2 ringworld generate --checkpoint llama/ --chat auto --prompt 'Who was Noah?'",
                      "an answer of a chat model");
  options.add_example(
      "ringworld generate --checkpoint world.h5 --to image --prompt 'red seven' --media-output seven.png",
      "a picture from a world model");
}

void require_sensible(const GenerateOptions& values) {
  require_input(!values.checkpoint.empty(),
                "--checkpoint is missing: the file that ringworld train wrote, or a Hugging Face folder");
  require_input(!values.output.empty(), "--output is empty");
  require_input(values.new_tokens >= 1, fmt::format("--new-tokens {}: at least 1", values.new_tokens));
  require_input(values.temperature >= 0 && std::isfinite(values.temperature),
                fmt::format("--temperature {}: 0 or more", values.temperature));
  require_input(values.top_k >= 0, fmt::format("--top-k {}: 0 or more", values.top_k));
  require_input(values.first_frame_top_k >= 0,
                fmt::format("--first-frame-top-k {}: 0 or more", values.first_frame_top_k));
  require_input(values.seed >= 0, fmt::format("--seed {}: 0 or more", values.seed));
  require_given_media(values);
  require_target(values);
  require_prompt(values);
  require_chat(values);
}

}  // namespace ringworld
