#!/usr/bin/env bash
# Starts the Slurm of cluster.sh, says so, and keeps it until its standard input ends.
# usage: hold_cluster.sh FOLDER [LINE_OF_SLURM_CONF...]
# Prints "ready FILE", the slurm.conf for SLURM_CONF, or "skipped: WHY"; exits with 1 when Slurm does not come up.
set -euo pipefail

# shellcheck source=tests/slurm/cluster.sh
source "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

reason=$(why_no_slurm)
if [[ -n $reason ]]; then
  echo "skipped: $reason"
  exit 0
fi
trap stop_slurm EXIT
trap 'exit 1' TERM INT HUP
start_slurm "$@"
echo "ready $SLURM_CONF"
cat >/dev/null
