#!/usr/bin/env bash
# usage: outside_project.sh SOURCE_DIR PREFIX
# Another project finds the Ringworld of a prefix, by CMake and by pkg-config, links it and runs a ring of two.
set -euo pipefail

source_dir=$1
prefix=$2
# shellcheck source=scripts/lib/mpi_environment.sh
source "$source_dir/scripts/lib/mpi_environment.sh"
prepare_mpi 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# runs NAME PROGRAM: whether it does, on two ranks.
runs() {
  mpirun -n 2 "$2" | tee "$folder/out"
  grep -q '^mean 1.000000 over 2 ranks' "$folder/out"
  echo "$1: ok"
}

cmake -G Ninja -S "$source_dir/tests/scripts/consumer" -B "$folder/consumer" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$prefix" >"$folder/configure.log" || { cat "$folder/configure.log" && exit 1; }
cmake --build "$folder/consumer"
runs "find_package(Ringworld)" "$folder/consumer/ring_of_ranks"

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name ringworld.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs ringworld)
# shellcheck disable=SC2086  # words of a command line
c++ -std=c++20 "$source_dir/tests/scripts/consumer/ring_of_ranks.cpp" -o "$folder/ring_of_ranks" $flags
runs "pkg-config ringworld $(pkg-config --modversion ringworld)" "$folder/ring_of_ranks"
