#!/usr/bin/env bash
# Runs PROGRAM on one core: rank r takes the r-th core that this process may use.
# usage: pin_rank.sh PROGRAM ARGS...          (started by mpirun)
set -euo pipefail

allowed_cores() {
  local list range
  list=$(taskset -cp $$)
  IFS=',' read -ra ranges <<<"${list##*: }"
  for range in "${ranges[@]}"; do
    seq "${range%-*}" "${range#*-}"
  done
}

mapfile -t cores < <(allowed_cores)
exec taskset -c "${cores[OMPI_COMM_WORLD_RANK % ${#cores[@]}]}" "$@"
