#include <cublas_v2.h>

#include <string>

#include "core/error.hpp"
#include "core/unique_handle.hpp"
#include "device/buffer.hpp"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/matmul/cuda/workspace.hpp"
#include "kernels/matmul/matmul.hpp"

namespace ringworld {
namespace {

void check_cublas(cublasStatus_t status, std::source_location where = std::source_location::current()) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw Error(ErrorKind::internal, std::string("cuBLAS: ") + cublasGetStatusString(status), where);
  }
}

struct HandleTraits {
  using Handle = cublasHandle_t;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { cublasDestroy(handle); }
};

cudaDataType_t data_type(DType dtype) { return dtype == DType::float32 ? CUDA_R_32F : CUDA_R_16BF; }

/// cuBLAS counts columns first: what it takes for C^T = op(B)^T op(A)^T is our C = op(A) op(B), row by row.
class CublasMatmul final : public Matmul {
 public:
  CublasMatmul() : workspace_(cuda_matmul_workspace_bytes, DeviceKind::cuda) {
    cublasHandle_t handle = nullptr;
    check_cublas(cublasCreate(&handle));
    handle_.reset(handle);
    check_cublas(cublasSetStream(handle, native_compute_stream()));
    check_cublas(cublasSetWorkspace(handle, workspace_.data(), static_cast<std::size_t>(workspace_.bytes())));
    // Sums stay fp32 until C is written, where several blocks share one as well. fp32 operands are multiplied in fp32:
    // TF32 is not allowed, which is cuBLAS's default too.
    check_cublas(cublasSetMathMode(
        handle, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)));
  }

  void run_multiply(const MatmulProblem& problem) override {
    if (problem.m == 0 || problem.n == 0) {
      return;
    }
    if (problem.k == 0) {
      clear(problem);
      return;
    }
    const auto transposed = [](bool is_transposed) { return is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
    const cudaDataType_t operands = data_type(problem.dtype);
    const float alpha = 1.0F;
    const float beta = problem.is_accumulating ? 1.0F : 0.0F;
    check_cublas(cublasGemmEx(handle_.get(), transposed(problem.is_b_transposed), transposed(problem.is_a_transposed),
                              static_cast<int>(problem.n), static_cast<int>(problem.m), static_cast<int>(problem.k),
                              &alpha, problem.b, operands, static_cast<int>(problem.b_leading), problem.a, operands,
                              static_cast<int>(problem.a_leading), &beta, problem.c, data_type(problem.c_dtype),
                              static_cast<int>(problem.c_leading), CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
  }

 private:
  /// A sum of no products.
  static void clear(const MatmulProblem& problem) {
    if (problem.is_accumulating) {
      return;
    }
    const std::int64_t element = size_of(problem.c_dtype);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      cuda_device().fill_zero(static_cast<std::byte*>(problem.c) + i * problem.c_leading * element, problem.n * element,
                              cuda_device().compute_stream());
    }
  }

  Buffer workspace_;  // outlives the handle
  UniqueHandle<HandleTraits> handle_;
};

}  // namespace

std::unique_ptr<Matmul> make_cuda_matmul(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CublasMatmul>();
}

}  // namespace ringworld
