#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
netlab="$root/scripts/netlab.sh"
python="$root/.venv/bin/python"
judge="$root/scripts/netlab/judge_overlap.py"

# Long shards of few heads: compute grows with the square of the shard and bytes do not, so that what sending costs in
# CPU time, which no polling hides, stays a small share.
context_length=32768
heads=2
head_size=128
repeats=5
fraction=0.8
program="$root/build/release/bin/ringworld"
records=""
job=""
exit_unsteady=3

usage() {
  cat <<HELP
Tells whether the ring hides its communication behind compute, on a link made just slow enough to matter.

  scripts/netlab.sh check [--context-length S] [--heads H] [--head-size D] [--repeats R] [--fraction F]
                          [--program FILE]

1. measures compute and bytes of one hop on a link without a limit,
2. sets the link so that communication takes F of compute's time                       (default F = $fraction)
3. measures compute only, communication only and both, with polling on and off, and demands
   on:  at least 90 % of communication hidden       off: less than 15 % hidden

Wants an otherwise idle machine. Where compute changes its speed meanwhile, it sets the link anew, up to three times.

Defaults: S = $context_length tokens, H = $heads, D = $head_size, R = $repeats repeats, program build/release/bin/ringworld.
Exit code: 0 both hold, 1 one does not, 2 bad usage or set-up, 77 (skipped) where namespaces cannot be made.
HELP
}

fail_usage() {
  echo "netlab check: $1" >&2
  exit 2
}

# Nothing may travel by itself: what is hidden without polling would be the kernel's doing. Open MPI's own limit, above
# which a message waits for its receiver's answer.
export OMPI_MCA_btl_tcp_eager_limit=65536

# probe RATE POLLING FILE
probe() {
  local code=0
  "$netlab" --rate "$1" -- "$program" attention --ranks 2 --context-length "$context_length" --heads "$heads" \
    --head-size "$head_size" --layout zigzag --pass forward --repeats 1 --overlap-probe true \
    --probe-repeats "$repeats" --polling "$2" --output "$3" >"$3.log" 2>&1 &
  job=$!
  wait "$job" || code=$?
  job=""
  if ((code != 0)); then
    cat "$3.log" >&2
    exit "$code"
  fi
}

tear_down() {
  if [[ -n $job ]]; then
    kill -TERM "$job" 2>/dev/null || true
    wait "$job" 2>/dev/null || true
  fi
  rm -rf "$records"
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --context-length) context_length=${2:?$1 needs a value} ;;
      --heads) heads=${2:?$1 needs a value} ;;
      --head-size) head_size=${2:?$1 needs a value} ;;
      --repeats) repeats=${2:?$1 needs a value} ;;
      --fraction) fraction=${2:?$1 needs a value} ;;
      --program) program=${2:?$1 needs a value} ;;
      *) fail_usage "unknown argument '$1' (see scripts/netlab.sh check --help)" ;;
    esac
    shift 2
  done
}

main() {
  local rate basis attempt code
  parse "$@"
  [[ -x $program ]] || fail_usage "$program is not there; run scripts/setup.sh first"
  "$python" -c 'import h5py' 2>/dev/null || fail_usage "$python has no h5py; run scripts/setup.sh first"
  records=$(mktemp -d)
  trap tear_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' HUP TERM

  echo "netlab check: S = $context_length, H = $heads, D = $head_size, 2 ranks on two hosts"
  probe unlimited true "$records/unlimited.h5"
  for attempt in 1 2 3; do
    # On a busy machine compute may have changed its speed since: the last probe then sets the link anew.
    basis="$records/polling$((attempt - 1)).h5"
    [[ -f $basis ]] || basis="$records/unlimited.h5"
    rate=$("$python" "$judge" rate "$basis" --fraction "$fraction")
    echo "netlab check: link set to $rate each way, so that communication takes $fraction of compute"
    probe "$rate" true "$records/polling$attempt.h5"
    probe "$rate" false "$records/no_polling$attempt.h5"
    code=0
    "$python" "$judge" verdict "$records/polling$attempt.h5" "$records/no_polling$attempt.h5" || code=$?
    ((code == exit_unsteady)) || return "$code"
  done
  return 1
}

main "$@"
