#!/usr/bin/env bash
# usage: install_runs.sh SOURCE_DIR BUILD_DIR
# Installs a build, moves the prefix elsewhere, and has another project find it, by CMake and by pkg-config, link it and
# run a ring of two.
set -euo pipefail

source_dir=$1
build_dir=$2

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cmake --install "$build_dir" --prefix "$folder/first" >"$folder/install.log"
mv "$folder/first" "$folder/prefix"

"$folder/prefix/bin/ringworld" --version
if [[ -n $(find "$folder/prefix" -name '*.toml' -print -quit) ]]; then
  echo "configurations are there"
else
  echo "no configuration was installed" >&2
  exit 1
fi
if command -v help2man >/dev/null; then
  for page in ringworld ringworld-info ringworld-attention; do
    grep -q '^\.SH' "$folder/prefix/share/man/man1/$page.1" || { echo "$page has no man page" >&2 && exit 1; }
  done
  grep -q -- 'context\\-length' "$folder/prefix/share/man/man1/ringworld-attention.1"
fi
if grep -rl --include='*.cmake' --include='*.pc' -e "$source_dir" -e "$build_dir" "$folder/prefix"; then
  echo "the installed files above name the tree that they were built from" >&2
  exit 1
fi

"$source_dir/tests/scripts/outside_project.sh" "$source_dir" "$folder/prefix"
