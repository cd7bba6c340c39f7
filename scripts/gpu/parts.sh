# shellcheck shell=bash disable=SC2154
# What measure.sh runs, part by part. Sourced. `step KIND NAME SECONDS [--grace SECONDS] COMMAND...`, where KIND is
#
#   probe   finds out whether there is a GPU
#   gpu     runs where there is one
#   tests   runs anywhere, is GoogleTest's, and has to run at least one test; without a GPU they skip
#
# SECONDS and the grace after them (10 unless told: from SIGTERM to SIGKILL) of a part's steps add up to its whole time.
# The caller sets `run` (the words before a program of ours), `programs` (the folder that they lie in), `configs`
# (ours), `here` (this folder), `python`, `work` (where records go: PART.NAME.json or .h5) and `scratch` (where
# checkpoints go).

# The first step of every part: whether there is a GPU is read from how it ended.
device() {
  step probe info "$1" --grace 5 "${run[@]}" ringworld info --backend cuda --seconds 0.2
}

# One case runs forward and backward of one head size, with documents or without: the Hopper kernels are eight.
hopper_cases=(
  LargeTiles/BlockAttentionCase.EqualsDenseAttention/cuda_one_hidden_d64
  LargeTiles/BlockAttentionCase.EqualsDenseAttention/cuda_one_hidden_d128
  DocumentsOfLargeHeads/BlockAttentionCase.EqualsDenseAttention/cuda_sevens_causal_d64
  DocumentsOfLargeHeads/BlockAttentionCase.EqualsDenseAttention/cuda_sevens_causal_d128
)

elementwise_families=(norm rope swiglu embedding loss optimizer tensor)
other_families=(matmul "${elementwise_families[@]}" convolution upsampling group_norm vector_quantizer reconstruction_loss)

# Whether the kernels start at all, and are right. A kernel that hangs costs its own step.
part_smoke() {
  local name
  device 20
  step tests test_device 20 --grace 5 "${run[@]}" test_device
  for name in "${hopper_cases[@]}"; do
    step tests "${name##*/cuda_}" 20 --grace 5 "${run[@]}" test_kernels_attention --gtest_filter="$name"
  done
  # The forward kernel that needs no queue of tiles, should the other one hang.
  step tests grid_of_tiles 20 --grace 5 env RINGWORLD_HOPPER_GRID=tiles "${run[@]}" test_kernels_attention \
    --gtest_filter="$(printf '%s:' "${hopper_cases[@]}")"
  step tests hopper_path 10 --grace 5 "${run[@]}" test_kernels_attention --gtest_filter='HopperPath.*'
  step tests test_kernels_attention 40 --grace 5 "${run[@]}" test_kernels_attention --gtest_brief=1 \
    --gtest_filter='*cuda*'
}

# bench NAME SECONDS FAMILY FILTER [VARIABLE=VALUE ...]
bench() {
  step gpu "$1" "$2" --grace 5 env "${@:5}" "${run[@]}" "bench_$3" --benchmark_filter="$4" \
    --benchmark_out_format=json --benchmark_out="$work/$part.$1.json"
}

# How fast they are, beside a matrix product and beside PyTorch.
part_speed() {
  local overlap family
  device 25
  bench matmul 25 matmul '^cuda/bfloat16/square/'
  bench attention 75 attention '^(forward|accumulate|backward)/cuda/bfloat16/'
  # Softmax under the product before it, or after it.
  for overlap in on off; do
    bench "overlap_$overlap" 20 attention '^accumulate/cuda/bfloat16/S:16384/' "RINGWORLD_HOPPER_OVERLAP=$overlap"
  done
  step gpu pytorch 120 "$python" "$here/bench_pytorch.py" --head-size 64,128 --context-length 4096,16384 \
    --output "$work/speed.pytorch.json"
  for family in "${elementwise_families[@]}"; do
    bench "$family" 16 "$family" '/cuda/'
  done
}

# Cases small enough for a tool that slows kernels down a hundredfold: every path of attention, and rows of masks.
sanitizer_cases() {
  printf '%s:' "${hopper_cases[@]}" TypesAndHeadSizes/BlockAttentionCase.EqualsDenseAttention/cuda_{fp32_d64,bf16_d32} \
    Backends/BlockAttentionViews.GradientsAreAddedToWhatIsThere/cuda \
    Shapes/BlockAttentionCase.EqualsDenseAttention/cuda_tiny
}

sanitizer() {
  local checker
  checker=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
  step tests "$1" 70 --grace 5 "${run[@]}" "$checker" --tool "$1" --error-exitcode 3 "$programs/test_kernels_attention" \
    --gtest_filter="$(sanitizer_cases)"
}

# What takes longer: both grids of the forward kernel, rings, a million tokens, training, memory and races, the other kernels.
part_deep() {
  local grid attention=(ringworld attention --backend cuda --dtype bfloat16 --head-size 128 --heads 8)
  device 20
  # Both grids of the forward kernel: the state of a tile moves beside products, or not.
  for grid in persistent tiles; do
    bench "grid_$grid" 25 attention '^(forward|accumulate)/cuda/bfloat16/' "RINGWORLD_HOPPER_GRID=$grid"
  done
  # Several ranks take turns on the GPU: right or wrong shows here, overlap does not.
  step gpu ring 45 --grace 5 "${run[@]}" mpirun -n 4 "${attention[@]}" --transport staged --ranks 1,2,4 --context-length 16K \
    --pass forward_backward --warmup 1 --repeats 2 --output "$work/deep.ring.h5"
  step gpu million 110 --grace 5 "${run[@]}" "${attention[@]}" --ranks 1 --context-length 1M --pass forward_backward --warmup 0 \
    --repeats 1 --output "$work/deep.million.h5"
  step gpu train 55 --grace 5 "${run[@]}" ringworld train --config "$configs/train/config/gpu_200m.toml" --backend cuda \
    --dtype bfloat16 --checkpoint "$scratch/model.h5" --output "$work/deep.train.h5"
  sanitizer memcheck
  sanitizer racecheck
  step tests attention_mma 25 --grace 5 env RINGWORLD_CUDA_ATTENTION=mma "${run[@]}" test_kernels_attention \
    --gtest_brief=1 --gtest_filter='*Documents*cuda*:*LargeTiles*cuda*'
  # shellcheck disable=SC2016  # the inner shell's variable
  step tests other_kernels 40 --grace 5 "${run[@]}" bash -c 'set -e; for family in "$@"; do
    "test_kernels_$family" --gtest_brief=1 --gtest_filter="*cuda*:*cublas*"; done' _ "${other_families[@]}"
}
