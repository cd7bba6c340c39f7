#include "vqgan/vqgan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "tensors/tensor_source.hpp"
#include "vqgan/network.hpp"
#include "vqgan/weights.hpp"

namespace ringworld {
namespace {

/// Activations of a pass hold at most this many numbers, or those of one frame.
constexpr std::int64_t numbers_of_pass = std::int64_t{1} << 24;
constexpr std::int64_t most_frames = 64;

class VqganTokenizer final : public FrameTokenizer {
 public:
  VqganTokenizer(const TensorSource& source, Backend backend, int threads)
      : architecture_(describe_vqgan(read_vqgan_config(source))),
        parameters_(architecture_, VqganUse::coding, backend),
        backend_(backend),
        threads_(threads) {
    read_vqgan_values(source, parameters_);
    digest_ = parameters_.digest();
  }

  [[nodiscard]] std::int64_t frame_side() const override { return architecture_.config.frame_side; }
  [[nodiscard]] std::int64_t codes_per_side() const override { return architecture_.config.codes_per_side(); }
  [[nodiscard]] std::int64_t codebook_size() const override { return architecture_.config.codebook_size; }
  [[nodiscard]] std::string digest() const override { return digest_; }

  [[nodiscard]] std::vector<Token> encode(std::span<const float> frames) override {
    std::vector<Token> codes;
    for_each_pass(std::ssize(frames), frame_size(), "numbers of frames", [&](std::int64_t first, std::int64_t count) {
      const std::span<float> loaded = network_->edit_frames(count);
      std::ranges::copy(part(frames, first * frame_size(), count * frame_size()), loaded.begin());
      network_->load_frames(count);
      network_->encode(count);
      network_->quantize(count);
      const std::span<const std::int32_t> found = network_->codes(count);
      codes.insert(codes.end(), found.begin(), found.end());
    });
    return codes;
  }

  [[nodiscard]] std::vector<float> decode(std::span<const Token> codes) override {
    for (const Token code : codes) {
      require_input(code >= 0 && code < codebook_size(),
                    fmt::format("code {} is not in the codebook, which has {} codes", code, codebook_size()));
    }
    std::vector<float> frames;
    for_each_pass(std::ssize(codes), codes_per_frame(), "codes", [&](std::int64_t first, std::int64_t count) {
      const std::span<std::int32_t> loaded = network_->edit_codes(count);
      std::ranges::copy(part(codes, first * codes_per_frame(), count * codes_per_frame()), loaded.begin());
      network_->load_codes(count);
      network_->decode(count);
      const std::span<const float> found = network_->reconstruction(count);
      std::ranges::transform(found, std::back_inserter(frames), [](float x) { return std::clamp(x, -1.0F, 1.0F); });
    });
    return frames;
  }

 private:
  template <class T>
  static std::span<const T> part(std::span<const T> all, std::int64_t first, std::int64_t count) {
    return all.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  }

  /// Calls `function(first frame, frames)` for passes of as many frames as there is room for.
  template <class Function>
  void for_each_pass(std::int64_t numbers, std::int64_t per_frame, const char* what, Function&& function) {
    require_input(numbers % per_frame == 0,
                  fmt::format("{} {} are no whole number of frames, which have {} each", numbers, what, per_frame));
    const std::int64_t frames = numbers / per_frame;
    make_room(frames);
    for (std::int64_t first = 0; first < frames; first += network_->frames()) {
      function(first, std::min(network_->frames(), frames - first));
    }
  }

  /// The network has room for what was asked of it so far, so that one picture does not take the memory of many.
  void make_room(std::int64_t frames) {
    const std::int64_t a_frame = plan_places(architecture_, VqganUse::coding).numbers;
    const std::int64_t most = std::clamp<std::int64_t>(numbers_of_pass / a_frame, 1, most_frames);
    const std::int64_t wanted = std::clamp<std::int64_t>(frames, 1, most);
    if (network_ == nullptr || network_->frames() < wanted) {
      network_.reset();
      network_ = std::make_unique<VqganNetwork>(parameters_, VqganUse::coding, wanted, backend_, threads_);
    }
  }

  VqganArchitecture architecture_;
  VqganParameters parameters_;
  Backend backend_;
  int threads_;
  std::string digest_;
  std::unique_ptr<VqganNetwork> network_;
};

}  // namespace

std::unique_ptr<FrameTokenizer> read_frame_tokenizer(const Communicator& communicator,
                                                     const std::filesystem::path& path, Backend backend, int threads) {
  const auto source = open_tensor_source(communicator, path);
  return std::make_unique<VqganTokenizer>(*source, backend, threads);
}

std::unique_ptr<FrameTokenizer> read_frame_tokenizer(const std::filesystem::path& path, Backend backend, int threads) {
  return read_frame_tokenizer(Communicator::world(), path, backend, threads);
}

}  // namespace ringworld
