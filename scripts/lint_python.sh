#!/usr/bin/env bash
# ruff over all Python, then mypy: strict over the package, and over all other Python with each folder by itself, because
# several folders have a conftest.py. `scripts/setup.sh --dev` brings both programs to .venv; RINGWORLD_LINT_BIN names
# another folder that has them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
programs=${RINGWORLD_LINT_BIN:-$root/.venv/bin}
cd "$root"

usage() {
  cat <<'HELP'
Checks all Python of this project.

  scripts/lint_python.sh [ruff] [mypy]      (default: both)
HELP
}

# A check of its own a folder: tests take helpers from the folders beside them.
check_types() {
  MYPYPATH="$root/analysis:$root/tests/experiments:$root/tests/golden" "$programs/mypy" --cache-dir "$root/build/mypy" \
    --python-executable "$root/.venv/bin/python" --no-error-summary "$@"
}

run_ruff() {
  local sources
  mapfile -t sources < <(git ls-files '*.py')
  "$programs/ruff" check --quiet --cache-dir "$root/build/ruff" "${sources[@]}"
}

run_mypy() {
  local folder files is_clean=true
  check_types --config-file analysis/pyproject.toml analysis/ringworld_analysis || is_clean=false
  while read -r folder; do
    mapfile -t files < <(git ls-files "$folder/*.py" | grep -v "^$folder/.*/")
    check_types --config-file scripts/mypy.ini "${files[@]}" || is_clean=false
  done < <(git ls-files '*.py' | grep -v -e '^analysis/' -e '^scripts/packaging/spack/' | xargs -n 1 dirname | sort -u)
  [[ $is_clean == true ]]
}

case "${*:-ruff mypy}" in
  --help | -h) usage ;;
  ruff) run_ruff ;;
  mypy) run_mypy ;;
  "ruff mypy") run_ruff && run_mypy ;;
  *)
    echo "lint_python: unknown argument '$1' (see scripts/lint_python.sh --help)" >&2
    exit 2
    ;;
esac
