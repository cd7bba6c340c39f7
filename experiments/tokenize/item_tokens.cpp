#include "experiments/tokenize/item_tokens.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <span>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "io/outcome.hpp"
#include "media/clip_reader.hpp"
#include "media/pixels.hpp"

namespace ringworld {
namespace {

/// The mean of squared differences over all frames that were decoded again.
class RoundTrip {
 public:
  /// @param frames  of the item; `wanted` of them are checked
  RoundTrip(std::int64_t frames, std::int64_t wanted) {
    const std::vector<double> times(static_cast<std::size_t>(frames));
    if (wanted != 0) {
      const std::vector<std::int64_t> chosen = choose_frames(times, {.frames = std::max<std::int64_t>(wanted, 0)});
      checked_.insert(chosen.begin(), chosen.end());
    }
  }

  void check(std::int64_t first, std::span<const float> pixels, std::span<const Token> codes,
             FrameTokenizer& tokenizer) {
    const auto frame_size = static_cast<std::size_t>(tokenizer.frame_size());
    const auto codes_per_frame = static_cast<std::size_t>(tokenizer.codes_per_frame());
    for (std::size_t place = 0; place * frame_size < pixels.size(); ++place) {
      if (!checked_.contains(first + static_cast<std::int64_t>(place))) {
        continue;
      }
      const std::vector<float> decoded = tokenizer.decode(codes.subspan(place * codes_per_frame, codes_per_frame));
      // The mean of the squares, back from the ratio: infinite ratios are means of zero.
      squares_ += 4.0 * std::pow(10.0, -psnr(decoded, pixels.subspan(place * frame_size, frame_size)) / 10.0);
    }
  }

  [[nodiscard]] std::int64_t frames() const { return std::ssize(checked_); }
  [[nodiscard]] double ratio() const {
    return checked_.empty() ? std::numeric_limits<double>::quiet_NaN()
                            : 10.0 * std::log10(4.0 * static_cast<double>(checked_.size()) / squares_);
  }

 private:
  std::set<std::int64_t> checked_;
  double squares_ = 0;
};

/// Up to `count` frames, one after another.
std::vector<float> read_frames(ClipReader& reader, std::int64_t count, std::int64_t frame_size) {
  std::vector<float> pixels;
  for (std::int64_t frame = 0; frame < count; ++frame) {
    const std::optional<Image> image = reader.next();
    if (!image.has_value()) {
      break;
    }
    pixels.resize(static_cast<std::size_t>((frame + 1) * frame_size));
    normalise(image->pixels, std::span(pixels).last(static_cast<std::size_t>(frame_size)));
    note_progress();
  }
  return pixels;
}

}  // namespace

ItemTokens tokenize_item(const std::string& item, const ItemOptions& options, FrameTokenizer& tokenizer) {
  ItemTokens result;
  TokenizedItemRow& row = result.row;
  double begin = now_seconds();
  ClipReader reader(item,
                    {.side = tokenizer.frame_side(), .choice = options.choice, .folder_rate = options.folder_rate});
  const auto frames = std::ssize(reader.chosen());
  row.read_seconds = now_seconds() - begin;
  double encode_seconds = 0;
  RoundTrip round_trip(frames, options.psnr_frames);
  for (std::int64_t first = 0; first < frames; first += options.batch) {
    const Phase phase("frame {} of {}", first + 1, frames);
    begin = now_seconds();
    const std::vector<float> pixels = read_frames(reader, options.batch, tokenizer.frame_size());
    row.read_seconds += now_seconds() - begin;
    begin = now_seconds();
    const std::vector<Token> codes = tokenizer.encode(pixels);
    encode_seconds += now_seconds() - begin;
    round_trip.check(first, pixels, codes, tokenizer);
    result.codes.insert(result.codes.end(), codes.begin(), codes.end());
  }
  for (std::int64_t frame = 0; frame < frames; ++frame) {
    const auto place = static_cast<std::size_t>(frame);
    result.frames.push_back(
        {.item = 0, .frame = frame, .source_frame = reader.chosen()[place], .time = reader.times()[place]});
  }
  row.source_frames = reader.source_frames();
  row.frames = frames;
  row.seconds = row.read_seconds + encode_seconds;
  row.frames_per_second = static_cast<double>(frames) / row.seconds;
  row.codes_used = std::ssize(std::set<Token>(result.codes.begin(), result.codes.end()));
  row.psnr_frames = round_trip.frames();
  row.psnr = round_trip.ratio();
  conclude(row, Outcome::ok);
  return result;
}

}  // namespace ringworld
