#pragma once
/// @file  Operands of a test where the kernels of a backend can reach them, with guard bytes on both sides.
///
///   DeviceMirror on(backend);
///   norm->forward({.x = on(x.view()), ..., .y = on(y.view())});
///   on.fetch();                                   // now y holds the result
///
///   host     ... | y | ...              kernels of the host get the operands themselves
///   device   guard | y | guard          others get a copy, which fetch() brings back and whose guards it checks
///
/// What lies between the rows of a view goes along both ways, so a test sees writes there as it does on the host.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/error.hpp"
#include "core/tensor_view.hpp"
#include "device/buffer.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/rows_view.hpp"

namespace ringworld::test {

/// Host operands must live until `fetch`. A range that lies inside one that was taken earlier shares its copy, so operands
/// that are one on the host are one on the device; of ranges that overlap otherwise (the halves of one buffer) the whole
/// is to be taken first.
class DeviceMirror {
 public:
  explicit DeviceMirror(Backend backend) : kind_(device_of(backend)) {}
  DeviceMirror(const DeviceMirror&) = delete;
  DeviceMirror& operator=(const DeviceMirror&) = delete;

  template <class T>
  [[nodiscard]] std::span<T> operator()(std::span<T> values) {
    return {twin(values.data(), static_cast<std::int64_t>(values.size_bytes())), values.size()};
  }
  template <class T>
  [[nodiscard]] std::span<T> operator()(std::vector<T>& values) {
    return (*this)(std::span<T>(values));
  }
  template <class T>
  [[nodiscard]] std::span<const T> operator()(const std::vector<T>& values) {
    return (*this)(std::span<const T>(values));
  }
  template <class T>
  std::span<const T> operator()(const std::vector<T>&& values) = delete;  // would not live until fetch()

  template <bool IsConst>
  [[nodiscard]] BasicRowsView<IsConst> operator()(BasicRowsView<IsConst> view) {
    const std::int64_t elements = view.rows > 0 ? (view.rows - 1) * view.row_stride + view.columns : 0;
    view.data = twin(view.data, elements * size_of(view.dtype));
    return view;
  }
  template <bool IsConst>
  [[nodiscard]] BasicActivationView<IsConst> operator()(BasicActivationView<IsConst> view) {
    view.data = twin(view.data, extent(view.shape, view.strides) * size_of(view.dtype));
    return view;
  }
  template <class T, std::size_t N>
  [[nodiscard]] TensorView<T, N> operator()(TensorView<T, N> view) {
    view.data = twin(view.data, extent(view.shape, view.strides) * static_cast<std::int64_t>(sizeof(T)));
    return view;
  }

  /// Waits for the kernels and brings back what they may have written. Expects the guards to be intact.
  void fetch() {
    for (const std::unique_ptr<Copy>& copy : copies_) {
      std::vector<std::byte> all(static_cast<std::size_t>(copy->memory.bytes()));
      transfer(all.data(), copy->memory.data(), copy->memory.bytes());
      const auto begin = all.begin() + copy->offset;
      const auto end = begin + copy->bytes;
      const auto is_guard = [](std::byte byte) { return byte == guard; };
      EXPECT_TRUE(std::all_of(all.begin(), begin, is_guard))
          << "written before an operand of " << copy->bytes << " bytes";
      EXPECT_TRUE(std::all_of(end, all.end(), is_guard)) << "written behind an operand of " << copy->bytes << " bytes";
      if (copy->result != nullptr) {
        std::copy(begin, end, copy->result);
      }
    }
  }

 private:
  struct Copy {
    const std::byte* host = nullptr;
    std::int64_t bytes = 0;
    std::byte* result = nullptr;  // where it is brought back to; null: the test handed it in as constant
    std::int64_t offset = 0;      // in `memory`
    Buffer memory;
  };

  static constexpr std::byte guard{0xa5};
  static constexpr std::int64_t guard_bytes = 256;
  static constexpr std::int64_t alignment = 64;

  template <std::size_t N>
  static std::int64_t extent(const std::array<std::int64_t, N>& shape, const std::array<std::int64_t, N>& strides) {
    std::int64_t last = 0;
    for (std::size_t axis = 0; axis < N; ++axis) {
      if (shape[axis] == 0) {
        return 0;
      }
      last += (shape[axis] - 1) * strides[axis];
    }
    return last + 1;
  }

  /// Both ends of a copy may be host memory that goes away: waits.
  void transfer(void* to, const void* from, std::int64_t bytes) {
    Device& there = device(kind_);
    there.copy(to, from, bytes, there.compute_stream());
    there.compute_stream().synchronize();
  }

  template <class T>
  T* twin(T* data, std::int64_t bytes) {
    if (kind_ == DeviceKind::host || bytes == 0) {
      return data;
    }
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    Copy& copy = copy_of(begin, bytes);
    if constexpr (!std::is_const_v<T>) {
      copy.result = const_cast<std::byte*>(copy.host);
    }
    return reinterpret_cast<T*>(copy.memory.as<std::byte>() + copy.offset + (begin - copy.host));
  }

  Copy& copy_of(const std::byte* begin, std::int64_t bytes) {
    const std::less<> before;
    for (const std::unique_ptr<Copy>& copy : copies_) {
      const std::byte* end = copy->host + copy->bytes;
      if (!before(begin, copy->host) && !before(end, begin + bytes)) {
        return *copy;
      }
      require(!before(begin, end) || !before(copy->host, begin + bytes),
              "device mirror: operands overlap; take what holds both first");
    }
    auto copy = std::make_unique<Copy>();
    copy->host = begin;
    copy->bytes = bytes;
    // Kernels choose their path by the alignment of operands: it stays.
    copy->offset = guard_bytes + static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(begin) % alignment);
    std::vector<std::byte> all(static_cast<std::size_t>(copy->offset + bytes + guard_bytes), guard);
    std::copy_n(begin, bytes, all.begin() + copy->offset);
    copy->memory = Buffer(std::ssize(all), kind_);
    transfer(copy->memory.data(), all.data(), std::ssize(all));
    copies_.push_back(std::move(copy));
    return *copies_.back();
  }

  DeviceKind kind_;
  std::vector<std::unique_ptr<Copy>> copies_;
};

}  // namespace ringworld::test
