#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/mpi_environment.sh
source "$root/scripts/lib/mpi_environment.sh"

exit_skip=77
rate_pattern='^([0-9]+(\.[0-9]+)?)([kmg]?bit)$'
lab=ringworld-$$
pair=()
job=""
ranks_per_host=1

usage() {
  cat <<'HELP'
Runs an MPI program on two "hosts" of this machine that are joined by a link of known speed.

  scripts/netlab.sh [--rate RATE] [--latency TIME] [--ranks-per-host R] -- PROGRAM ARGS...
  scripts/netlab.sh check [--help]
  scripts/netlab.sh schedules [--help]
  scripts/netlab.sh simulation [--help]

    node-a                                  node-b
  +--------+   tbf RATE ->   <- tbf RATE  +--------+     a host = network namespace + host name of its own
  | rank 0 |--------------veth------------| rank 1 |     a rank = one process on one core
  +--------+                              +--------+     Open MPI speaks TCP over the link, and nothing else

  --rate RATE      speed of each direction, as tc writes it: 200mbit, 1gbit, ... or unlimited  (default 1gbit)
  --latency TIME   one-way delay added by netem: 0, 100us, 1ms, ...                            (default 0)
  --ranks-per-host R   ranks of each host, which speak through shared memory there             (default 1)

  check            tells whether the ring hides its communication behind compute; see `netlab.sh check --help`
  schedules        the same for schedules side by side on 2 hosts x 2 ranks, and what crosses the link
  simulation       holds passes over the link against the same passes on simulated ranks (scripts/simulate.sh)

Needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN), iproute2, util-linux and Open MPI.
Exit code: that of the program; 2 for bad usage; 77 (skipped) where namespaces cannot be made.
HELP
}

fail_usage() {
  echo "netlab: $1 (see scripts/netlab.sh --help)" >&2
  exit 2
}

skip() {
  echo "netlab: skipped: $1" >&2
  exit "$exit_skip"
}

host_namespace() { echo "$lab-node-$1"; }

# Kills whatever still runs on the two hosts, then takes them away; the link goes with them.
tear_down() {
  local namespace pids
  trap '' INT TERM HUP
  for namespace in "${pair[@]}"; do
    pids=$(ip netns pids "$namespace" 2>/dev/null || true)
    # shellcheck disable=SC2086  # a list of numbers
    [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
  done
  [[ -z $job ]] || wait "$job" 2>/dev/null || true
  for namespace in "${pair[@]}"; do
    ip netns del "$namespace" 2>/dev/null || true
  done
  pair=()
}

on_signal() {
  exit $((128 + $1))
}

require_tools() {
  local tool
  for tool in ip tc nsenter unshare taskset hostname mpirun; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
  done
}

make_hosts() {
  local side namespace reason
  trap tear_down EXIT
  trap 'on_signal 1' HUP
  trap 'on_signal 2' INT
  trap 'on_signal 15' TERM
  for side in a b; do
    namespace=$(host_namespace "$side")
    reason=$(ip netns add "$namespace" 2>&1) || skip "may not create a network namespace (${reason%%$'\n'*})"
    pair+=("$namespace")
  done
  reason=$(unshare --uts true 2>&1) || skip "may not create a host name namespace (${reason%%$'\n'*})"
  reason=$(ip link add link0 netns "$(host_namespace a)" type veth peer name link0 netns "$(host_namespace b)" 2>&1) ||
    skip "may not create a veth link (${reason%%$'\n'*})"
  for side in a b; do
    namespace=$(host_namespace "$side")
    ip -n "$namespace" link set lo up
    ip -n "$namespace" address add "10.77.0.$([[ $side == a ]] && echo 1 || echo 2)/30" dev link0
    ip -n "$namespace" link set link0 up
    steady_tcp "$namespace"
  done
}

# A machine may default to a congestion control that probes for bandwidth (bbr), or start slowly after each pause of a
# few 100 ms: both would show up as an uneven link.
steady_tcp() {
  nsenter --net="/run/netns/$1" sh -c '
    cd /proc/sys/net/ipv4
    echo reno >tcp_congestion_control
    echo 0 >tcp_slow_start_after_idle' || echo "netlab: TCP settings of the hosts stay as they are" >&2
}

# rate_in_bits RATE: bits a second of 200mbit, 1gbit, ... as tc reads them.
rate_in_bits() {
  local number unit
  [[ $1 =~ $rate_pattern ]]
  number=${BASH_REMATCH[1]} unit=${BASH_REMATCH[3]}
  awk -v number="$number" -v unit="$unit" \
    'BEGIN { scale["bit"] = 1; scale["kbit"] = 1e3; scale["mbit"] = 1e6; scale["gbit"] = 1e9
             printf "%.0f\n", number * scale[unit] }'
}

# The bucket holds 4 ms of traffic: more than the 64 KiB that the kernel hands over as one packet, which tbf would
# have to cut, and so little that the unpaid first burst is lost in a transfer of many MiB: with 256 KiB, a hop of 4 MiB
# looked 3 % faster than what one of 8 MiB had calibrated.
burst_bytes() {
  local bytes=$(($1 / 8 / 250))
  ((bytes > 128 * 1024)) || bytes=$((128 * 1024))
  ((bytes < 1024 * 1024)) || bytes=$((1024 * 1024))
  echo "$bytes"
}

limit_link() {
  local rate=$1 latency=$2 side namespace parent bits=0
  if [[ $rate != unlimited ]]; then
    bits=$(rate_in_bits "$rate")
  fi
  for side in a b; do
    namespace=$(host_namespace "$side")
    parent=(root)
    if ((bits > 0)); then
      tc -n "$namespace" qdisc add dev link0 "${parent[@]}" handle 1: \
        tbf rate "${bits}bit" burst "$(burst_bytes "$bits")" latency 200ms 2>/dev/null || skip "this kernel has no tbf"
      parent=(parent 1:1)
    fi
    if [[ $latency != 0 ]]; then
      tc -n "$namespace" qdisc add dev link0 "${parent[@]}" handle 10: netem delay "$latency" limit 100000 2>/dev/null || skip "this kernel has no netem, so no --latency"
    fi
  done
}

# A long message is sent only when its receiver has answered that it may come. The answer takes the socket in which the
# other direction's data lie, and waits behind megabytes of them: by chance of timing the two directions then run one
# after the other, and take twice as long. Messages of up to 16 MiB are therefore sent at once, as a network card with
# a queue for each direction would; and longer ones as fragments, not by RDMA emulated over TCP, whose requests wait so
# for each fragment.
avoid_serialised_directions() {
  export OMPI_MCA_btl_tcp_flags="${OMPI_MCA_btl_tcp_flags:-send,inplace}"
  export OMPI_MCA_btl_tcp_eager_limit="${OMPI_MCA_btl_tcp_eager_limit:-16777216}"
}

# run_on_pair PROGRAM ARGS...: the first half of the ranks on node-a, the others on node-b.
run_on_pair() {
  local code=0 ranks=$((2 * ranks_per_host)) within=self
  # Open MPI takes the ranks of one host for those of one node.
  ((ranks_per_host == 1)) || within=self,vader
  prepare_mpi "$ranks"
  avoid_serialised_directions
  export RINGWORLD_NETLAB=$lab
  PATH="$root/scripts/netlab:$PATH" "$root/scripts/netlab/enter_host.sh" node-a exec mpirun \
    -n "$ranks" --host "node-a:$ranks_per_host,node-b:$ranks_per_host" --map-by slot --bind-to none \
    --mca plm rsh --mca plm_rsh_agent enter_host.sh \
    --mca pml ob1 --mca btl "tcp,$within" --mca btl_tcp_if_include link0 --mca oob_tcp_if_include link0 \
    "$(printf '%q' "$root/scripts/netlab/pin_rank.sh")" "$(printf '%q ' "$@")" <&0 &
  job=$!
  wait "$job" || code=$?
  job=""
  return "$code"
}

main() {
  local rate=1gbit latency=0
  if [[ ${1:-} == check ]]; then
    shift
    exec "$root/scripts/netlab/check_overlap.sh" "$@"
  fi
  case ${1:-} in
    schedules | simulation)
      local checked=$1
      shift
      exec "$root/.venv/bin/python" "$root/scripts/netlab/check_$checked.py" --program "$root/build/release/bin/ringworld" "$@"
      ;;
  esac
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --rate) rate=${2:?--rate needs a value} && shift 2 ;;
      --latency) latency=${2:?--latency needs a value} && shift 2 ;;
      --ranks-per-host) ranks_per_host=${2:?--ranks-per-host needs a value} && shift 2 ;;
      --) shift && break ;;
      *) fail_usage "unknown argument '$1'" ;;
    esac
  done
  [[ $latency =~ ^(0|[0-9.]+(us|ms|s))$ ]] || fail_usage "'$latency' is no latency; write 0, 100us or 1ms"
  [[ $rate == unlimited || $rate =~ $rate_pattern ]] || fail_usage "'$rate' is no rate; write 200mbit or 1gbit"
  [[ $ranks_per_host =~ ^[1-9][0-9]?$ ]] || fail_usage "'$ranks_per_host' is no number of ranks; write 1 to 99"
  (($# > 0)) || fail_usage "no program after --"
  require_tools
  make_hosts
  limit_link "$rate" "$latency"
  run_on_pair "$@"
}

main "$@"
