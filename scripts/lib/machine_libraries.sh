# shellcheck shell=bash
# Where this machine keeps the libraries that a bundle left behind (scripts/bundle.sh --machine-cuda). Sourced.
# Nothing but bash and, if there is one, python3 is taken for granted.

# Folders of pip's NVIDIA packages, those of the python3 that comes first in PATH: nvidia/cu13/lib, nvidia/nccl/lib, ...
python_library_folders() {
  python3 - 2>/dev/null <<'PYTHON' || true
import pathlib, sys
for entry in sys.path:
    for folder in sorted(pathlib.Path(entry or ".").glob("nvidia/*/lib")):
        print(folder.resolve())
PYTHON
}

# The folders to look in, one a line, in this order.
library_folders() {
  local given=${LD_LIBRARY_PATH:-}
  printf '%s\n' "${given//:/$'\n'}"
  python_library_folders
  printf '%s\n' "${CUDA_HOME:-/usr/local/cuda}"/{lib64,lib,targets/*/lib} /usr/local/cuda*/lib64 \
    /usr/lib/*-linux-gnu /usr/lib64 /usr/lib
}

# find_machine_libraries LIST: sets machine_folders, separated by ':', to where the libraries named in the file LIST
# lie. Says which are missing, and fails.
find_machine_libraries() {
  local name folder found folders=() missing=()
  mapfile -t folders <<<"$(library_folders)"
  machine_folders=""
  while read -r name; do
    found=""
    for folder in "${folders[@]}"; do
      if [[ -n $folder && -e $folder/$name ]]; then found=$folder && break; fi
    done
    if [[ -z $found ]]; then
      missing+=("$name")
    elif [[ :$machine_folders: != *":$found:"* ]]; then
      machine_folders+="${machine_folders:+:}$found"
    fi
  done <"$1"
  ((${#missing[@]} > 0)) || return 0
  {
    echo "run: this machine has no ${missing[*]}"
    echo "They were left out of the bundle. LD_LIBRARY_PATH, the NVIDIA packages of python3" \
      "($(command -v python3 || echo "which is missing")) and ${CUDA_HOME:-/usr/local/cuda} do not have them:"
    echo "put their folders into LD_LIBRARY_PATH, or make the bundle without --machine-cuda."
  } >&2
  return 1
}
