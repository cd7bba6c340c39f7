#pragma once
/// @file  A VQGAN at work: forward and backward through its operations, over the kernels of one backend.
///
///   load frames --> encode --> quantize --> decode --> reconstruction
///                                 |  codes
///   load codes  ------------------+
///
/// The passes go over the first `frames` of the frames that the network has room for. A frame's results do not depend on
/// the frames beside it.

#include <cstdint>
#include <memory>
#include <span>

#include "device/backend.hpp"
#include "device/dual_buffer.hpp"
#include "device/profile.hpp"
#include "kernels/convolution/convolution.hpp"
#include "kernels/group_norm/group_norm.hpp"
#include "kernels/reconstruction_loss/reconstruction_loss.hpp"
#include "kernels/tensor/tensor.hpp"
#include "kernels/upsampling/upsampling.hpp"
#include "kernels/vector_quantizer/vector_quantizer.hpp"
#include "vqgan/memory.hpp"
#include "vqgan/parameters.hpp"

namespace ringworld {

/// How far reconstructions are from their frames, and z from its codes: sums, so that those of parts can be added.
struct VqganSums {
  double absolute = 0;      ///< |x' - x| over all numbers of the frames
  double squared = 0;       ///< (x' - x)^2 over the same
  double quantization = 0;  ///< |z - e|^2 over all vectors; 0 without the quantiser

  void add(const VqganSums& other) {
    absolute += other.absolute;
    squared += other.squared;
    quantization += other.quantization;
  }
};

/// What the sums are multiplied with in the loss; the gradients are those of
///
///   absolute |x' - x| + squared (x' - x)^2 + codebook |sg(z) - e|^2 + commitment |z - sg(e)|^2       sg: no gradient
struct VqganLossScales {
  double absolute = 0;
  double squared = 0;
  double codebook = 0;
  double commitment = 0;
};

class VqganNetwork {
 public:
  /// @param frames  that a pass may have     @param parameters  of the same backend; must outlive this
  /// @throws Error(out_of_memory)
  VqganNetwork(const VqganParameters& parameters, VqganUse use, std::int64_t frames, Backend backend, int threads);

  /// That a pass may have.
  [[nodiscard]] std::int64_t frames() const { return frames_; }
  [[nodiscard]] std::int64_t vectors_per_frame() const { return vectors_; }
  [[nodiscard]] Profile& profile() { return profile_; }

  /// Frames for host code to write, (frames, side, side, 3). `load_frames` brings them to the network.
  [[nodiscard]] std::span<float> edit_frames(std::int64_t frames);
  void load_frames(std::int64_t frames);
  /// Codes for host code to write, (frames, vectors a frame), and the way of their vectors to the decoder.
  [[nodiscard]] std::span<std::int32_t> edit_codes(std::int64_t frames);
  void load_codes(std::int64_t frames);

  /// Frames to z.
  void encode(std::int64_t frames);
  /// z to codes and their vectors.
  void quantize(std::int64_t frames);
  /// In place of `quantize`: the decoder gets z itself.
  void pass_by_quantizer(std::int64_t frames);
  /// Codebook vectors, or z, to the reconstruction.
  void decode(std::int64_t frames);

  /// What `quantize` found, (frames, vectors a frame).
  [[nodiscard]] std::span<const std::int32_t> codes(std::int64_t frames);
  [[nodiscard]] std::span<const float> squared_errors(std::int64_t frames);
  /// (frames, vectors a frame, latent channels), where the backend computes.
  [[nodiscard]] std::span<const float> z(std::int64_t frames) const;
  /// (frames, side, side, 3), not clipped; valid until the next call.
  [[nodiscard]] std::span<const float> reconstruction(std::int64_t frames);

  /// All passes, the loss, and backward: gradients are added to the parameters'. @pre load_frames, and use for training
  [[nodiscard]] VqganSums forward_backward(std::int64_t frames, const VqganLossScales& scales, bool is_quantized);

 private:
  void run(const VqganOperation& operation, std::size_t index, std::int64_t frames);
  void run_backward(const VqganOperation& operation, std::size_t index, std::int64_t frames);
  /// The loss of the reconstruction, and its gradient.
  [[nodiscard]] VqganSums measure(std::int64_t frames, const VqganLossScales& scales, bool is_quantized);

  [[nodiscard]] float* at(std::int64_t offset) const { return arena_.as<float>() + offset * frames_; }
  [[nodiscard]] TensorView<float, 4> view(std::size_t value, float* data, std::int64_t frames) const;
  [[nodiscard]] TensorView<float, 4> value(std::size_t index, std::int64_t frames) const;
  [[nodiscard]] TensorView<float, 4> gradient(std::size_t index, std::int64_t frames) const;
  [[nodiscard]] TensorView<float, 2> vectors(std::size_t value, float* data, std::int64_t frames) const;
  [[nodiscard]] TensorView<float, 4> weights(std::span<float> all, std::size_t tensor) const;
  [[nodiscard]] float* numbers(std::span<float> all, std::size_t tensor) const;
  [[nodiscard]] TensorView<float, 2> codebook(std::span<float> all) const;
  [[nodiscard]] const VqganArchitecture& architecture() const { return parameters_.architecture(); }

  const VqganParameters& parameters_;
  VqganPlaces places_;
  std::int64_t frames_;
  std::int64_t vectors_;
  DeviceKind memory_;
  Profile profile_;
  std::unique_ptr<Convolution> convolution_;
  std::unique_ptr<GroupNorm> norm_;
  std::unique_ptr<Upsampling> upsampling_;
  std::unique_ptr<VectorQuantizer> quantizer_;
  std::unique_ptr<ReconstructionLoss> loss_;
  std::unique_ptr<TensorOps> tensors_;
  Buffer arena_;
  DualArray<float> pixels_;        // (frames, side, side, 3): frames on their way in, reconstructions on their way out
  DualArray<std::int32_t> codes_;  // (frames, vectors)
  DualArray<float> squared_errors_;  // (frames, vectors)
  DualArray<float> sums_;            // (frames, 2)
};

}  // namespace ringworld
