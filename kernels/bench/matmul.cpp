/// @file  Matrix products: square, the linear layers of LLaMA models forward and backward, and skinny ones. Beside the host
/// backend, which is oneDNN, the library that it was chosen over, so that the choice can be checked on any machine.
///
///   bench_matmul --benchmark_filter='host/.*'
///   OPENBLAS_CORETYPE=SkylakeX bench_matmul --benchmark_filter='(host|openblas)/.*/square'

#include "kernels/matmul/matmul.hpp"

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string_view>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/matmul/cost.hpp"
#include "kernels/matmul/host/libraries.hpp"

namespace ringworld::bench {
namespace {

struct Shape {
  std::string_view name;
  std::int64_t m, n, k;
  bool is_a_transposed = false;
  bool is_b_transposed = false;
  bool is_accumulating = false;
};

/// T tokens, C hidden, F feed-forward: y = x W^T (weights as (out, in)), dx = dy W, dW += dy^T x.
constexpr std::array shapes{
    Shape{"square", 1024, 1024, 1024},
    Shape{"ffn_forward", 4096, 2048, 1024, false, true},
    Shape{"ffn_backward_input", 4096, 1024, 2048},
    Shape{"ffn_backward_weight", 2048, 1024, 4096, true, false, true},
    Shape{"tiny_forward", 512, 192, 64, false, true},
    Shape{"tiny_backward_input", 512, 64, 192},
    Shape{"tiny_backward_weight", 192, 64, 512, true, false, true},
    Shape{"tiny_8", 8, 64, 64, false, true},
    Shape{"skinny_64", 64, 1024, 1024, false, true},
    Shape{"skinny_8", 8, 1024, 1024, false, true},
    Shape{"decode_1", 1, 2048, 1024, false, true},
};

/// Large enough for a GPU: a square, and the layers of a 7B model over 4096 tokens.
constexpr std::array device_shapes{
    Shape{"square", 8192, 8192, 8192},
    Shape{"qkv_forward", 4096, 12288, 4096, false, true},
    Shape{"ffn_forward", 4096, 11008, 4096, false, true},
    Shape{"ffn_backward_input", 4096, 4096, 11008},
    Shape{"ffn_backward_weight", 11008, 4096, 4096, true, false, true},
    Shape{"decode_1", 1, 11008, 4096, false, true},
};

struct Implementation {
  std::string_view name;
  Backend backend;
  std::function<std::unique_ptr<Matmul>(const KernelOptions&)> make;
};

std::function<std::unique_ptr<Matmul>(const KernelOptions&)> made_on(Backend backend) {
  return [backend](const KernelOptions& options) { return make_matmul(backend, options); };
}

const std::array implementations{
    Implementation{"host", Backend::host, made_on(Backend::host)},
    Implementation{"openblas", Backend::host, make_blas_matmul},
    Implementation{"kokkos", Backend::kokkos, made_on(Backend::kokkos)},
    Implementation{"reference", Backend::reference, made_on(Backend::reference)},
};

/// Operands in the order of memory, and the object that multiplies them.
struct Product {
  Buffer a, b, c;
  std::unique_ptr<Matmul> matmul;
  MatmulProblem problem;

  Product(const Shape& shape, DType dtype, DType c_dtype, std::unique_ptr<Matmul> implementation, DeviceKind kind)
      : a(make_normals(dtype, shape.m * shape.k, 1, kind)),
        b(make_normals(dtype, shape.k * shape.n, 2, kind)),
        c(make_normals(c_dtype, shape.m * shape.n, 3, kind)),
        matmul(std::move(implementation)),
        problem{.m = shape.m,
                .n = shape.n,
                .k = shape.k,
                .dtype = dtype,
                .c_dtype = c_dtype,
                .a = a.data(),
                .a_leading = shape.is_a_transposed ? shape.m : shape.k,
                .is_a_transposed = shape.is_a_transposed,
                .b = b.data(),
                .b_leading = shape.is_b_transposed ? shape.k : shape.n,
                .is_b_transposed = shape.is_b_transposed,
                .c = c.data(),
                .c_leading = shape.n,
                .is_accumulating = shape.is_accumulating} {}
};

void add(Suite& suite, const Implementation& implementation, const Shape& shape, DType dtype, std::int64_t threads) {
  // As the model has it: activations keep their type, gradient sums of weights are fp32.
  const DType c_dtype = shape.is_accumulating ? DType::float32 : dtype;
  suite.add({.name = fmt::format("{}/{}/{}/{}x{}x{}/threads:{}", implementation.name, name_of(dtype), shape.name,
                                 shape.m, shape.n, shape.k, threads),
             .family = "matmul",
             .backend = implementation.backend,
             .dtype = dtype,
             .threads = threads},
            [=, make = implementation.make, kind = device_of(implementation.backend)] {
              const auto product =
                  std::make_shared<Product>(shape, dtype, c_dtype, make({.threads = static_cast<int>(threads)}), kind);
              product->matmul->multiply(product->problem);
              return Operation{.run = [product] { product->matmul->multiply(product->problem); },
                               .cost = cost_of(product->problem)};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    if (!is_on_device(backend)) {
      continue;
    }
    const Implementation implementation{name_of(backend), backend, made_on(backend)};
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      for (const Shape& shape : device_shapes) {
        add(suite, implementation, shape, dtype, 1);
      }
    }
  }
  for (const Implementation& implementation : implementations) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      for (const Shape& shape : shapes) {
        const bool is_oracle = implementation.backend == Backend::reference;
        if (is_oracle && shape.m * shape.n * shape.k > (std::int64_t{1} << 25)) {
          continue;  // seconds a product
        }
        for (const std::int64_t threads : is_oracle ? std::vector<std::int64_t>{1} : thread_counts()) {
          add(suite, implementation, shape, dtype, threads);
        }
      }
    }
  }
}

}  // namespace ringworld::bench
