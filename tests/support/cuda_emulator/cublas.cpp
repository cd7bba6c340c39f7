#include <cublas_v2.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/bf16.hpp"
#include "support/cuda_emulator/stream.hpp"

struct cublasContext {
  cudaStream_t stream = nullptr;
};

namespace {

/// A matrix in device memory, columns first.
struct Matrix {
  void* data = nullptr;
  cudaDataType_t type = CUDA_R_32F;
  std::int64_t leading = 0;

  [[nodiscard]] float get(std::int64_t row, std::int64_t column) const {
    const std::int64_t index = row + column * leading;
    return type == CUDA_R_32F ? static_cast<const float*>(data)[index]
                              : static_cast<float>(static_cast<const ringworld::bf16*>(data)[index]);
  }
  void set(std::int64_t row, std::int64_t column, float value) const {
    const std::int64_t index = row + column * leading;
    if (type == CUDA_R_32F) {
      static_cast<float*>(data)[index] = value;
    } else {
      static_cast<ringworld::bf16*>(data)[index] = ringworld::bf16(value);
    }
  }
};

struct Product {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  Matrix a, b, c;
  bool is_a_transposed = false;
  bool is_b_transposed = false;
  float alpha = 1;
  float beta = 0;

  void run() const {
    std::vector<float> left(static_cast<std::size_t>(m * k));  // (k, m): what a sum over k adds up lies side by side
    for (std::int64_t p = 0; p < k; ++p) {
      for (std::int64_t i = 0; i < m; ++i) {
        left[static_cast<std::size_t>(p * m + i)] = is_a_transposed ? a.get(p, i) : a.get(i, p);
      }
    }
    std::vector<float> sums(static_cast<std::size_t>(m));
    for (std::int64_t j = 0; j < n; ++j) {
      std::ranges::fill(sums, 0.0F);
      for (std::int64_t p = 0; p < k; ++p) {
        const float right = is_b_transposed ? b.get(j, p) : b.get(p, j);
        const float* column = left.data() + p * m;
        for (std::size_t i = 0; i < sums.size(); ++i) {
          sums[i] += column[i] * right;
        }
      }
      for (std::int64_t i = 0; i < m; ++i) {
        const float sum = alpha * sums[static_cast<std::size_t>(i)];
        c.set(i, j, beta == 0.0F ? sum : sum + beta * c.get(i, j));
      }
    }
  }
};

}  // namespace

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  *handle = std::make_unique<cublasContext>().release();
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  const std::unique_ptr<cublasContext> owned(handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t /*handle*/, void* workspace, std::size_t /*bytes*/) {
  return reinterpret_cast<std::uintptr_t>(workspace) % 256 == 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t /*handle*/, cublasMath_t /*mode*/) { return CUBLAS_STATUS_SUCCESS; }

const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_INVALID_VALUE";
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType_t a_type, int a_leading,
                            const void* b, cudaDataType_t b_type, int b_leading, const void* beta, void* c,
                            cudaDataType_t c_type, int c_leading, cublasComputeType_t /*compute*/,
                            cublasGemmAlgo_t /*algorithm*/) {
  const bool is_a_transposed = a_operation == CUBLAS_OP_T;
  const bool is_b_transposed = b_operation == CUBLAS_OP_T;
  // What cuBLAS refuses.
  if (m < 0 || n < 0 || k < 0 || a_leading < std::max(1, is_a_transposed ? k : m) ||
      b_leading < std::max(1, is_b_transposed ? n : k) || c_leading < std::max(1, m) || a_type != b_type ||
      (a_type == CUDA_R_32F && c_type != CUDA_R_32F)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const Product product{.m = m,
                        .n = n,
                        .k = k,
                        .a = {const_cast<void*>(a), a_type, a_leading},
                        .b = {const_cast<void*>(b), b_type, b_leading},
                        .c = {c, c_type, c_leading},
                        .is_a_transposed = is_a_transposed,
                        .is_b_transposed = is_b_transposed,
                        .alpha = *static_cast<const float*>(alpha),
                        .beta = *static_cast<const float*>(beta)};
  cuda_emulator::enqueue(handle->stream, [product] { product.run(); });
  return CUBLAS_STATUS_SUCCESS;
}
