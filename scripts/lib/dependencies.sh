# shellcheck shell=bash
# What Ringworld needs: as Debian packages, and elsewhere as libraries with the modules and Spack specs that bring them.
# Sourced; the caller sets `root`.

: "${root:?is set by the caller}"

debian_packages=(
  ca-certificates g++ cmake ninja-build ccache git pkg-config libopenmpi-dev openmpi-bin libhdf5-openmpi-dev zlib1g-dev libhwloc-dev
  libtrilinos-kokkos-dev libcli11-dev libtomlplusplus-dev libfmt-dev librandom123-dev libopenblas-dev libdnnl-dev
  nlohmann-json3-dev libsentencepiece-dev libpng-dev libjpeg-dev libgif-dev libavformat-dev libavcodec-dev libavutil-dev
  libswscale-dev libicu-dev bible-kjv libgtest-dev libgmock-dev libbenchmark-dev python3 python3-venv iproute2 help2man
)
# libomp: the omp.h that clang-tidy reads; boost-context: the fibers of the CUDA emulator; then the presets mpich and simulated
debian_dev_packages=(
  clang-format-19 clang-tidy-19 libomp-19-dev shellcheck libboost-context-dev
  mpich libmpich-dev libhdf5-mpich-dev
  libsimgrid-dev libhdf5-dev libboost-dev
)

# A Slurm of one node, for scripts/test.sh --slurm.
debian_slurm_packages=(munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins)

# name | module line | Spack spec: commands first, then what scripts/dependency_check looks for.
command_dependencies=(
  "c++|module load gcc|gcc"
  "cmake|module load cmake|cmake@3.25:"
  "ninja|module load ninja|ninja"
  "git|module load git|git"
  "python3|module load python|python"
)
dev_command_dependencies=(
  "clang-format-19|module load llvm/19|llvm@19"
  "clang-tidy-19|module load llvm/19|llvm@19"
  "shellcheck|module load shellcheck|shellcheck"
)
library_dependencies=(
  "MPI|module load openmpi|openmpi"
  "HDF5|module load hdf5 (a parallel build)|hdf5+mpi"
  "Kokkos|module load kokkos|kokkos"
  "BLAS|module load openblas|openblas"
  "oneDNN|module load onednn|onednn"
  "fmt|module load fmt|fmt"
  "CLI11|module load cli11|cli11"
  "tomlplusplus|module load tomlplusplus|tomlplusplus"
  "nlohmann_json|module load nlohmann-json|nlohmann-json"
  "ZLIB|module load zlib|zlib-api"
  "Random123|module load random123|random123"
  "hwloc|module load hwloc|hwloc@2:"
  "PNG|module load libpng|libpng"
  "JPEG|module load libjpeg-turbo|libjpeg-turbo"
  "GIF|module load giflib|giflib"
  "sentencepiece|module load sentencepiece|sentencepiece"
  "ICU|module load icu4c|icu4c"
  "GTest|module load googletest|googletest"
  "benchmark|module load benchmark|benchmark"
)

is_debian() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

missing_debian_packages() {
  local wants_dev=$1
  local packages=("${debian_packages[@]}")
  [[ $wants_dev == false ]] || packages+=("${debian_dev_packages[@]}")
  not_installed "${packages[@]}"
}

missing_slurm_packages() { not_installed "${debian_slurm_packages[@]}"; }

# not_installed PACKAGE...: those that are not.
not_installed() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

may_install_packages() {
  ((EUID == 0)) || { command -v sudo >/dev/null && sudo --validate; }
}

install_debian_packages() {
  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  ((EUID == 0)) || as_root=(sudo "${as_root[@]}")
  "${as_root[@]}" apt-get update --quiet &&
    "${as_root[@]}" apt-get install --yes --quiet --no-install-recommends "$@"
}

# The interpreter for .venv. On Debian it is Debian's own: another one that comes first in PATH may lack venv or be
# built without what h5py and matplotlib need.
system_python() {
  local python=python3
  if is_debian && [[ -x /usr/bin/python3 ]]; then
    python=/usr/bin/python3
  fi
  if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "setup: needs Python 3.9 or newer with its venv module; $python is not that" >&2
    return 1
  fi
  command -v "$python"
}

print_missing() {
  printf '  missing %-16s %-40s spack: %s\n' "$1" "$2" "$3"
}

# Asks CMake for each library: "found NAME" or "missing NAME", one a line.
look_for_libraries() {
  local scratch
  scratch=$(mktemp -d)
  # A package that is there but broken stops CMake: what it had not yet found then counts as missing.
  cmake -G Ninja -S "$root/scripts/dependency_check" -B "$scratch" >"$scratch/log" 2>&1 ||
    grep -A 4 'CMake Error' "$scratch/log" | sed 's/^/  | /' >&2 || true
  cat "$scratch/dependencies.txt" 2>/dev/null || true
  rm -rf "$scratch"
}

# Prints what is missing and how to get it; succeeds when nothing is.
report_missing_dependencies() {
  local wants_dev=$1 entry name module spec libraries is_missing=false
  local commands=("${command_dependencies[@]}")
  [[ $wants_dev == false ]] || commands+=("${dev_command_dependencies[@]}")
  for entry in "${commands[@]}"; do
    IFS='|' read -r name module spec <<<"$entry"
    if ! command -v "$name" >/dev/null; then
      print_missing "$name" "$module" "$spec" && is_missing=true
    fi
  done
  if [[ $(command -v c++ cmake ninja | wc -l) == 3 ]]; then
    libraries=$'\n'$(look_for_libraries)$'\n'
    for entry in "${library_dependencies[@]}"; do
      IFS='|' read -r name module spec <<<"$entry"
      if [[ $libraries != *$'\n'"found $name"$'\n'* ]]; then
        print_missing "$name" "$module" "$spec" && is_missing=true
      fi
    done
  else
    echo "  libraries can be looked for once c++, cmake and ninja are there" && is_missing=true
  fi
  [[ $is_missing == true ]] || return 0
  cat <<'HINT'

load the modules named above (their names differ between sites, see `module avail`), or take all of it from Spack:
  spack env activate . && spack install
HINT
  return 1
}
