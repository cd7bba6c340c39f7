#pragma once
/// @file  Move-only ownership of a C library's handle.

#include <utility>

namespace ringworld {

/// Owns one handle and closes it once.
///
/// `Traits` declares `using Handle`, `static Handle null() noexcept` and `static void close(Handle) noexcept`.
template <class Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  UniqueHandle() noexcept = default;
  explicit UniqueHandle(Handle handle) noexcept : handle_(handle) {}
  UniqueHandle(const UniqueHandle&) = delete;
  UniqueHandle& operator=(const UniqueHandle&) = delete;
  UniqueHandle(UniqueHandle&& other) noexcept : handle_(other.release()) {}
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    if (this != &other) {
      reset(other.release());
    }
    return *this;
  }
  ~UniqueHandle() { reset(); }

  [[nodiscard]] Handle get() const noexcept { return handle_; }
  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != Traits::null(); }
  [[nodiscard]] Handle release() noexcept { return std::exchange(handle_, Traits::null()); }

  void reset(Handle handle = Traits::null()) noexcept {
    if (handle_ != Traits::null()) {
      Traits::close(handle_);
    }
    handle_ = handle;
  }

 private:
  Handle handle_ = Traits::null();
};

}  // namespace ringworld
