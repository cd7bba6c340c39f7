#pragma once
/// @file  The part of cuBLAS that the project uses: matrix products, columns first.
/// Source: cuBLAS API, "cublasGemmEx".

#include <cuda_runtime_api.h>

#include <cstddef>

enum cudaDataType_t { CUDA_R_32F = 0, CUDA_R_16BF = 14 };

using cublasHandle_t = struct cublasContext*;
enum cublasStatus_t { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_INVALID_VALUE = 7 };
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F = 68 };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT = -1 };
enum cublasMath_t { CUBLAS_DEFAULT_MATH = 0, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16 };

cublasStatus_t cublasCreate(cublasHandle_t* handle);
cublasStatus_t cublasDestroy(cublasHandle_t handle);
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream);
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t bytes);
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode);
const char* cublasGetStatusString(cublasStatus_t status);

/// Enqueues c (m, n) = alpha op(a) (m, k) op(b) (k, n) + beta c; c is not read where beta is 0.
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType_t a_type, int a_leading,
                            const void* b, cudaDataType_t b_type, int b_leading, const void* beta, void* c,
                            cudaDataType_t c_type, int c_leading, cublasComputeType_t compute,
                            cublasGemmAlgo_t algorithm);
