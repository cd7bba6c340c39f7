#include "kernels/attention/cuda/hopper/document_summary.cuh"

#include "device/cuda/launch.cuh"

namespace ringworld::cuda::hopper {
namespace {

constexpr int warps = 4;

/// A warp summarises a group. Grid: (groups / warps, B).
__global__ void __launch_bounds__(32 * warps) summarize(Documents documents, int tokens, DocumentSummaries summaries) {
  const int b = static_cast<int>(blockIdx.y);
  const int group = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (group >= summaries.groups) {
    return;
  }
  DocumentSummary found;
  const int end = min((group + 1) * summary_tokens, tokens);
  for (int t = group * summary_tokens + lane; t < end; t += 32) {
    found.add(documents.at(b, t));
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    found.add(DocumentSummary{.smallest = __shfl_xor_sync(all_lanes, found.smallest, distance),
                              .largest = __shfl_xor_sync(all_lanes, found.largest, distance)});
  }
  if (lane == 0) {
    summaries.data[static_cast<std::int64_t>(b) * summaries.groups + group] = found;
  }
}

}  // namespace

void summarize_documents(const Documents& documents, int batch, int tokens, const DocumentSummaries& summaries,
                         cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>((summaries.groups + warps - 1) / warps);
  launch(summarize, {.grid = dim3(blocks, static_cast<unsigned>(batch)), .block = 32 * warps}, stream, documents,
         tokens, summaries);
}

}  // namespace ringworld::cuda::hopper
