#!/usr/bin/env bash
# Installs Ringworld from the checkout at $1 to /opt/ringworld, inside of a Debian that holds nothing else. Run as root.
set -euo pipefail

source_dir=${1:?usage: install.sh SOURCE_DIR}
prefix=/opt/ringworld
export DEBIAN_FRONTEND=noninteractive

cd "$source_dir"
apt-get update --quiet
apt-get install --yes --quiet --no-install-recommends help2man
scripts/setup.sh --no-build
cmake -S . -B /tmp/ringworld -G Ninja -DCMAKE_BUILD_TYPE=Release -DRINGWORLD_UNITY_BUILD=ON \
  -DRINGWORLD_BUILD_TESTS=OFF -DRINGWORLD_BUILD_BENCH=OFF
cmake --build /tmp/ringworld
cmake --install /tmp/ringworld --prefix "$prefix"
# The analysis, without what built it: a copy that does not point into the checkout.
python3 -m venv "$prefix/venv"
"$prefix/venv/bin/pip" install --no-cache-dir --quiet "$source_dir/analysis"
ln -sf "$prefix/bin/ringworld" "$prefix/venv/bin/ringworld-analysis" /usr/local/bin/
rm -rf /tmp/ringworld /var/lib/apt/lists/* ~/.cache/{ccache,pip}
