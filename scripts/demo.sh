#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log_directory="$root/build/logs/demo"
# shellcheck source=scripts/lib/steps.sh
source "$root/scripts/lib/steps.sh"
# shellcheck source=scripts/lib/mpi_environment.sh
source "$root/scripts/lib/mpi_environment.sh"

usage() {
  cat <<'HELP'
Sets Ringworld up, runs its main jobs at a size for two cores, and writes a report.

  scripts/demo.sh            one line a step, then a page that says what was found
  scripts/demo.sh --quiet    the place of the report alone

1. ring attention over several context lengths, ring sizes and layouts, on 4 ranks
     ringworld attention --config experiments/attention/config/demo.toml
2. the same loop with kernels that only wait, on 4 ranks: how much of the communication they hide, which ranks that share
   cores cannot show
     ringworld attention --config experiments/attention/config/overlap.toml
3. a tiny model learns to find needles while its context grows from 64 to 2048 tokens, on 2 ranks
     ringworld train --config experiments/train/config/needle.toml
4. it is asked for needles inside and beyond the trained length, one and several, at the last stage's RoPE theta and at
   a scaled one, on 2 ranks
     ringworld needle --config experiments/needle/config/demo.toml
5. a VQGAN learns to write pictures as 16 codes, a tiny world model to read and to make them, and to answer questions
   about videos; held-out pictures, captions and videos then tell what it knows, on 2 ranks
     ringworld train --config experiments/train/config/vqgan_cards.toml
     ringworld train --config experiments/train/config/world.toml
     ringworld evaluate --config experiments/evaluate/config/demo.toml

Tables and progress of each job go to build/logs/demo. The jobs leave in results/runs

  demo-<UTC time>-*.h5      every figure and raw sample (results/SCHEMA.md says what each column is)
  demo-<UTC time>-report/   a page that shows them: needle heat maps, generated pictures and clips among them
  demo-<UTC time>-overlap-report/   the same of step 2, whose times are no measurements of this machine's kernels

Takes about a quarter of an hour on two cores, set-up included. With fewer than 4 cores the ranks share cores: the
answers stay right, the times say little.
HELP
}

is_quiet=no
case ${1:-} in
  "") ;;
  --quiet | -q) is_quiet=yes ;;
  --help | -h) usage && exit 0 ;;
  *) echo "demo: unknown argument '$1' (see scripts/demo.sh --help)" >&2 && exit 2 ;;
esac

# Runs a command whose output is for people who wait.
spoken() {
  if [[ $is_quiet == yes ]]; then
    "$@" >/dev/null
  else
    "$@"
  fi
}

# job NAME RANKS ARGUMENT...: runs a verb; a failed check must not cost the report, the exit code comes last.
job() {
  local name=$1 ranks=$2 status=0
  shift 2
  spoken run_step "$name, $ranks ranks" mpirun -n "$ranks" build/release/bin/ringworld "$@" || status=$?
  ((status == 0)) || code=$status
}

# Says what the report found, and where everything lies.
show_page() {
  echo
  echo "What was found"
  .venv/bin/python -m ringworld_analysis report "${records[@]}" --output "$root/$run-report" --findings
  if [[ -f $run-overlap.h5 ]]; then
    echo
    echo "What kernels that only wait hide of the communication"
    .venv/bin/python -m ringworld_analysis report "$run-overlap.h5" --output "$root/$run-overlap-report" --findings
  fi
  echo "Its records are $run-*.h5, and what each job printed is in $log_directory"
}

main() {
  local run records=() kind
  code=0
  cd "$root"
  spoken run_step "set-up" "$root/scripts/setup.sh" || exit $?
  prepare_mpi 4
  run="results/runs/demo-$(date -u +%Y%m%dT%H%M%SZ)"
  mkdir -p results/runs
  job "ring attention" 4 attention --config experiments/attention/config/demo.toml --output "$run-attention.h5"
  job "overlap, with kernels that only wait" 4 attention --config experiments/attention/config/overlap.toml \
    --output "$run-overlap.h5"
  job "training on growing context" 2 train --config experiments/train/config/needle.toml \
    --checkpoint "$run-model.h5" --keep-stages false --output "$run-train.h5"
  [[ ! -f $run-model.h5 ]] || job "needles" 2 needle --config experiments/needle/config/demo.toml \
    --checkpoint "$run-model.h5" --output "$run-needle.h5"
  job "training of a VQGAN" 2 train --config experiments/train/config/vqgan_cards.toml \
    --checkpoint "$run-vqgan.h5" --output "$run-frames.h5"
  [[ ! -f $run-vqgan.h5 ]] || job "training of a world model" 2 train --config experiments/train/config/world.toml \
    --frame-tokenizer "$run-vqgan.h5" --checkpoint "$run-world-model.h5" --keep-stages false --output "$run-world.h5"
  [[ ! -f $run-world-model.h5 ]] || job "evaluation of the world model" 2 evaluate \
    --config experiments/evaluate/config/demo.toml --checkpoint "$run-world-model.h5" --output "$run-evaluation.h5"
  for kind in attention train needle frames world evaluation; do
    [[ ! -f $run-$kind.h5 ]] || records+=("$run-$kind.h5")
  done
  ((${#records[@]} > 0)) || exit "$code"
  if [[ $is_quiet == yes ]]; then
    .venv/bin/python -m ringworld_analysis report "${records[@]}" --output "$root/$run-report"
    [[ ! -f $run-overlap.h5 ]] ||
      .venv/bin/python -m ringworld_analysis report "$run-overlap.h5" --output "$root/$run-overlap-report" >/dev/null
  else
    show_page
  fi
  ((code == 0)) || echo "demo: a job failed, the last of them with exit code $code; see $log_directory" >&2
  exit "$code"
}

main
