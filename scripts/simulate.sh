#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
platforms="$root/scripts/simulate/platforms"
program="$root/build/simulated/bin/ringworld"
ranks=""
platform=""
folder=""

usage() {
  cat <<'HELP'
Runs the program on ranks that SimGrid simulates: all of them in one process, on one core, in simulated time.

  scripts/simulate.sh -n RANKS --platform NAME|FILE.toml VERB FLAG...

  -n RANKS           simulated ranks, each on a device of its own
  --platform NAME    network between the devices: flat, dgx_h100, dgx_a100, frontier, tpu_v4, or a TOML file of that form
                     (scripts/simulate/platforms)

  scripts/simulate.sh -n 64 --platform dgx_h100 attention --backend simulated --rates 400e12 --context-length 1M
  scripts/simulate.sh -n 64 --platform dgx_h100 info --links --backend simulated
  scripts/simulate.sh -n 64 --platform dgx_h100 train --backend simulated --rates 400e12 --config FILE

What runs is the program itself, its plans and messages; only kernels pass time in place of computing, as --rates says.
Times are those of the model: links are shared fairly, messages go on while a rank computes, nothing is noisy. So they are a
bound for a machine, not a measurement, and every row says so. Verbs: attention, train (one step of each stage; it
trains nothing) and info --links. scripts/simulate/stages.py runs LWM's stages.

Collectives between devices are rings, one through each port of a node, both ways.

Built with the preset `simulated`: scripts/setup.sh --preset simulated. Needs SimGrid (libsimgrid-dev on Debian and Ubuntu,
`spack install simgrid +smpi`) and a serial HDF5 (libhdf5-dev).
Exit code: that of the program; 2 for bad usage or when SimGrid or the build is missing.
HELP
}

fail() {
  echo "simulate: $1 (see scripts/simulate.sh --help)" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      -n) ranks=${2:?-n needs a number} && shift 2 ;;
      --platform) platform=${2:?--platform needs a name} && shift 2 ;;
      -*) fail "unknown argument '$1'" ;;
      *) break ;;
    esac
  done
  command=("$@")
  [[ $ranks =~ ^[1-9][0-9]{0,5}$ ]] || fail "-n takes a number of ranks, not '$ranks'"
  [[ -n $platform ]] || fail "--platform is missing: $(names), or a file"
  ((${#command[@]} > 0)) || fail "no verb given"
}

names() { (cd "$platforms" && printf '%s\n' *.toml | sed 's/\.toml$//' | paste -sd, | sed 's/,/, /g'); }

file_of_platform() {
  if [[ -f $platform ]]; then
    echo "$platform"
  elif [[ -f $platforms/$platform.toml ]]; then
    echo "$platforms/$platform.toml"
  else
    fail "there is no platform '$platform': $(names), or a file"
  fi
}

main() {
  local file host
  parse "$@"
  command -v smpirun >/dev/null ||
    fail "SimGrid is missing: install libsimgrid-dev on Debian or Ubuntu, or load or build simgrid +smpi"
  [[ -f $program ]] || fail "$program is not there: scripts/setup.sh --preset simulated"
  file=$(file_of_platform)
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  python3 "$root/scripts/simulate/make_platform.py" "$file" "$ranks" >"$folder/platform.xml"
  for ((host = 0; host < ranks; ++host)); do echo "h$host"; done >"$folder/hosts"
  RINGWORLD_PLATFORM=$(basename "$file" .toml)
  RINGWORLD_PLATFORM_DIGEST=$(sha256sum "$file" | cut -c1-16)
  RINGWORLD_DEVICES_PER_NODE=$(sed -nE 's/^devices_per_node *= *([0-9]+).*/\1/p' "$file")
  RINGWORLD_PLATFORM_PEAK=$(sed -nE 's/^peak_flops_per_second *= *([0-9.e+]+).*/\1/p' "$file")
  RINGWORLD_RING_DEVICES=1
  if grep -Eq '^kind *= *"nodes"' "$file"; then RINGWORLD_RING_DEVICES=$RINGWORLD_DEVICES_PER_NODE; fi
  export RINGWORLD_PLATFORM RINGWORLD_PLATFORM_DIGEST RINGWORLD_DEVICES_PER_NODE RINGWORLD_PLATFORM_PEAK
  export RINGWORLD_RING_DEVICES
  # The network: flows share links fairly, without the corrections that SimGrid makes for Gigabit Ethernet and for windows of
  # TCP. Collectives: algorithms that take about P log P messages. Calls of MPI take no time by themselves, and neither does
  # the program's own code. Statics are shared by the ranks: what belongs to a rank is kept apart by the program.
  smpirun -np "$ranks" -platform "$folder/platform.xml" -hostfile "$folder/hosts" \
    --cfg=network/model:CM02 --cfg=network/crosstraffic:0 --cfg=network/TCP-gamma:1e15 \
    --cfg=smpi/simulate-computation:no --cfg=smpi/privatization:no --cfg=smpi/wtime:0 --cfg=smpi/test:1e-6 \
    --cfg=smpi/shared-malloc:global --cfg=smpi/shared-malloc-blocksize:134217728 --cfg=contexts/stack-size:1024 \
    --cfg=smpi/allgather:bruck --cfg=smpi/bcast:binomial_tree --cfg=smpi/allreduce:rdb --cfg=smpi/barrier:ompi_bruck \
    --cfg=smpi/reduce:binomial --log=root.thres:critical \
    "$program" "${command[@]}"
}

main "$@"
