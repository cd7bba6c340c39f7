#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
base=
candidate="$root/build/release/bin"
flags=()
programs=(bench_attention bench_matmul bench_rope bench_loss)

usage() {
  cat <<'HELP'
Fails when the kernels became slower: runs the benchmarks of two builds in turns.

  scripts/gate.sh --base REVISION|DIR [--candidate DIR] [-- FLAGS]

  --base       a folder of benchmark programs, or a revision, such as origin/main, which is built in build/gate
  --candidate  the folder to judge      (default: build/release/bin)
  FLAGS        of `python -m ringworld_analysis gate`: --case, --limit, --pairs, --most-pairs, --seconds

Exit codes: 0 no case is slower than its limit, 1 one is, 2 bad usage or input.
HELP
}

fail_usage() {
  echo "gate: $1 (see scripts/gate.sh --help)" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --base) base=${2:?--base needs a value} && shift ;;
      --candidate) candidate=${2:?--candidate needs a value} && shift ;;
      --) flags=("${@:2}") && return ;;
      *) fail_usage "unknown argument '$1'" ;;
    esac
    shift
  done
}

# Builds the benchmarks of a revision, in a checkout of its own; prints their folder.
build_revision() {
  local checkout="$root/build/gate/$1"
  if [[ ! -d $checkout ]]; then
    git -C "$root" worktree add --detach "$checkout" "$1" >&2
  fi
  cmake -S "$checkout" --preset release >&2
  cmake --build "$checkout/build/release" --target "${programs[@]}" >&2
  echo "$checkout/build/release/bin"
}

parse "$@"
[[ -n $base ]] || fail_usage "--base is missing"
if [[ ! -d $base ]]; then
  revision=$(git -C "$root" rev-parse --verify --quiet "$base^{commit}") || fail_usage "'$base' is neither a folder nor a revision"
  base=$(build_revision "$revision")
fi
export PYTHONPATH="$root/analysis${PYTHONPATH:+:$PYTHONPATH}"
exec "$root/.venv/bin/python" -m ringworld_analysis gate "$base" "$candidate" "${flags[@]}"
