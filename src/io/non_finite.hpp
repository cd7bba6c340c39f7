#pragma once
/// @file  Numbers that are NaN or infinite, found in named tensors: how many, and where the first is.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "io/tensor_file.hpp"

namespace ringworld {

class NonFiniteNumbers {
 public:
  /// Looks at a part of a tensor. A rank that holds nothing of it calls with no values, so that all know the same
  /// tensors.
  /// @param shape  of the whole tensor     @param first  place of the first value in it, flat and row major
  void count(const std::string& tensor, std::span<const std::int64_t> shape, std::int64_t first,
             std::span<const float> values);
  /// The same for a part that is not dense in the tensor. @param values  dense, of the shape `slab.count`
  void count(const std::string& tensor, std::span<const std::int64_t> shape, const Hyperslab& slab,
             std::span<const float> values);

  /// Every rank learns what all have found. The tensors are the same on every rank, in the same order. Collective.
  void add_ranks(const Communicator& communicator);

  [[nodiscard]] bool is_empty() const;
  /// "'v' holds 2 numbers that are NaN, infinite or too large for float32, the first at (0, 5, 0, 0)", and so on with
  /// "; " between tensors; at most four of them, and how many more.
  [[nodiscard]] std::string to_string() const;

 private:
  struct Tensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::int64_t count = 0;
    std::int64_t first = 0;  // of no meaning while count is 0
  };
  void add(const std::string& tensor, std::span<const std::int64_t> shape, std::int64_t place);
  Tensor& find(const std::string& tensor, std::span<const std::int64_t> shape);

  std::vector<Tensor> tensors_;
};

}  // namespace ringworld
