#pragma once
/// @file  What the ring, the model and the trainer do with buffers between the kernels of the other families: clear,
/// copy, add, pick rows. One object for one backend, so that none of them asks where its memory is.
/// Shapes: R rows, C columns; B batch, T tokens, H heads, D head size.
///
/// Operands are memory of device_of(backend) and must not overlap unless a comment says so. Everything is enqueued on
/// the device's compute stream, in the order of the calls; on the host it has happened when a call returns. Arithmetic
/// is fp32; results are rounded to nearest and are the same in every run.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/elementwise/rows_view.hpp"

namespace ringworld {

/// A copy between two tensors of 4-byte elements (fp32 or int32) with any strides, in elements.
struct StridedCopy {
  const void* from = nullptr;
  void* to = nullptr;
  std::array<std::int64_t, 3> shape{};
  std::array<std::int64_t, 3> from_strides{};
  std::array<std::int64_t, 3> to_strides{};
};

/// The largest element of each row. NaNs are passed over; a row of nothing but NaN and -inf has (-inf, 0).
struct RowMaxima {
  std::span<float> maximum;       ///< (R), overwritten
  std::span<std::int32_t> index;  ///< (R), the first column that has it, overwritten
};

/// An object owns its scratch memory and serves one thread at a time.
class TensorOps : public Kernel {
 public:
  template <class T>
  void fill_zero(std::span<T> values) {
    fill_zero_bytes(values.data(), static_cast<std::int64_t>(values.size_bytes()));
  }
  /// Clears the rows, not what lies between them.
  void fill_zero(const RowsView& rows);

  /// Copies as many elements as `from` has. To and from host memory: Device::copy.
  template <class T>
  void copy(std::span<const T> from, T* to) {
    copy_bytes(from.data(), to, static_cast<std::int64_t>(from.size_bytes()));
  }

  /// Copies (R, C) and converts.
  /// @throws Error when the shapes differ.
  void copy_rows(const ConstRowsView& from, const RowsView& to);
  /// Copies (B, T, H, D) and converts. @throws as copy_rows, and when a head is not dense.
  void copy_activations(const ConstActivationView& from, const ActivationView& to);
  /// @throws Error when the shapes differ.
  template <class T>
    requires(sizeof(T) == 4)
  void copy_strided(const std::type_identity_t<TensorView<const T, 3>>& from, const TensorView<T, 3>& to) {
    copy_strided({from.data, to.data, from.shape, from.strides, to.strides}, to.shape);
  }
  template <class T>
    requires(sizeof(T) == 4)
  void copy_strided(const std::type_identity_t<TensorView<const T, 2>>& from, const TensorView<T, 2>& to) {
    copy_strided({from.data,
                  to.data,
                  {1, from.shape[0], from.shape[1]},
                  {0, from.strides[0], from.strides[1]},
                  {0, to.strides[0], to.strides[1]}},
                 {1, to.shape[0], to.shape[1]});
  }

  /// to[i] += from[i].
  void add(std::span<const float> from, std::span<float> to);
  /// Adds `row` (C) to every row.
  void add_to_rows(std::span<const float> row, const RowsView& rows);
  /// sums[c] += the sum of column c, rows in an order that depends on the shape alone.
  void add_column_sums(const ConstRowsView& rows, std::span<float> sums);
  /// Multiplies row i by factors[i].
  void scale_rows(std::span<const float> factors, const RowsView& rows);
  /// @param rows (R, C) fp32
  void find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima);

  /// to[i] = from[index[i]], zeros where the index is negative.
  /// @param index (R of `to`), each below R of `from` (unchecked)     @throws Error when columns or types differ.
  void gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to);
  /// to[index[i]] = from[i], nothing where the index is negative; other rows of `to` stay.
  /// @param index (R of `from`), no two alike (unchecked), each below R of `to` (unchecked)     @throws as gather_rows.
  void scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to);

 private:
  void fill_zero_bytes(void* to, std::int64_t bytes);
  void copy_bytes(const void* from, void* to, std::int64_t bytes);
  void copy_strided(const StridedCopy& copy, const std::array<std::int64_t, 3>& to_shape);

  // The computation of a backend, called for non-empty operands after shapes were checked and the cost was charged.
  virtual void run_fill_zero(void* to, std::int64_t bytes) = 0;
  virtual void run_fill_zero_rows(const RowsView& rows) = 0;
  virtual void run_copy(const void* from, void* to, std::int64_t bytes) = 0;
  virtual void run_copy_rows(const ConstRowsView& from, const RowsView& to) = 0;
  virtual void run_copy_activations(const ConstActivationView& from, const ActivationView& to) = 0;
  virtual void run_copy_strided(const StridedCopy& copy) = 0;
  virtual void run_add(std::span<const float> from, std::span<float> to) = 0;
  virtual void run_add_to_rows(std::span<const float> row, const RowsView& rows) = 0;
  virtual void run_add_column_sums(const ConstRowsView& rows, std::span<float> sums) = 0;
  virtual void run_scale_rows(std::span<const float> factors, const RowsView& rows) = 0;
  virtual void run_find_row_maxima(const ConstRowsView& rows, const RowMaxima& maxima) = 0;
  virtual void run_gather_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) = 0;
  virtual void run_scatter_rows(const ConstRowsView& from, std::span<const std::int32_t> index, const RowsView& to) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<TensorOps> make_tensor_ops(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
