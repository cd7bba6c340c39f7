#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
name=ringworld-gpu
build=""
output="$root/.gpu/$name.tar.xz"
jobs=$(nproc)
most_bytes=$((60 << 20))
# What measure.sh runs, and the other tests of what runs on a GPU, for run_tests.
programs='ringworld bench_* test_kernels_* test_*device*'

usage() {
  cat <<'HELP'
Makes one small archive of the CUDA build for a machine with a GPU where nothing can be installed, and prints the
command that measures there.

  scripts/gpu/pack.sh [--build DIR] [--output FILE] [--jobs N]

  --build DIR    pack this build of the preset cuda
                 (default: one for sm_90a in build/gpu, made or brought up to date)
  --output FILE  the archive                            (default .gpu/ringworld-gpu.tar.xz, which git ignores)
  --jobs N       compile jobs side by side              (default: all cores)

That machine needs what scripts/bundle.sh says, cuBLAS and NCCL among it, and a python3, which unpacks and collects
results.
An archive of more than 60 MiB is an error.
HELP
}

fail() {
  echo "pack: $1" >&2
  exit "${2:-1}"
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --build) build=${2:?--build needs a value} && shift ;;
      --output) output=${2:?--output needs a value} && shift ;;
      --jobs | -j) jobs=${2:?--jobs needs a value} && shift ;;
      *) fail "unknown argument '$1' (see scripts/gpu/pack.sh --help)" 2 ;;
    esac
    shift
  done
  [[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs takes a number, not '$jobs' (see scripts/gpu/pack.sh --help)" 2
}

build_for_hopper() {
  local tests
  build="$root/build/gpu"
  cd "$root"
  # FFmpeg and what it needs are larger than all the rest.
  cmake --preset cuda -B "$build" -DRINGWORLD_CUDA_ARCHITECTURES=90a -DRINGWORLD_ENABLE_FFMPEG=OFF
  mapfile -t tests < <(ninja -C "$build" -t targets all |
    sed -nE 's/^(test_(kernels_[a-z_]+|[a-z_]*device[a-z_]*)): phony$/\1/p')
  cmake --build "$build" --parallel "$jobs" --target programs "${tests[@]}"
}

# Programs hold the same kernels: a dictionary that reaches over several of them keeps one copy. The rest is fast rather
# than small.
compress() {
  python3 - "$@" <<'PYTHON'
import lzma, sys, tarfile
folder, name, output = sys.argv[1:]
filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 128 << 20}]
with lzma.open(output, "wb", filters=filters) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
    archive.add(f"{folder}/{name}", name)
PYTHON
}

main() {
  local scratch bytes
  parse "$@"
  [[ -n $build ]] || build_for_hopper
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # its value of now
  trap "rm -rf '$scratch'" EXIT
  "$root/scripts/bundle.sh" --build "$build" --output "$scratch/$name" --machine-cuda --strip --programs "$programs"
  cp -R "$root/scripts/gpu" "$scratch/$name/gpu"
  mkdir -p "$(dirname "$output")"
  compress "$scratch" "$name" "$output"
  bytes=$(stat --format=%s "$output")
  printf 'pack: %s: %d.%d MiB\n' "$output" "$((bytes >> 20))" "$(((bytes >> 10) % 1024 * 10 / 1024))"
  ((bytes <= most_bytes)) || fail "that is more than $((most_bytes >> 20)) MiB"
  cat <<HINT
Carry it to the other machine and there, with RESULTS a folder for two small files:
  python3 -m tarfile -e ${output#"$root/"} /tmp && /tmp/$name/gpu/measure.sh --parts smoke --output RESULTS
then --parts speed and --parts deep; scripts/gpu/summarize.py joins the summary.json of several calls into one table.
HINT
}

main "$@"
