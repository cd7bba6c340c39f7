#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log_directory="$root/build/logs/demo"
# shellcheck source=scripts/lib/steps.sh
source "$root/scripts/lib/steps.sh"
# shellcheck source=scripts/lib/mpi_environment.sh
source "$root/scripts/lib/mpi_environment.sh"

ranks=4

usage() {
  cat <<'HELP'
Sets Ringworld up, runs its main job at a size for two cores, and writes a report.

  scripts/demo.sh

The job is `mpirun -n 4 ringworld attention --config experiments/attention/config/demo.toml`: ring attention over
several context lengths, ring sizes and layouts. It ends with a table, and leaves in results/runs

  demo-<UTC time>.h5        every figure and raw sample (results/SCHEMA.md says what each column is)
  demo-<UTC time>-report/   a page that shows them

Takes a few minutes, most of them for the first build. With fewer than 4 cores the ranks share cores: the answers stay
right, the times say little.
HELP
}

case ${1:-} in
  "") ;;
  --help | -h) usage && exit 0 ;;
  *) echo "demo: unknown argument '$1' (see scripts/demo.sh --help)" >&2 && exit 2 ;;
esac

find_page() {
  local page
  for page in "$1"/index.html "$1"/*.html; do
    [[ ! -f $page ]] || { echo "$page" && return 0; }
  done
  echo "$1"
}

main() {
  local run code=0
  cd "$root"
  "$root/scripts/setup.sh"
  prepare_mpi "$ranks"
  run="results/runs/demo-$(date -u +%Y%m%dT%H%M%SZ)"
  mkdir -p results/runs
  echo "==== ring attention on $ranks ranks"
  # A point that fails its check must not cost the report: it is a row there, and the exit code comes last.
  mpirun -n "$ranks" build/release/bin/ringworld attention --config experiments/attention/config/demo.toml \
    --output "$run.h5" || code=$?
  [[ -f $run.h5 ]] || exit "$code"
  require_step "report" .venv/bin/python -m ringworld_analysis report "$run.h5" --output "$run-report"
  echo
  echo "records  $root/$run.h5"
  echo "report   $(find_page "$root/$run-report")"
  exit "$code"
}

main
