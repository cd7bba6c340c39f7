#include "kernels/attention/device_attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "device/buffer.hpp"

namespace ringworld::test {
namespace {

constexpr std::byte guard{0xa5};
constexpr std::int64_t guard_bytes = 256;
constexpr std::uintptr_t kept_alignment = 64;  // kernels choose their path by it

/// Elements from the first of a view to the last, those between them included.
template <class T, std::size_t N>
std::int64_t extent_of(const TensorView<T, N>& tensor) {
  if (tensor.size() == 0) {
    return 0;
  }
  std::int64_t extent = 1;
  for (std::size_t axis = 0; axis < N; ++axis) {
    extent += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return extent;
}

/// Calls `function(offset)` for every element of a view.
template <std::size_t N, class Function>
void for_each_offset(const std::array<std::int64_t, N>& shape, const std::array<std::int64_t, N>& strides,
                     const Function& function, std::size_t axis = 0, std::int64_t offset = 0) {
  if (axis == N) {
    function(offset);
    return;
  }
  for (std::int64_t index = 0; index < shape[axis]; ++index) {
    for_each_offset(shape, strides, function, axis + 1, offset + index * strides[axis]);
  }
}

/// The memory that a view of the host spans, on the device.
template <class T, std::size_t N>
class Mirror {
 public:
  Mirror(const TensorView<T, N>& host, DeviceKind kind)
      : host_(host),
        device_(device(kind)),
        bytes_(extent_of(host) * static_cast<std::int64_t>(sizeof(T))),
        offset_(guard_bytes + static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(host.data) % kept_alignment)),
        memory_(offset_ + bytes_ + guard_bytes, kind),
        before_(static_cast<std::size_t>(memory_.bytes()), guard) {
    if (bytes_ > 0) {
      std::memcpy(before_.data() + offset_, host.data, static_cast<std::size_t>(bytes_));
    }
    Stream& stream = device_.compute_stream();
    device_.copy(memory_.data(), before_.data(), memory_.bytes(), stream);
    stream.synchronize();
  }

  [[nodiscard]] TensorView<T, N> view() const {
    return host_.is_null() ? host_ : TensorView<T, N>(elements(memory_.as<std::byte>()), host_.shape, host_.strides);
  }

  /// Writes the elements of the view, and only those, to the host; they alone may have changed.
  void bring_back() const {
    std::vector<std::byte> after(before_.size());
    Stream& stream = device_.compute_stream();
    device_.copy(after.data(), memory_.data(), memory_.bytes(), stream);
    stream.synchronize();
    std::vector<std::byte> expected = before_;
    for_each_offset(host_.shape, host_.strides, [&](std::int64_t offset) {
      elements(expected.data())[offset] = elements(after.data())[offset];
      if constexpr (!std::is_const_v<T>) {
        host_.data[offset] = elements(after.data())[offset];
      }
    });
    EXPECT_EQ(after, expected) << "bytes outside the view were written";
  }

 private:
  using Mutable = std::remove_const_t<T>;

  [[nodiscard]] Mutable* elements(std::byte* memory) const { return reinterpret_cast<Mutable*>(memory + offset_); }

  TensorView<T, N> host_;
  Device& device_;
  std::int64_t bytes_;
  std::int64_t offset_;  ///< of the first element in memory_
  Buffer memory_;
  std::vector<std::byte> before_;
};

/// The same for a view whose type is known at run time.
template <bool is_const>
class ActivationMirror {
 public:
  ActivationMirror(const BasicActivationView<is_const>& host, DeviceKind kind)
      : mirror_(with_type(host.dtype, [&](auto element) {
          using OfMirror = std::conditional_t<is_const, const decltype(element), decltype(element)>;
          return Any(std::in_place_type<Mirror<OfMirror, 4>>, host.template as<decltype(element)>(), kind);
        })) {}

  [[nodiscard]] BasicActivationView<is_const> view() const {
    return std::visit([](const auto& mirror) { return BasicActivationView<is_const>(mirror.view()); }, mirror_);
  }
  void bring_back() const {
    std::visit([](const auto& mirror) { mirror.bring_back(); }, mirror_);
  }

 private:
  template <class T>
  using Element = std::conditional_t<is_const, const T, T>;
  using Any = std::variant<Mirror<Element<float>, 4>, Mirror<Element<bf16>, 4>>;
  Any mirror_;
};

struct MaskMirror {
  MaskMirror(const BlockMask& host, DeviceKind kind)
      : mask(host), query_document_ids(host.query_document_ids, kind), key_document_ids(host.key_document_ids, kind) {
    mask.query_document_ids = query_document_ids.view();
    mask.key_document_ids = key_document_ids.view();
  }

  BlockMask mask;
  Mirror<const std::int32_t, 2> query_document_ids;
  Mirror<const std::int32_t, 2> key_document_ids;
};

struct StateMirror {
  StateMirror(const AttentionState& host, DeviceKind kind)
      : maximum(host.maximum, kind), sum(host.sum, kind), output(host.output, kind) {}

  [[nodiscard]] AttentionState view() const { return {maximum.view(), sum.view(), output.view()}; }
  void bring_back() const {
    maximum.bring_back();
    sum.bring_back();
    output.bring_back();
  }

  Mirror<float, 3> maximum;
  Mirror<float, 3> sum;
  Mirror<float, 4> output;
};

class OnDevice final : public BlockAttention {
 public:
  OnDevice(std::unique_ptr<BlockAttention> attention, DeviceKind kind)
      : BlockAttention(attention->head_size()), attention_(std::move(attention)), kind_(kind) {}

  [[nodiscard]] std::int64_t workspace_bytes() const override { return attention_->workspace_bytes(); }

 private:
  void run_reset(const AttentionState& state) override {
    const StateMirror mirror(state, kind_);
    attention_->reset(mirror.view());
    mirror.bring_back();
  }

  bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                      const Progress& progress) override {
    const ActivationMirror<true> q(block.q, kind_);
    const ActivationMirror<true> k(block.k, kind_);
    const ActivationMirror<true> v(block.v, kind_);
    const MaskMirror mask(block.mask, kind_);
    const StateMirror mirror(state, kind_);
    const ForwardBlock on_device{.q = q.view(), .k = k.view(), .v = v.view(), .mask = mask.mask};
    if (out.is_null()) {
      const bool went_on = attention_->accumulate(on_device, mirror.view(), progress);
      mirror.bring_back();
      return went_on;
    }
    const ActivationMirror<false> out_mirror(out, kind_);
    const bool went_on = attention_->accumulate(on_device, mirror.view(), out_mirror.view(), progress);
    mirror.bring_back();
    out_mirror.bring_back();
    return went_on;
  }

  void run_merge(const AttentionState& from, const AttentionState& into) override {
    const StateMirror from_mirror(from, kind_);
    const StateMirror mirror(into, kind_);
    attention_->merge(from_mirror.view(), mirror.view());
    mirror.bring_back();
  }

  void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) override {
    const Mirror<const float, 3> maximum_mirror(maximum, kind_);
    const StateMirror mirror(state, kind_);
    attention_->rescale(maximum_mirror.view(), mirror.view());
    mirror.bring_back();
  }

  void run_finalize(const AttentionState& state, const ActivationView& out) override {
    const StateMirror mirror(state, kind_);
    const ActivationMirror<false> out_mirror(out, kind_);
    attention_->finalize(mirror.view(), out_mirror.view());
    out_mirror.bring_back();
  }

  void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                               const TensorView<float, 3>& delta) override {
    const ActivationMirror<true> out_mirror(out, kind_);
    const ActivationMirror<true> dout_mirror(dout, kind_);
    const Mirror<float, 3> mirror(delta, kind_);
    attention_->output_dot_gradient(out_mirror.view(), dout_mirror.view(), mirror.view());
    mirror.bring_back();
  }

  bool run_backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) override {
    const ActivationMirror<true> q(block.q, kind_);
    const ActivationMirror<true> k(block.k, kind_);
    const ActivationMirror<true> v(block.v, kind_);
    const ActivationMirror<true> dout(block.dout, kind_);
    const Mirror<const float, 3> maximum(block.maximum, kind_);
    const Mirror<const float, 3> sum(block.sum, kind_);
    const Mirror<const float, 3> delta(block.delta, kind_);
    const MaskMirror mask(block.mask, kind_);
    const Mirror<float, 4> dq(gradients.dq, kind_);
    const Mirror<float, 4> dk(gradients.dk, kind_);
    const Mirror<float, 4> dv(gradients.dv, kind_);
    const bool went_on = attention_->backward(
        {.q = q.view(),
         .k = k.view(),
         .v = v.view(),
         .dout = dout.view(),
         .maximum = maximum.view(),
         .sum = sum.view(),
         .delta = delta.view(),
         .mask = mask.mask},
        {.dq = dq.view(), .dk = dk.view(), .dv = dv.view(), .overwrites_keys = gradients.overwrites_keys}, progress);
    dq.bring_back();
    dk.bring_back();
    dv.bring_back();
    return went_on;
  }

  std::unique_ptr<BlockAttention> attention_;
  DeviceKind kind_;
};

}  // namespace

std::unique_ptr<BlockAttention> on_device(std::unique_ptr<BlockAttention> attention, DeviceKind kind) {
  return std::make_unique<OnDevice>(std::move(attention), kind);
}

}  // namespace ringworld::test
