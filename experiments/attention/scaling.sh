#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
largest=1024
output=""

usage() {
  cat <<'HELP'
Simulates weak and strong scaling of a forward pass on 1 to N ranks of DGX H100 nodes, a record for each number of ranks.

  experiments/attention/scaling.sh --output DIR [--largest N]

  strong   1M tokens in all        weak   8K tokens a rank
  zigzag, causal, 32 heads of 128 with 8 heads of keys, bfloat16; kernels at the published rates of FlashAttention-3
  (experiments/claims/rates/h100_fa3.toml)

A record that is there already is kept. Draw them with
  python -m ringworld_analysis report DIR/*.h5 --output PAGE
HELP
}

while (($# > 0)); do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --output) output=${2:?--output needs a folder} && shift 2 ;;
    --largest) largest=${2:?--largest needs a number} && shift 2 ;;
    *) echo "scaling: unknown argument '$1' (see --help)" >&2 && exit 2 ;;
  esac
done
[[ -n $output ]] || { echo "scaling: --output is missing (see --help)" >&2 && exit 2; }
[[ $largest =~ ^[1-9][0-9]*$ ]] || { echo "scaling: --largest takes a number, not '$largest'" >&2 && exit 2; }

mkdir -p "$output"
for ((ranks = 1; ranks <= largest; ranks *= 4)); do
  record="$output/simulated-$ranks.h5"
  [[ ! -e $record ]] || continue
  weak=$((8192 * ranks))
  contexts=1048576
  ((weak == contexts)) || contexts=$weak,$contexts
  "$root/scripts/simulate.sh" -n "$ranks" --platform dgx_h100 attention --backend simulated \
    --rates "$root/experiments/claims/rates/h100_fa3.toml" --dtype bfloat16 --layout zigzag --heads 32 --kv-heads 8 \
    --head-size 128 --context-length "$contexts" --repeats 1 --warmup 0 --output "$record"
done
