/// @file  Matrix products of oneDNN, whose kernels are generated at run time for the shape and the CPU.

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <compare>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <type_traits>
#include <unordered_map>

#include "core/error.hpp"
#include "core/isa.hpp"
#include "kernels/matmul/host/libraries.hpp"

namespace ringworld {
namespace {

/// oneDNN asks OpenMP how many threads to use, both when it prepares a product and when it runs it.
class OpenMpThreads {
 public:
  explicit OpenMpThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  OpenMpThreads(const OpenMpThreads&) = delete;
  OpenMpThreads& operator=(const OpenMpThreads&) = delete;
  ~OpenMpThreads() { omp_set_num_threads(before_); }

 private:
  int before_;
};

/// Holds oneDNN to the instruction set that RINGWORLD_ISA asks for. It takes that once a process, before its first kernel.
void hold_to_selected_isa() {
  static const Isa isa = [] {
    const Isa selected = selected_isa();
    if (selected != best_isa()) {
      dnnl::set_max_cpu_isa(selected == Isa::avx2 ? dnnl::cpu_isa::avx2 : dnnl::cpu_isa::sse41);
    }
    return selected;
  }();
  static_cast<void>(isa);
}

/// All that a prepared product depends on.
struct Shape {
  std::int64_t m, n, k;
  std::int64_t a_leading, b_leading, c_leading;
  bool is_a_transposed, is_b_transposed, is_accumulating;
  DType dtype, c_dtype;

  auto operator<=>(const Shape&) const = default;
};

/// A product that can run again and again, on other operands of its shape.
struct PreparedProduct {
  dnnl::matmul product;
  dnnl::memory a, b, c;
  std::unordered_map<int, dnnl::memory> arguments;
};

dnnl::memory::desc describe(std::int64_t rows, std::int64_t columns, std::int64_t leading, bool is_transposed,
                            DType dtype) {
  using Type = dnnl::memory::data_type;
  const dnnl::memory::dims strides = is_transposed ? dnnl::memory::dims{1, leading} : dnnl::memory::dims{leading, 1};
  return {{rows, columns}, dtype == DType::float32 ? Type::f32 : Type::bf16, strides};
}

/// Version 3 of oneDNN dropped the descriptor that version 2 takes in between.
template <class Product>
auto plan(const dnnl::engine& engine, const dnnl::memory::desc& a, const dnnl::memory::desc& b,
          const dnnl::memory::desc& c, const dnnl::primitive_attr& attributes) {
  using Plan = typename Product::primitive_desc;
  if constexpr (std::is_constructible_v<Plan, const dnnl::engine&, const dnnl::memory::desc&, const dnnl::memory::desc&,
                                        const dnnl::memory::desc&, const dnnl::primitive_attr&>) {
    return Plan(engine, a, b, c, attributes);
  } else {
    return Plan(typename Product::desc(a, b, c), attributes, engine);
  }
}

/// Whether the fp32 product goes through `dnnl_sgemm`, which blocks over k for large results and streams the matrix for a
/// handful of rows, or through a kernel generated for its shape, which wins in between (kernels/matmul/README.md).
bool prefers_sgemm(const MatmulProblem& problem) {
  constexpr std::int64_t large = 1024;
  constexpr std::int64_t few_rows = 8;
  return (problem.m >= large && problem.n >= large) || problem.m <= few_rows;
}

class OnednnMatmul final : public Matmul {
 public:
  explicit OnednnMatmul(std::int64_t threads)
      : threads_(static_cast<int>(threads)), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  void run_multiply(const MatmulProblem& problem) override {
    if (finish_empty_product(problem)) {
      return;
    }
    const OpenMpThreads threads(threads_);
    try {
      if (problem.dtype == DType::float32 && prefers_sgemm(problem)) {
        run_sgemm(problem);
      } else {
        run_prepared(problem);
      }
    } catch (const dnnl::error& error) {
      throw Error(ErrorKind::internal, fmt::format("oneDNN: {} ({} x {} x {}, {})", error.what(), problem.m, problem.n,
                                                   problem.k, name_of(problem.dtype)));
    }
  }

 private:
  static void run_sgemm(const MatmulProblem& problem) {
    const dnnl::status status = dnnl::sgemm(
        problem.is_a_transposed ? 'T' : 'N', problem.is_b_transposed ? 'T' : 'N', problem.m, problem.n, problem.k, 1.0F,
        static_cast<const float*>(problem.a), problem.a_leading, static_cast<const float*>(problem.b),
        problem.b_leading, problem.is_accumulating ? 1.0F : 0.0F, static_cast<float*>(problem.c), problem.c_leading);
    require(status == dnnl::status::success, "oneDNN: sgemm failed");
  }

  void run_prepared(const MatmulProblem& problem) {
    PreparedProduct& prepared = prepared_product(problem);
    // oneDNN has one pointer type for operands that it reads and that it writes.
    prepared.a.set_data_handle(const_cast<void*>(problem.a));
    prepared.b.set_data_handle(const_cast<void*>(problem.b));
    prepared.c.set_data_handle(problem.c);
    prepared.product.execute(stream_, prepared.arguments);
    stream_.wait();
  }

  PreparedProduct& prepared_product(const MatmulProblem& problem) {
    const Shape shape{problem.m,
                      problem.n,
                      problem.k,
                      problem.a_leading,
                      problem.b_leading,
                      problem.c_leading,
                      problem.is_a_transposed,
                      problem.is_b_transposed,
                      problem.is_accumulating,
                      problem.dtype,
                      problem.c_dtype};
    const auto found = prepared_.find(shape);
    if (found != prepared_.end()) {
      return found->second;
    }
    // A model has dozens of shapes; a caller whose shapes never repeat must not fill the memory.
    constexpr std::size_t most_kept = 1024;
    if (prepared_.size() >= most_kept) {
      prepared_.clear();
    }
    return prepared_.emplace(shape, prepare(problem)).first->second;
  }

  [[nodiscard]] PreparedProduct prepare(const MatmulProblem& problem) const {
    const auto a = describe(problem.m, problem.k, problem.a_leading, problem.is_a_transposed, problem.dtype);
    const auto b = describe(problem.k, problem.n, problem.b_leading, problem.is_b_transposed, problem.dtype);
    const auto c = describe(problem.m, problem.n, problem.c_leading, false, problem.c_dtype);
    dnnl::primitive_attr attributes;
    if (problem.is_accumulating) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes.set_post_ops(sum);
    }
    PreparedProduct prepared{.product = dnnl::matmul(plan<dnnl::matmul>(engine_, a, b, c, attributes)),
                             .a = dnnl::memory(a, engine_, nullptr),
                             .b = dnnl::memory(b, engine_, nullptr),
                             .c = dnnl::memory(c, engine_, nullptr),
                             .arguments = {}};
    prepared.arguments = {{DNNL_ARG_SRC, prepared.a}, {DNNL_ARG_WEIGHTS, prepared.b}, {DNNL_ARG_DST, prepared.c}};
    return prepared;
  }

  int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::map<Shape, PreparedProduct> prepared_{};
};

}  // namespace

std::unique_ptr<Matmul> make_onednn_matmul(const KernelOptions& options) {
  hold_to_selected_isa();
  auto matmul = std::make_unique<OnednnMatmul>(options.threads);
  if (has_bf16_dot_product()) {
    return matmul;
  }
  return make_widened_matmul(std::move(matmul));
}

}  // namespace ringworld
