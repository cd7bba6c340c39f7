#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log_directory="$root/build/logs/test"
# shellcheck source=scripts/lib/steps.sh
source "$root/scripts/lib/steps.sh"
# shellcheck source=scripts/lib/mpi_environment.sh
source "$root/scripts/lib/mpi_environment.sh"

jobs=$(nproc)
is_quick=false
wants_tidy=false
wants_soak=false
wants_slurm=false
only_stages=()
passed=0
failed=0
summary=()
failures=()
most_failures_shown=20
# Tests of a build for GPUs, by name: those of the device module, those that name the backend, programs named for it, and
# those of the machine code, which want no GPU.
gpu_tests='^device\.|[Cc]uda|^[a-z_]+_device(_[a-z]+)?_ranks_|_sass$'
# Those of code that has a path for each generation of GPUs.
tests_of_gpu_paths='^device\.|^kernels_attention.*[Cc]uda|^sequence_device_attention_ranks_2'

# Under a sanitizer these take minutes and run the same code as others do: those on more ranks than two and three, and those
# of much memory.
same_code_as_others='_ranks_[14678]$|^(comm_large|train_device_memory)_ranks_'

usage() {
  cat <<'HELP'
Sets Ringworld up with the tools of its developers, and runs every test and check.

  scripts/test.sh [--quick] [--tidy] [--slurm] [--soak] [--stage NAME] [--jobs N]

  --quick    leaves out the sanitizers
  --tidy     adds clang-tidy on src, kernels and experiments: five minutes on two cores
  --slurm    adds batch jobs on a Slurm of one node that root starts for them: minutes. On Debian and Ubuntu Slurm is
             installed; --stage slurm means it as well
  --soak     only this: the program under the sanitizers, killed 1,000 times at random moments and given 1,000 mutated
             configurations, checkpoints and inputs; an hour on two cores
  --stage NAME  only this stage, for CI that runs them on machines of their own; may be repeated: release, python, mpich,
             reframe, slurm, lint, sanitizers, threads, simulated, emulated_cuda, cuda
  --jobs N   compile jobs and tests side by side      (default: all cores)

Stages: release build and its tests, Python tests, ReFrame, the program and its ranks on MPICH, shellcheck, clang-
format, ruff, mypy, the links between pages, the tests of the modules again under AddressSanitizer and
UndefinedBehaviorSanitizer and, where they have threads, under ThreadSanitizer, the program on ranks that SimGrid
simulates, the CUDA backend on an emulated H100 and, where its code differs, an A100, and the CUDA build where nvcc is
found, whose GPU tests skip where there is no GPU, and its archive for machines with one. All stages run, whatever
fails.
A stage of tests counts its tests, any other stage counts as one. The last line reads `N passed, N failed`; the exit code
is 0 when nothing failed. Logs and JUnit files lie in build/logs/test.
HELP
}

fail_usage() {
  echo "test: $1 (see scripts/test.sh --help)" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --quick) is_quick=true ;;
      --tidy) wants_tidy=true ;;
      --soak) wants_soak=true ;;
      --slurm) wants_slurm=true ;;
      --stage)
        only_stages+=("${2:?--stage needs a value}")
        [[ $2 != slurm ]] || wants_slurm=true
        shift
        ;;
      --jobs | -j) jobs=${2:?--jobs needs a value} && shift ;;
      *) fail_usage "unknown argument '$1'" ;;
    esac
    shift
  done
  [[ $jobs =~ ^[1-9][0-9]*$ ]] || fail_usage "--jobs takes a number, not '$jobs'"
  local stage
  for stage in "${only_stages[@]}"; do
    declare -F "stage_$stage" >/dev/null || fail_usage "there is no stage '$stage'"
  done
}

# record NAME PASSED FAILED SKIPPED
record() {
  local verdict=PASS
  (($3 == 0)) || verdict=FAIL
  passed=$((passed + $2))
  failed=$((failed + $3))
  summary+=("$(printf '%-4s  %-34s %5d s  %5d passed %4d failed %4d skipped' "$verdict" "$1" "$step_seconds" "$2" "$3" "$4")")
}

# check NAME COMMAND...: a stage that counts as one.
check() {
  if run_step "$@"; then
    record "$1" 1 0 0
  else
    record "$1" 0 1 0
    return 1
  fi
}

# passed, failed and skipped tests of a JUnit file.
count_tests() {
  /usr/bin/env python3 - "$1" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree
suites = list(tree.parse(sys.argv[1]).getroot().iter("testsuite"))
def total(*names):
    return sum(int(suite.get(name) or 0) for suite in suites for name in names)
failed, skipped = total("failures", "errors"), total("skipped", "disabled")
print(total("tests") - failed - skipped, failed, skipped)
PYTHON
}

# Names of the failed tests of a JUnit file, each with the first line of what it said.
failed_tests() {
  /usr/bin/env python3 - "$1" <<'PYTHON'
import re
import sys
import xml.etree.ElementTree as tree
longest = 160
def first_line(text, wanted=re.compile(r"\S")):
    return next((line.strip()[:longest] for line in (text or "").splitlines() if wanted.search(line)), "")
def reason(case, failure):
    message = failure.get("message") or failure.text
    said = first_line(message)
    # pytest shows what it compared below the test's own words. CTest says why a test failed in the test's output only.
    if said == "Failed":
        more = first_line(case.findtext("system-out"), re.compile(r": Failure$|[Ee]rror:|\[ +FATAL +\]"))
    else:
        more = first_line(message, re.compile(r"^assert "))
    return f"{said}; {more}" if more not in ("", said) else said
for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
    failure = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
    if failure is not None:
        place, name = case.get("classname"), case.get("name")
        print((name if place in ("", None, name) else f"{place}::{name}") + ": " + reason(case, failure))
PYTHON
}

# count NAME COMMAND...: a stage of tests; COMMAND gets the name of the JUnit file to write as its last argument.
count() {
  local name=$1 code=0 counts junit names=()
  junit="${log_directory}/${1//[^A-Za-z0-9]/_}.xml"
  mkdir -p "$log_directory"
  rm -f "$junit"
  run_step "$@" "$junit" || code=$?
  counts=$(count_tests "$junit" 2>/dev/null) || counts="0 0 0"
  read -r good bad skipped <<<"$counts"
  # A stage that broke before it could count, or found no test, has failed as one.
  if ((code != 0 && bad == 0)) || ((good + bad + skipped == 0)); then
    bad=1
  fi
  record "$name" "$good" "$bad" "$skipped"
  mapfile -t names < <(failed_tests "$junit" 2>/dev/null)
  failures+=("${names[@]/#/$name: }")
}

skip() {
  printf '==== %s\n     skipped: %s\n' "$1" "$2"
  summary+=("$(printf '%-4s  %-34s          %s' skip "$1" "$2")")
}

# Whoever reads only the end of the output finds there what failed.
show_failures() {
  ((${#failures[@]} > 0)) || return 0
  printf '\nfailed tests:\n'
  printf '  %s\n' "${failures[@]:0:most_failures_shown}"
  ((${#failures[@]} <= most_failures_shown)) || printf '  and %d more\n' "$((${#failures[@]} - most_failures_shown))"
}

# ctest_junit PRESET OPTION-THAT-CHOOSES ... JUNIT
ctest_junit() {
  "$root/scripts/lib/ctest_in_batches.py" "$root/build/$1" --jobs "$jobs" --timeout 300 --junit "${*: -1}" -- "${@:2:$#-2}"
}

# For tests that share a GPU.
ctest_junit_one_by_one() {
  local jobs=1
  ctest_junit "$@"
}

pytest_junit() {
  # One more than there are cores: most of them wait for a launcher.
  "$root/.venv/bin/python" -m pytest --quiet --numprocesses "$((jobs + 1))" --junitxml "${*: -1}" "${@:1:$#-1}"
}

lint_shell() {
  local scripts
  mapfile -t scripts < <(git ls-files '*.sh' '*.sbatch' .ci/run)
  shellcheck --external-sources "${scripts[@]}"
}

lint_format() {
  local sources
  mapfile -t sources < <(git ls-files '*.hpp' '*.cpp' '*.h' '*.cu' '*.cuh')
  clang-format-19 --dry-run --Werror "${sources[@]}"
}

# What ships: with the tests too it would take as long as all tests do.
lint_tidy() {
  local tree
  tree=$(printf '%s' "$root" | sed 's/[][().*^$+?{}|\\]/\\&/g')
  run-clang-tidy-19 -quiet -j "$jobs" -p "$root/build/release" -config-file "$root/.clang-tidy" \
    -header-filter "^$tree/(src|kernels|experiments)/" "^$tree/(src|kernels|experiments)/"
}

find_nvcc() {
  command -v nvcc || { [[ -x /usr/local/cuda/bin/nvcc ]] && echo /usr/local/cuda/bin/nvcc; }
}

# configure_and_build PRESET TARGET ...
configure_and_build() {
  cmake --preset "$1" && cmake --build --preset "$1" --parallel "$jobs" --target "${@:2}"
}

# The programs that hold such tests.
build_gpu_tests() {
  local tests
  mapfile -t tests < <(ninja -C "$root/build/$1" -t targets all |
    sed -nE 's/^(test_(kernels_[a-z_]+|[a-z_]*device[a-z_]*)): phony$/\1/p')
  cmake --build --preset "$1" --parallel "$jobs" --target "${tests[@]}"
}

# What is packed for a machine with a GPU has no video: FFmpeg and what it needs are larger than all the rest. Two
# architectures hold all code that there is: other GPUs run what an A100 runs.
build_cuda() {
  cmake --preset cuda "-DCMAKE_CUDA_COMPILER=$1" -DRINGWORLD_ENABLE_FFMPEG=OFF "-DRINGWORLD_CUDA_ARCHITECTURES=80;90a" &&
    cmake --build --preset cuda --parallel "$jobs" --target programs &&
    build_gpu_tests cuda
}

# Lists what the benchmarks would measure here: the cases of a GPU only where there is one.
list_benchmarks() {
  local program
  for program in "$root/build/$1"/bin/bench_*; do
    "$program" --benchmark_list_tests=true || return 1
  done
}

build_emulated_cuda() {
  cmake --preset cuda_emulated && build_gpu_tests cuda_emulated &&
    cmake --build --preset cuda_emulated --parallel "$jobs" --target ringworld
}

stage_release() {
  check "release: configure and build" configure_and_build release all || return 0
  count "release: ctest" ctest_junit release
}

# Python tests may run the built program, so they come after it.
stage_python() {
  local folder
  for folder in analysis golden experiments soak; do
    if compgen -G "tests/$folder/test_*.py" >/dev/null || compgen -G "tests/$folder/*_test.py" >/dev/null; then
      count "pytest: tests/$folder" pytest_junit "tests/$folder"
    fi
  done
}

stage_lint() {
  check "lint: shellcheck" lint_shell || true
  check "lint: clang-format" lint_format || true
  check "lint: ruff" scripts/lint_python.sh ruff || true
  check "lint: mypy" scripts/lint_python.sh mypy || true
  check "lint: pages" scripts/packaging/site.sh || true
  if [[ $wants_tidy == false ]]; then
    skip "lint: clang-tidy" "without --tidy"
  elif [[ ! -f build/release/compile_commands.json ]]; then
    skip "lint: clang-tidy" "the release preset was not configured"
  else
    check "lint: clang-tidy" lint_tidy || true
  fi
}

# The scripts of scripts/slurm on a Slurm of one node, which the tests start, and the ranks launched by it.
stage_slurm() {
  local program="$root/build/release/bin/ringworld" reason
  [[ $wants_slurm == false ]] || install_slurm
  # shellcheck source=tests/slurm/cluster.sh
  reason=$(source "$root/tests/slurm/cluster.sh" && why_no_slurm)
  if [[ $wants_slurm == false ]]; then
    skip "pytest: tests/slurm" "without --slurm"
  elif [[ -n $reason ]]; then
    skip "pytest: tests/slurm" "$reason"
  elif [[ ! -x $program ]]; then
    skip "pytest: tests/slurm" "the program was not built"
  else
    # One after another: they share a node.
    count "pytest: tests/slurm" slurm_junit tests/slurm
  fi
}

# Where packages can be installed; elsewhere the stage says what is missing.
install_slurm() {
  local missing=()
  # shellcheck source=scripts/lib/dependencies.sh
  source "$root/scripts/lib/dependencies.sh"
  if is_debian && ((EUID == 0)); then
    mapfile -t missing < <(missing_slurm_packages)
    ((${#missing[@]} == 0)) || run_step "slurm: install ${#missing[@]} packages" install_debian_packages "${missing[@]}" || true
  fi
}

slurm_junit() { "$root/.venv/bin/python" -m pytest --quiet --junitxml "${*: -1}" "${@:1:$#-1}"; }

# The tests of scripts/reframe on this machine without a scheduler, with their table, and that their references judge.
stage_reframe() {
  if [[ ! -x $root/build/release/bin/ringworld ]]; then
    skip "reframe" "the program was not built"
    return 0
  fi
  check "reframe" scripts/reframe/run.sh --nocolor || return 0
  sed -n '/PERFORMANCE REPORT/,/^Log file/p' "$(step_log "reframe")"
  count "pytest: tests/reframe" pytest_junit tests/reframe
}

# MPICH, of which Cray's, Intel's and ParaStation's MPI are kin.
stage_mpich() {
  if ! command -v mpicc.mpich >/dev/null || ! command -v h5pcc.mpich >/dev/null; then
    skip "mpich" "mpicc.mpich and h5pcc.mpich are not both here"
    return 0
  fi
  check "mpich: configure and build" configure_and_build mpich ringworld test_comm || return 0
  count "mpich: ctest" ctest_junit mpich --tests-regex '^comm_ranks_[1-4]$'
  # Results of the two libraries are held together; where the release stage was run, its program is there.
  check "mpich: the program on Open MPI" configure_and_build release ringworld || return 0
  count "pytest: tests/mpich" pytest_junit tests/mpich
}

# Open MPI leaves memory behind at exit, much of it from plug-ins that are unloaded by then, which no suppression can
# name: leaks are looked for in tests that do not start MPI.
stage_sanitizers() {
  if [[ $is_quick == true ]]; then
    skip "asan: ctest" "--quick"
    return 0
  fi
  export UBSAN_OPTIONS=print_stacktrace=1
  export LSAN_OPTIONS="suppressions=$root/scripts/lsan_suppressions.txt:print_suppressions=0"
  export ASAN_OPTIONS=detect_leaks=0
  if check "asan: configure and build" configure_and_build asan tests; then
    count "asan: ctest under MPI" ctest_junit asan --label-regex '^mpi$' --exclude-regex "$same_code_as_others"
    export ASAN_OPTIONS=detect_leaks=1
    count "asan: ctest with leak check" ctest_junit asan --label-exclude '^(mpi|lint|scripts|python)$'
  fi
  unset ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS
}

# The code that runs on several threads, alone and under MPI: the other libraries are not built with ThreadSanitizer, and
# what they do inside is left out.
stage_threads() {
  if [[ $is_quick == true ]]; then
    skip "tsan: ctest" "--quick"
    return 0
  fi
  export TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$root/scripts/tsan_suppressions.txt"
  if check "tsan: configure and build" configure_and_build tsan test_core test_device test_comm test_kernels_elementwise \
    test_kernels_attention; then
    count "tsan: ctest" ctest_junit tsan --tests-regex '^(core|device|kernels_elementwise)\.|Thread|^comm_ranks_2$'
  fi
  unset TSAN_OPTIONS
}

stage_simulated() {
  check "simulated: configure and build" configure_and_build simulated ringworld || return 0
  count "pytest: tests/simulated" pytest_junit tests/simulated
}

# What the tests in tests/soak do in a short form on the release build.
stage_soak() {
  check "asan: configure and build the program" configure_and_build asan programs || return 0
  export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0
  export RINGWORLD_BIN="$root/build/asan/bin/ringworld" RINGWORLD_SOAK_SECONDS=60
  export RINGWORLD_SOAK_KILLS=1000 RINGWORLD_SOAK_INPUTS=1000
  count "pytest: tests/soak" pytest_junit tests/soak
}

stage_cuda() {
  local nvcc
  if ! nvcc=$(find_nvcc); then
    skip "cuda" "no nvcc here"
    return 0
  fi
  if check "cuda: configure and build" build_cuda "$nvcc"; then
    # Ranks share the GPU, if there is one. What goes to a machine that has one is packed, and runs where nothing is.
    count "cuda: ctest" ctest_junit_one_by_one cuda --tests-regex "$gpu_tests|^scripts\.pack$"
    check "cuda: benchmarks start" list_benchmarks cuda || true
  fi
}

stage_emulated_cuda() {
  check "cuda emulated: configure and build" build_emulated_cuda || return 0
  export RINGWORLD_EMULATED_CUDA_ARCH=90
  count "cuda emulated: ctest, sm_90" ctest_junit cuda_emulated --tests-regex "$gpu_tests"
  RINGWORLD_BIN="$root/build/cuda_emulated/bin/ringworld" count "pytest: tests/emulated" pytest_junit tests/emulated
  # Only these run other code there.
  export RINGWORLD_EMULATED_CUDA_ARCH=80
  count "cuda emulated: ctest, sm_80" ctest_junit cuda_emulated --tests-regex "$tests_of_gpu_paths"
  unset RINGWORLD_EMULATED_CUDA_ARCH
}

main() {
  local started
  parse "$@"
  cd "$root"
  started=$(seconds_now)
  "$root/scripts/setup.sh" --dev --no-build
  prepare_mpi 4
  if [[ $wants_soak == true ]]; then
    stage_soak
  elif ((${#only_stages[@]} > 0)); then
    local stage
    for stage in "${only_stages[@]}"; do
      "stage_$stage"
    done
  else
    stage_release
    stage_python
    stage_reframe
    stage_mpich
    stage_slurm
    stage_lint
    stage_sanitizers
    stage_threads
    stage_simulated
    stage_emulated_cuda
    stage_cuda
  fi
  printf '\n'
  printf '%s\n' "${summary[@]}"
  show_failures
  printf '%d s in all; logs in build/logs/test\n' "$(($(seconds_now) - started))"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
}

main "$@"
