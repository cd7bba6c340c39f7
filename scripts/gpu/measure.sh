#!/usr/bin/env bash
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build="$root/build/cuda"
bundle=""
output="gpu-$(date -u +%Y%m%dT%H%M%SZ)"
python=""
wants_tests=true
wants_sanitizer=true

usage() {
  cat <<'HELP'
Checks and measures the CUDA backend on this machine's GPU, everything in one call, and ends with one table.

  scripts/gpu/measure.sh [--build DIR | --bundle DIR] [--output DIR] [--python PATH] [--no-tests] [--no-sanitizer]

  --build DIR    a build of the preset cuda                                  (default build/cuda)
  --bundle DIR   a folder made by scripts/bundle.sh, in place of a build
  --output DIR   logs, JSON and HDF5 records go there                       (default gpu-<UTC time>)
  --python PATH  a Python that has PyTorch with CUDA, to compare with        (default python3, if it has)
  --no-tests, --no-sanitizer   leave those out

In order: device and build, all tests, compute-sanitizer (memcheck, racecheck) on small shapes, attention and matrix
products, element-wise kernels, PyTorch on the same shapes, rings of 1, 2 and 4 ranks that share the GPU, a sequence of
1,048,576 tokens, training steps of the 200m preset at 32K tokens. A part that fails is named in the table, and the
others still run; the exit code is then 1.
HELP
}

fail_usage() {
  echo "measure: $1 (see scripts/gpu/measure.sh --help)" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --build) build=${2:?--build needs a value} && shift ;;
      --bundle) bundle=${2:?--bundle needs a value} && shift ;;
      --output) output=${2:?--output needs a value} && shift ;;
      --python) python=${2:?--python needs a value} && shift ;;
      --no-tests) wants_tests=false ;;
      --no-sanitizer) wants_sanitizer=false ;;
      *) fail_usage "unknown argument '$1'" ;;
    esac
    shift
  done
  if [[ -n $bundle ]]; then
    [[ -x $bundle/run ]] || fail_usage "'$bundle/run' is missing: --bundle takes a folder of scripts/bundle.sh"
    bundle=$(cd "$bundle" && pwd)
  else
    [[ -x $build/bin/ringworld ]] || fail_usage "'$build/bin/ringworld' is missing: scripts/setup.sh --preset cuda builds it"
    build=$(cd "$build" && pwd)
  fi
}

# program NAME ARGUMENT...: one of ours. ranks N NAME ARGUMENT...: the same under the launcher.
program() {
  if [[ -n $bundle ]]; then "$bundle/run" "$@"; else "$build/bin/$1" "${@:2}"; fi
}
ranks() {
  if [[ -n $bundle ]]; then
    "$bundle/run" mpirun -n "$1" "${@:2}"
  else
    mpirun -n "$1" "$build/bin/$2" "${@:3}"
  fi
}
experiments() { echo "${bundle:-$root}/experiments"; }

# part NAME COMMAND...: output goes to NAME.log; how it ended goes to parts.txt, for the table.
part() {
  local name=$1 code=0 started
  started=$(date +%s)
  shift
  printf '==== %s\n' "$name"
  "$@" >"$output/$name.log" 2>&1 </dev/null || code=$?
  printf '%s %d %d\n' "$name" "$code" "$(($(date +%s) - started))" >>"$output/parts.txt"
  ((code == 0)) || tail -n 5 "$output/$name.log" | sed 's/^/     | /'
}

device() {
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.max.sm,clocks_throttle_reasons.active \
    --format=csv || true
  program ringworld info
}

tests() {
  if [[ -n $bundle ]]; then
    "$bundle/run_tests"
  else
    ctest --test-dir "$build" --output-on-failure --timeout 600
  fi
}

sanitizer() {
  local tool=$1 checker
  checker=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
  [[ -x $checker ]] || { echo "compute-sanitizer is not on this machine" && return 1; }
  program "$checker" --tool "$tool" --error-exitcode 3 "${bundle:-$build}/bin/test_kernels_attention" \
    --gtest_filter='*[cC]uda*'
}

bench() {
  local name=$1 filter=$2
  program "bench_$name" --benchmark_filter="$filter" --benchmark_out="$output/bench_$name.json" --benchmark_out_format=json
}

elementwise() {
  local family
  for family in norm rope mlp embedding loss optimizer tensor; do
    bench "$family" '/cuda/'
  done
}

pytorch() {
  "${python:-python3}" "$here/bench_pytorch.py" --heads 32 --context-length 16384 --head-size 128 --output "$output/pytorch.json"
}

# Several ranks share the GPU, so blocks travel through the host's memory.
ring() {
  ranks 4 ringworld attention --backend cuda --transport staged --ranks 1,2,4 --context-length 32K --heads 8 --head-size 128 \
    --dtype bfloat16 --pass forward_backward --layout zigzag,striped --repeats 5 --output "$output/ring.h5"
}

million() {
  program ringworld attention --backend cuda --ranks 1 --context-length 1M --heads 8 --head-size 128 --dtype bfloat16 \
    --pass forward_backward --warmup 1 --repeats 3 --output "$output/million.h5"
}

train() {
  program ringworld train --config "$(experiments)/train/config/gpu_200m.toml" --backend cuda --dtype bfloat16 \
    --checkpoint "$output/model.h5" --output "$output/train.h5"
}

main() {
  parse "$@"
  mkdir -p "$output"
  output=$(cd "$output" && pwd)
  : >"$output/parts.txt"
  part device device
  [[ $wants_tests == false ]] || part tests tests
  if [[ $wants_sanitizer == true ]]; then
    part memcheck sanitizer memcheck
    part racecheck sanitizer racecheck
  fi
  part attention bench attention '^(forward|backward)/cuda/bfloat16/S:16384/D:128/H:32'
  part matmul bench matmul 'cuda/'
  part elementwise elementwise
  part pytorch pytorch
  part ring ring
  part million million
  part train train
  "${python:-python3}" "$here/summarize.py" "$output"
}

main "$@"
