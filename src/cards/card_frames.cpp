#include "cards/card_frames.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {
namespace {

class CardFrames final : public FrameSource {
 public:
  CardFrames(std::shared_ptr<const CardWorld> world, const CardFramesOptions& options)
      : world_(std::move(world)), options_(options) {}

  [[nodiscard]] std::int64_t frame_side() const override { return world_->frame_side(); }

  void draw(std::uint64_t index, std::span<float> frame) const override {
    DrawStream draws(options_.seed, DrawPurpose::card_frame, {static_cast<std::uint64_t>(options_.split), index});
    world_->paint(world_->draw_frame(options_.split, draws, options_.shape_share), frame);
  }

  [[nodiscard]] std::string digest() const override {
    return fmt::format("{} split={} shape_share={} seed={}", world_->digest(), name_of(options_.split),
                       options_.shape_share, options_.seed);
  }

 private:
  std::shared_ptr<const CardWorld> world_;
  CardFramesOptions options_;
};

}  // namespace

std::unique_ptr<FrameSource> make_card_frames(std::shared_ptr<const CardWorld> world,
                                              const CardFramesOptions& options) {
  require_input(options.shape_share >= 0 && options.shape_share <= 1,
                fmt::format("a share of {} shapes among the cards: 0 to 1", options.shape_share));
  return std::make_unique<CardFrames>(std::move(world), options);
}

}  // namespace ringworld
