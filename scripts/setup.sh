#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log_directory="$root/build/logs/setup"
# shellcheck source=scripts/lib/steps.sh
source "$root/scripts/lib/steps.sh"
# shellcheck source=scripts/lib/dependencies.sh
source "$root/scripts/lib/dependencies.sh"

preset=release
jobs=$(nproc)
wants_build=true
wants_dev=false

usage() {
  cat <<'HELP'
Gets Ringworld ready on this machine: dependencies, a Python environment in .venv, and the build.

  scripts/setup.sh [--dev] [--preset NAME] [--jobs N] [--no-build]

  --dev          also the tools of scripts/test.sh: clang-format-19, clang-tidy-19, shellcheck, ruff,
                 mypy, cuobjdump, EasyBuild
  --preset NAME  what to build: release, dev, asan, tsan, cuda or simulated (CMakePresets.json)   (default release)
  --jobs N       compile jobs side by side                                             (default: all cores)
  --no-build     dependencies and .venv only

On Debian and Ubuntu, as root or with sudo, missing packages are installed. Anywhere else nothing is installed but
.venv: what is missing is named with the `module load` and Spack lines that bring it, and the exit code is 2.
Running it again does only what is left to do. Logs lie in build/logs/setup.
HELP
}

fail_usage() {
  echo "setup: $1 (see scripts/setup.sh --help)" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --dev) wants_dev=true ;;
      --no-build) wants_build=false ;;
      --preset) preset=${2:?--preset needs a value} && shift ;;
      --jobs | -j) jobs=${2:?--jobs needs a value} && shift ;;
      *) fail_usage "unknown argument '$1'" ;;
    esac
    shift
  done
  [[ $jobs =~ ^[1-9][0-9]*$ ]] || fail_usage "--jobs takes a number, not '$jobs'"
}

set_up_packages() {
  local missing=()
  if is_debian; then
    mapfile -t missing < <(missing_debian_packages "$wants_dev")
    ((${#missing[@]} > 0)) || return 0
    if may_install_packages; then
      require_step "install ${#missing[@]} packages" install_debian_packages "${missing[@]}"
      return 0
    fi
  fi
  echo "==== check dependencies"
  report_missing_dependencies "$wants_dev" && return 0
  if ((${#missing[@]} > 0)); then
    printf '\nor, as root:\n  apt-get install %s\n' "${missing[*]}"
  fi
  exit 2
}

# What .venv was made from; another text means it is made up to date.
python_wishes() {
  echo "3 $python $root"
  cat "$root/analysis/pyproject.toml"
}

install_python_packages() {
  "$python" -m venv --clear "$root/.venv" &&
    "$root/.venv/bin/python" -m pip install --disable-pip-version-check --quiet --editable "$root/analysis" pytest pytest-xdist sentencepiece &&
    python_wishes >"$root/.venv/made_from"
}

set_up_python() {
  local python
  python=$(system_python) || exit 2
  if [[ -x $root/.venv/bin/python && -f $root/.venv/made_from ]] &&
    diff -q <(python_wishes) "$root/.venv/made_from" >/dev/null; then
    return 0
  fi
  require_step "python environment .venv" install_python_packages
}

install_python_tools() {
  "$root/.venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps \
    --requirement "$root/scripts/dev_requirements.txt" &&
    cp "$root/scripts/dev_requirements.txt" "$root/.venv/dev_made_from"
}

set_up_python_tools() {
  [[ $wants_dev == true ]] || return 0
  if ! diff -q "$root/scripts/dev_requirements.txt" "$root/.venv/dev_made_from" >/dev/null 2>&1; then
    require_step "tools of developers in .venv" install_python_tools
  fi
}

# The handwriting of the cards that the vision half is shown with. Text alone needs none of it.
set_up_digits() {
  [[ -s $root/build/share/digits.csv ]] ||
    run_step "handwritten digits" "$root/scripts/make_digits_csv.sh" "$root/build/share/digits.csv" "$root/.venv/bin/python" ||
    echo "setup: going on without them; scripts/make_digits_csv.sh --help says how to bring them" >&2
}

main() {
  parse "$@"
  cd "$root"
  set_up_packages
  set_up_python
  set_up_python_tools
  set_up_digits
  [[ $wants_build == true ]] || return 0
  require_step "configure $preset" cmake --preset "$preset"
  require_step "build $preset with $jobs jobs" cmake --build --preset "$preset" --target programs --parallel "$jobs"
  echo "==== ready: build/$preset/bin/ringworld"
}

main "$@"
