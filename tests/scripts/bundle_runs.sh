#!/usr/bin/env bash
# A bundle runs without this machine's Open MPI and without its other libraries. usage: bundle_runs.sh ROOT BUILD
set -euo pipefail

root=$1 build=$2
command -v ompi_info >/dev/null || { echo "skipped: no Open MPI" && exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$root/scripts/bundle.sh" --build "$build" --output "$folder/bundle"

# Every library comes from the bundle, the C library's own apart.
foreign=$("$folder/bundle/run" ldd "$folder/bundle/bin/ringworld" "$folder/bundle/bin/mpirun" |
  awk '$2 == "=>" { print $3 }' | grep -v "^$folder/bundle/" |
  grep -vE '/(libc|libm|libpthread|libdl|librt|libresolv|libutil|libmvec)\.so' || true)
[[ -z $foreign ]] || { echo "not from the bundle: $foreign" && exit 1; }

run() {
  cd "$folder" && env -i PATH=/usr/bin:/bin HOME="$folder" TMPDIR="$folder" "$folder/bundle/run" "$@"
}
run ringworld --help | grep -q attention
run mpirun -n 2 ringworld attention --context-length 256 --ranks 2 --heads 2 --head-size 32 --warmup 0 --repeats 1 \
  --output "$folder/run.h5" | grep "1 points, 1 valid"
env -i PATH=/usr/bin:/bin HOME="$folder" TMPDIR="$folder" "$folder/bundle/run_tests" '^test_(core|ring)$' | tee "$folder/tests.log"
tail -n 1 "$folder/tests.log" | grep -E '^[1-9][0-9]* passed, 0 failed, [0-9]+ skipped$'
