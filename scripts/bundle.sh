#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=""
preset=cuda
output=""
wants_cuda_of_machine=false
wants_strip=false
patterns=('*')

usage() {
  cat <<'HELP'
Gathers a build into one folder that runs where nothing can be installed: programs, tests, and the libraries that they
need, Open MPI and its plug-ins among them.

  scripts/bundle.sh [--preset NAME | --build DIR] [--output DIR] [--machine-cuda] [--programs PATTERNS] [--strip]

  --preset NAME        which build: build/NAME must exist                 (default cuda)
  --build DIR          the same by its folder
  --output DIR         the folder to make; must not exist                 (default build/bundle-NAME)
  --machine-cuda       leave out cuBLAS and NCCL, 0.8 GB of them: `run` finds the other machine's
  --programs PATTERNS  only these programs and tests, shell patterns separated by spaces    (default '*')
  --strip              without the symbols that only debuggers read

Carry the folder to the other machine and there:

  DIR/run ringworld info                          any program of bin/, with the libraries of lib/
  DIR/run mpirun -n 2 ringworld attention ...     ranks of one node, through shared memory and TCP
  DIR/run_tests                                   every test; the last line reads 'N passed, N failed, N skipped'

That machine needs Linux with the same kind of processor, a C library no older than this machine's, and for GPUs the
NVIDIA driver: neither is bundled, nor is FFmpeg, which is loaded when a video is opened. With --machine-cuda it also
needs cuBLAS and NCCL of the same major versions; they are looked for in LD_LIBRARY_PATH, in the packages of its python3
(PyTorch brings them) and in /usr/local/cuda.
HELP
}

fail() {
  echo "bundle: $1" >&2
  exit 2
}

parse() {
  while (($# > 0)); do
    case $1 in
      --help | -h) usage && exit 0 ;;
      --preset) preset=${2:?--preset needs a value} && shift ;;
      --build) build=${2:?--build needs a value} && shift ;;
      --output) output=${2:?--output needs a value} && shift ;;
      --machine-cuda) wants_cuda_of_machine=true ;;
      --programs) read -r -a patterns <<<"${2:?--programs needs a value}" && shift ;;
      --strip) wants_strip=true ;;
      *) fail "unknown argument '$1' (see scripts/bundle.sh --help)" ;;
    esac
    shift
  done
  build=${build:-$root/build/$preset}
  output=${output:-$root/build/bundle-$preset}
  [[ -x $build/bin/ringworld ]] || fail "'$build/bin/ringworld' is missing; build it with scripts/setup.sh --preset $preset"
  [[ ! -e $output ]] || fail "'$output' exists; remove it or choose another --output"
  command -v ompi_info >/dev/null || fail "ompi_info is missing: only builds against Open MPI can be bundled"
}

# Where this Open MPI keeps something: pkglibdir (plug-ins) or pkgdatadir (help texts).
open_mpi_folder() {
  ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p"
}

# What belongs to the machine that it runs on: the C library and the NVIDIA driver.
is_of_the_machine() {
  case ${1##*/} in
    ld-linux* | libc.so* | libm.so* | libpthread.so* | libdl.so* | librt.so* | libresolv.so* | libutil.so* | libmvec.so*) true ;;
    libcuda.so* | libnvidia-*) true ;;
    *) false ;;
  esac
}

# What --machine-cuda leaves behind. The CUDA runtime stays: it is small, and belongs to the compiler's version.
is_large_cuda_library() {
  [[ ${1##*/} =~ ^lib(cublas|cublasLt|nccl)\.so ]]
}

# copy_libraries FILE...: what the dynamic linker would load for them, each under the name that it asks for.
copy_libraries() {
  local name path
  while read -r name path; do
    if is_of_the_machine "$name"; then
      continue
    elif [[ $wants_cuda_of_machine == true ]] && is_large_cuda_library "$name"; then
      echo "$name" >>"$output/machine_libraries.txt"
    else
      cp --update --dereference "$path" "$output/lib/$name"
    fi
  done < <(ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u)
}

# is_wanted PROGRAM: whether --programs names it.
is_wanted() {
  local pattern
  for pattern in "${patterns[@]}"; do
    # shellcheck disable=SC2053  # it is a pattern
    if [[ ${1##*/} == $pattern ]]; then return 0; fi
  done
  return 1
}

copy_programs() {
  local program
  for program in "$build"/bin/*; do
    if [[ -f $program && -x $program ]] && is_wanted "$program"; then
      cp "$program" "$output/bin/"
    fi
  done
  [[ -x $output/bin/ringworld ]] || fail "--programs '${patterns[*]}' leaves out ringworld"
  cp --dereference "$(command -v mpirun)" "$output/bin/mpirun"
  cp --dereference "$(command -v orted)" "$output/bin/orted"
  copy_libraries "$output"/bin/*
  cp -R "$root/experiments" "$output/experiments"
  # The program looks for its texts beside the folder that it lies in.
  if [[ -d $build/share/ringworld ]]; then
    mkdir -p "$output/share"
    cp -R "$build/share/ringworld" "$output/share/"
  fi
}

# Plug-ins for other networks and schedulers bring libraries of those: they stay behind.
copy_open_mpi() {
  local plugins pmix plugin
  plugins=$(open_mpi_folder pkglibdir)
  mkdir -p "$output/lib/openmpi" "$output/share"
  for plugin in "$plugins"/*.so; do
    if ! ldd "$plugin" | grep -qE 'libucp|libuct|libfabric|libpsm|libibverbs|librdmacm|libpsl|libcuda|liblustre'; then
      cp --dereference "$plugin" "$output/lib/openmpi/"
    fi
  done
  copy_libraries "$output"/lib/openmpi/*.so
  cp -R "$(open_mpi_folder pkgdatadir)" "$output/share/openmpi"
  # PMIx, where it is a library of its own, has its plug-ins beside it.
  pmix=$(ldd "$output"/lib/openmpi/*pmix*.so 2>/dev/null | awk '/libpmix/ { print $3; exit }')
  if [[ -n $pmix && -d $(dirname "$(readlink -f "$pmix")")/pmix ]]; then
    cp -R --dereference "$(dirname "$(readlink -f "$pmix")")/pmix" "$output/lib/pmix"
    copy_libraries "$output"/lib/pmix/*.so
  fi
}

# Machine code of GPUs lies in sections that stay.
strip_symbols() {
  local file
  for file in "$output"/bin/* "$output"/lib/*.so* "$output"/lib/*/*.so; do
    chmod u+w "$file"
    strip --strip-unneeded "$file"
  done
}

# One line a test program of the bundle: how many ranks (0: no launcher), then its name.
list_tests() {
  ctest --test-dir "$build" --show-only=json-v1 | /usr/bin/env python3 -c '
import json, pathlib, sys
build, bundle = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
found = set()
for test in json.load(sys.stdin)["tests"]:
    words = test.get("command", [])
    programs = [word for word in words if pathlib.Path(word).parent == build / "bin" and pathlib.Path(word).name.startswith("test_")]
    if programs and (bundle / "bin" / pathlib.Path(programs[0]).name).exists():
        launched = pathlib.Path(words[0]).name.startswith("mpi")
        found.add((int(words[2]) if launched else 0, pathlib.Path(programs[0]).name))
for ranks, name in sorted(found, key=lambda entry: (entry[1], entry[0])):
    print(ranks, name)
' "$build" "$output"
}

write_run() {
  cat >"$output/run" <<'RUN'
#!/usr/bin/env bash
# run PROGRAM ARGUMENT...: a program of this folder, with the libraries of this folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
source "$here/mpi_environment.sh"
prepare_mpi "${RINGWORLD_RANKS:-1000000}"
libraries="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
if [[ -f $here/machine_libraries.txt ]]; then
  # shellcheck source=/dev/null
  source "$here/machine_libraries.sh"
  find_machine_libraries "$here/machine_libraries.txt" || exit 2
  libraries+="${machine_folders:+:$machine_folders}"
fi
export PATH="$here/bin:$PATH" LD_LIBRARY_PATH="$libraries"
export OPAL_PREFIX="$here" OPAL_BINDIR="$here/bin" OPAL_LIBDIR="$here/lib"
export OPAL_PKGLIBDIR="$here/lib/openmpi" OPAL_PKGDATADIR="$here/share/openmpi"
if [[ -d $here/lib/pmix ]]; then
  export PMIX_INSTALL_PREFIX="$here" PMIX_PKGLIBDIR="$here/lib/pmix"
fi
export OMPI_MCA_pml="${OMPI_MCA_pml:-ob1}" OMPI_MCA_btl="${OMPI_MCA_btl:-self,vader,tcp}"
# Ranks of one node: the launcher for others would ask for ssh, which a small image does not have.
export OMPI_MCA_plm="${OMPI_MCA_plm:-isolated}"
exec "$@"
RUN
  cp "$root/scripts/lib/mpi_environment.sh" "$output/"
  if [[ -f $output/machine_libraries.txt ]]; then
    sort -u -o "$output/machine_libraries.txt" "$output/machine_libraries.txt"
    cp "$root/scripts/lib/machine_libraries.sh" "$output/"
  fi
}

write_run_tests() {
  list_tests >"$output/tests.txt"
  cat >"$output/run_tests" <<'RUN'
#!/usr/bin/env bash
# run_tests [NAME_PATTERN]: the test programs whose name matches (all of them), with a log of each in logs/.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
passed=0 failed=0 skipped=0
mkdir -p "$here/logs"
count() { sed 's/\x1b\[[0-9;]*m//g' "$2" | sed -n "s/^.*\[  $1 *\] \([0-9]*\) tests*.*/\1/p" | head -n 1; }
while read -r ranks name; do
  [[ $name =~ ${1:-.} ]] || continue
  log="$here/logs/$name-$ranks.log" command=("$name")
  ((ranks == 0)) || command=(mpirun -n "$ranks" "$name")
  code=0
  RINGWORLD_RANKS=$ranks timeout -k 10 "${RINGWORLD_TEST_TIMEOUT:-600}" "$here/run" "${command[@]}" \
    >"$log" 2>&1 </dev/null || code=$?
  good=$(count PASSED "$log") skips=$(count SKIPPED "$log") bad=$(count FAILED "$log")
  if ((code != 0 && ${bad:-0} == 0)); then bad=1; fi
  passed=$((passed + ${good:-0})) skipped=$((skipped + ${skips:-0})) failed=$((failed + ${bad:-0}))
  printf '%-4s %s, %s ranks: exit code %d\n' "$( ((code == 0)) && echo ok || echo FAIL)" "$name" "$ranks" "$code"
done <"$here/tests.txt"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
RUN
  chmod +x "$output/run" "$output/run_tests"
}

main() {
  parse "$@"
  mkdir -p "$output/bin" "$output/lib"
  output=$(cd "$output" && pwd)
  build=$(cd "$build" && pwd)
  copy_programs
  copy_open_mpi
  [[ $wants_strip == false ]] || strip_symbols
  write_run
  write_run_tests
  {
    git -C "$root" log -1 --format='revision %H' 2>/dev/null || true
    echo "made on $(uname -srm), $(ldd --version | head -n 1)"
  } >"$output/MANIFEST"
  echo "bundle: $(du -sh "$output" | cut -f 1) in $output"
}

main "$@"
