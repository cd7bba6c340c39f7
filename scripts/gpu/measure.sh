#!/usr/bin/env bash
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/gpu/parts.sh
source "$here/parts.sh"
parts=(smoke speed deep)
build=""
bundle=""
output="gpu-$(date -u +%Y%m%dT%H%M%SZ)"
work=""
python=python3
seconds=0
most_step_seconds=0
is_listing=false
has_gpu=true

usage() {
  cat <<'HELP'
Checks and measures the CUDA backend on this machine's GPU, and ends with one table.

  scripts/gpu/measure.sh [--parts LIST] [--seconds N] [--build DIR | --bundle DIR] [--output DIR] [--work DIR]
                         [--python PATH] [--step-seconds N] [--list]

  --parts LIST      smoke (4 minutes at most): whether every Hopper kernel starts and is right, tests of device and
                    attention
                    speed (8): attention, its kernel alone, matrix product, PyTorch beside them, element-wise kernels
                    deep (9): both grids of the forward kernel, rings of 1, 2 and 4 ranks that share the GPU, 1,048,576
                    tokens, training at 32K tokens, compute-sanitizer's memcheck and racecheck, tests of the other
                    kernels   (default smoke,speed,deep)
  --seconds N       the whole call ends within N seconds   (default: the sum of the steps' limits, which --list shows)
  --build DIR       a build of the preset cuda                        (default build/cuda)
  --bundle DIR      a folder of scripts/bundle.sh in place of a build
                    (default, where scripts/gpu/pack.sh put this: its own)
  --output DIR      gets summary.json and results.tar.gz, both rewritten after every step   (default gpu-<UTC time>)
  --work DIR        logs, records and checkpoints                     (default OUTPUT-work)
  --python PATH     a Python with PyTorch, to compare with            (default python3)
  --step-seconds N  no step gets more than N seconds
  --list            print the steps and their limits, and run nothing

A step that fails, hangs or finds no time left is named in the table, and the others still run.
Exit codes: 0 all right, 1 a step failed, 2 bad usage, 77 there is no GPU here and nothing else went wrong.
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
      --parts) IFS=',' read -r -a parts <<<"${2:?--parts needs a value}" && shift ;;
      --seconds) seconds=${2:?--seconds needs a value} && shift ;;
      --build) build=${2:?--build needs a value} && shift ;;
      --bundle) bundle=${2:?--bundle needs a value} && shift ;;
      --output) output=${2:?--output needs a value} && shift ;;
      --work) work=${2:?--work needs a value} && shift ;;
      --python) python=${2:?--python needs a value} && shift ;;
      --step-seconds) most_step_seconds=${2:?--step-seconds needs a value} && shift ;;
      --list) is_listing=true ;;
      *) fail_usage "unknown argument '$1'" ;;
    esac
    shift
  done
  local name
  for name in "${parts[@]}"; do
    [[ $name =~ ^(smoke|speed|deep)$ ]] || fail_usage "--parts takes smoke, speed and deep, not '$name'"
  done
  [[ $seconds =~ ^[0-9]+$ ]] || fail_usage "--seconds takes a number, not '$seconds'"
  [[ $most_step_seconds =~ ^[0-9]+$ ]] || fail_usage "--step-seconds takes a number, not '$most_step_seconds'"
  if [[ -z $bundle && -z $build && -x $here/../run ]]; then bundle=$here/..; fi
}

# How programs are called: those of a bundle, or of a build.
find_programs() {
  if [[ -n $bundle ]]; then
    [[ -x $bundle/run ]] || fail_usage "'$bundle/run' is missing: --bundle takes a folder of scripts/bundle.sh"
    bundle=$(cd "$bundle" && pwd)
    run=("$bundle/run") programs="$bundle/bin" configs="$bundle/experiments"
  else
    build=${build:-$here/../../build/cuda}
    [[ -x $build/bin/ringworld ]] || fail_usage "'$build/bin/ringworld' is missing: scripts/setup.sh --preset cuda builds it"
    build=$(cd "$build" && pwd)
    run=(env "PATH=$build/bin:$PATH") programs="$build/bin" configs=$(cd "$here/../.." && pwd)/experiments
  fi
}

# step KIND NAME SECONDS [--grace SECONDS] COMMAND...: see parts.sh. How it went is a line of steps.tsv.
step() {
  local kind=$1 name=$2 limit=$3 grace=10 code=0 reason="" started left log="$work/$part.$2.log"
  shift 3
  if [[ $1 == --grace ]]; then grace=$2 && shift 2; fi
  if [[ $is_listing == true ]]; then
    printf '%s\t%s\t%s\t%d\n' "$part" "$name" "$kind" "$((limit + grace))"
    return
  fi
  printf '==== %s: %s\n' "$part" "$name"
  started=$(date +%s)
  left=$((deadline - started - grace))
  if ((most_step_seconds > 0 && limit > most_step_seconds)); then limit=$most_step_seconds; fi
  if [[ $kind == gpu && $has_gpu == false ]]; then
    reason="no GPU"
  elif ((left < 1)); then
    reason="no time left"
  else
    if ((limit > left)); then limit=$left; fi
    timeout -k "$grace" "$limit" "$@" >"$log" 2>&1 </dev/null || code=$?
    if [[ $kind == probe && $code != 0 && $(<"$log") == *"no NVIDIA GPU"* ]]; then
      has_gpu=false reason="no GPU"
    fi
  fi
  printf '%s\t%s\t%s\t%d\t%d\t%d\t%s\n' \
    "$part" "$name" "$kind" "$limit" "$(($(date +%s) - started))" "$code" "$reason" >>"$work/steps.tsv"
  "$python" "$here/collect.py" "$work" "$output" || echo "     what it left could not be collected; the log is $log" >&2
}

run_parts() {
  local part
  for part in "${parts[@]}"; do "part_$part"; done
}

# The sum of all limits of the chosen parts.
seconds_of_all_steps() {
  local sum=0 limit is_listing=true
  while IFS=$'\t' read -r _ _ _ limit; do sum=$((sum + limit)); done <<<"$(run_parts)"
  echo "$sum"
}

main() {
  parse "$@"
  if [[ $is_listing == true ]]; then
    run=() programs="" configs="" scratch=""
    run_parts
    return
  fi
  find_programs
  command -v "$python" >/dev/null || fail_usage "'$python' is missing: results are collected by a Python"
  mkdir -p "$output"
  output=$(cd "$output" && pwd)
  work=${work:-$output-work}
  mkdir -p "$work/scratch"
  work=$(cd "$work" && pwd) scratch="$work/scratch"
  : >"$work/steps.tsv"
  if ((seconds == 0)); then seconds=$(seconds_of_all_steps); fi
  deadline=$(($(date +%s) + seconds))
  run_parts
  "$python" "$here/summarize.py" "$output/summary.json"
}

main "$@"
