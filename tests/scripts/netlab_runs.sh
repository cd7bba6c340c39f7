#!/usr/bin/env bash
# A program runs on two hosts of the network laboratory, and nothing of it is left afterwards. Skips (77) where network
# namespaces may not be made.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$1
before=$(ip netns list 2>/dev/null || true)
code=0
output=$("$root/scripts/netlab.sh" --rate 1gbit -- "$program" info --seconds 0.05 --hop-bytes 1M) || code=$?
((code != 77)) || exit 77
echo "$output"
((code == 0)) || exit "$code"
grep -q "all 2 ranks at work" <<<"$output"
[[ $(grep -c "node-" <<<"$output") == 2 ]] || { echo "the ranks did not see two hosts" >&2 && exit 1; }
[[ $(ip netns list 2>/dev/null || true) == "$before" ]] || { echo "a namespace was left behind" >&2 && exit 1; }

# Two ranks a host are two nodes of two ranks: a double ring takes its window from them.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
output=$("$root/scripts/netlab.sh" --rate 1gbit --ranks-per-host 2 -- "$program" attention --backend simulated \
  --rates 1e13 --context-length 1K --schedule double_ring --repeats 1 --output "$folder/run.h5")
echo "$output"
grep -Eq "1024 +4 +double_ring +2 " <<<"$output" || { echo "four ranks did not see two nodes of two" >&2 && exit 1; }
grep -q "1 points, 1 valid" <<<"$output" || { echo "the point is not valid" >&2 && exit 1; }
