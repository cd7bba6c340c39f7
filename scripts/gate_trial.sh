#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin="$root/build/release/bin"
same=40
slowed=10
slowdown=0.05
kernels=(forward/host/float32/S:1024 backward/host/float32/S:1024 square/1024x1024x1024
  half_split/host/float32/T:32768 forward/host/float32/T:65536/V:512)
flags=()

usage() {
  cat <<'HELP'
Tries the gate on this machine: how often it fails a build against itself, and how often it catches a slowed kernel.

  scripts/gate_trial.sh [--same N] [--slowed N] [--slowdown X] [-- FLAGS]

  --same N      gates of one build against itself                          (default 40)
  --slowed N    gates against that build with one kernel slowed, each      (default 10)
                attention forward, attention backward, matmul, RoPE, loss in turn
  --slowdown X  by how much                                                (default 0.05)
  FLAGS         of the gate (scripts/gate.sh --help)

A gate that catches a slowed kernel has to name it and no other. Logs lie in build/logs/gate_trial.
HELP
}

fail_usage() {
  echo "gate_trial: $1 (see scripts/gate_trial.sh --help)" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --same) same=${2:?--same needs a value} && shift ;;
      --slowed) slowed=${2:?--slowed needs a value} && shift ;;
      --slowdown) slowdown=${2:?--slowdown needs a value} && shift ;;
      --) flags=("${@:2}") && return ;;
      *) fail_usage "unknown argument '$1'" ;;
    esac
    shift
  done
  [[ $same$slowed =~ ^[0-9]+$ ]] || fail_usage "--same and --slowed take numbers"
}

# slow_build KERNEL: a folder of programs that are those of the build, with one kernel slowed.
slow_build() {
  local program
  rm -rf "$folder/slowed"
  mkdir -p "$folder/slowed"
  for program in "$bin"/bench_*; do
    printf '#!/bin/sh\nRINGWORLD_BENCH_SLOWDOWN=%s RINGWORLD_BENCH_SLOWED=%s exec %s "$@"\n' "$slowdown" "$1" "$program" \
      >"$folder/slowed/${program##*/}"
    chmod +x "$folder/slowed/${program##*/}"
  done
}

# gate LOG CANDIDATE: prints the cases that it calls slower.
gate() {
  local code=0
  "$root/scripts/gate.sh" --base "$bin" --candidate "$2" ${flags[@]+-- "${flags[@]}"} >"$1" 2>&1 || code=$?
  ((code < 2)) || { cat "$1" >&2 && exit "$code"; }
  grep ' slower$' "$1" | cut -d ' ' -f 1 || true
}

parse "$@"
folder="$root/build/logs/gate_trial"
mkdir -p "$folder"
alarms=0
for ((run = 1; run <= same; ++run)); do
  found=$(gate "$folder/same$run.log" "$bin")
  [[ -z $found ]] || alarms=$((alarms + 1))
  echo "same $run of $same: ${found:-none slower}"
done
caught=0
others=0
for ((run = 1; run <= slowed; ++run)); do
  kernel=${kernels[(run - 1) % ${#kernels[@]}]}
  slow_build "$kernel"
  found=$(gate "$folder/slowed$run.log" "$folder/slowed")
  ! grep -qF "$kernel" <<<"$found" || caught=$((caught + 1))
  ! grep -vF "$kernel" <<<"$found" | grep -q . || others=$((others + 1))
  echo "slowed $run of $slowed, $kernel: ${found:-none slower}"
done
echo "$alarms of $same gates of one build failed; $caught of $slowed slowed kernels were caught, and $others gates named another"
