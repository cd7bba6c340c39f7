#include "experiments/generate/given_frames.hpp"

#include <algorithm>
#include <optional>
#include <span>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "experiments/common/content_digest.hpp"
#include "media/clip_reader.hpp"
#include "media/pixels.hpp"

namespace ringworld {

GivenFrames encode_given_frames(const Communicator& world, const std::filesystem::path& path, const FrameChoice& choice,
                                FrameTokenizer& tokenizer) {
  const Phase phase("encoding the frames of the prompt");
  const double begin = now_seconds();
  GivenFrames given;
  std::vector<std::int64_t> codes;
  on_every_rank(world, [&] {
    ClipReader reader(path, {.side = tokenizer.frame_side(), .choice = choice});
    given.times = reader.times();
    given.source_frames = reader.source_frames();
    const std::int64_t codes_per_frame = tokenizer.codes_per_frame();
    codes.resize(static_cast<std::size_t>(given.frames() * codes_per_frame));
    std::vector<float> pixels(static_cast<std::size_t>(tokenizer.frame_size()));
    for (std::int64_t frame = 0; const std::optional<Image> image = reader.next(); ++frame) {
      if (frame % world.size() == world.rank()) {
        normalise(image->pixels, pixels);
        std::ranges::copy(tokenizer.encode(pixels), codes.begin() + frame * codes_per_frame);
      }
      note_progress();
    }
  });
  world.all_reduce(std::span(codes), Reduction::sum);
  given.codes.assign(codes.begin(), codes.end());
  std::vector<std::string> texts;
  std::ranges::transform(codes, std::back_inserter(texts), [](std::int64_t code) { return std::to_string(code); });
  given.digest = content_digest(texts);
  given.seconds = world.all_reduce(now_seconds() - begin, Reduction::max);
  return given;
}

}  // namespace ringworld
