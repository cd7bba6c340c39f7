#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
environment=$root/build/pytorch
stand_ins=$environment/stand_ins

usage() {
  cat <<'HELP'
Holds block attention against PyTorch's scaled_dot_product_attention on this CPU: same shapes, same threads, one run.

  kernels/bench/compare_pytorch.sh [--python PATH] [options of compare_pytorch.py]

  --python PATH  a Python that has PyTorch; without it one is made in build/pytorch (torch from PyPI, 0.5 GB to fetch)

Options of compare_pytorch.py follow.
HELP
}

# The shared libraries that a library asks for.
needed_by() {
  readelf --dynamic "$@" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u
}

# PyPI's wheel for Linux is linked with NVIDIA libraries of several GB that a CPU run never calls. Libraries whose
# functions do nothing stand in for them. The functions lie in a library of another name: the dynamic linker looks for
# NVIDIA's symbol versions in a library that has the name it expects, and in no other.
make_stand_ins() {
  local libraries=$1 library
  local linked=("$libraries"/libtorch_*.so "$libraries"/libc10*.so)
  rm -rf "$stand_ins"
  mkdir -p "$stand_ins"
  local missing=()
  mapfile -t missing < <(needed_by "${linked[@]}" | grep -E '^lib(cu|nv|nccl)')
  ((${#missing[@]} > 0)) || return 0
  for library in "${missing[@]}"; do
    echo | cc -shared -x c - -Wl,-soname,"$library" -o "$stand_ins/$library"
  done
  LD_LIBRARY_PATH=$stand_ins:$libraries ldd -r "${linked[@]}" 2>&1 |
    sed -n 's/^undefined symbol: \([A-Za-z0-9_]*\).*/\1/p' | grep -v '^_*Py' | sort -u |
    sed 's/.*/void* &(void) { return 0; }/' |
    cc -shared -fPIC -w -fno-builtin -x c - -Wl,-soname,libstand_in.so -o "$stand_ins/libstand_in.so"
  echo | cc -shared -x c - -x none -Wl,-soname,"${missing[0]}" -Wl,--no-as-needed -L"$stand_ins" -lstand_in \
    -Wl,-rpath,"$stand_ins" -o "$stand_ins/${missing[0]}"
}

install_torch() {
  local system_python=python3
  [[ ! -x /usr/bin/python3 ]] || system_python=/usr/bin/python3
  echo "==== PyTorch into build/pytorch" >&2
  "$system_python" -m venv --clear "$environment"
  local pip=("$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps)
  "${pip[@]}" torch filelock typing_extensions sympy mpmath networkx jinja2 markupsafe fsspec numpy setuptools
  make_stand_ins "$(echo "$environment"/lib/python3*/site-packages/torch/lib)"
  LD_LIBRARY_PATH=$stand_ins "$environment/bin/python" -c 'import torch' && touch "$environment/is_ready"
}

main() {
  local python=
  case ${1:-} in
    --help | -h) usage ;; # and those of the Python program below
    --python) python=${2:?--python needs a value} && shift 2 ;;
  esac
  if [[ -z $python ]]; then
    [[ -f $environment/is_ready ]] || install_torch
    python=$environment/bin/python
    export LD_LIBRARY_PATH=$stand_ins${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  fi
  exec "$python" "$root/kernels/bench/compare_pytorch.py" "$@"
}

main "$@"
