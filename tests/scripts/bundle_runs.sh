#!/usr/bin/env bash
# A bundle runs where there is neither Open MPI nor HDF5 nor ssh: in a root that holds the C library and a few programs.
# usage: bundle_runs.sh ROOT BUILD. Skips (77) without Open MPI, and for users who may not change the root.
set -euo pipefail

root=$1 build=$2
# shellcheck source=tests/scripts/bare_root.sh
source "$root/tests/scripts/bare_root.sh"
command -v ompi_info >/dev/null || { echo "skipped: no Open MPI" && exit 77; }
may_change_root || { echo "skipped: chroot needs root" && exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
make_bare_root "$folder" bash env dirname nproc mkdir timeout sed head
"$root/scripts/bundle.sh" --build "$build" --output "$folder/bundle"

run() {
  in_bare_root "$folder" /bundle/run "$@"
}
run ringworld --help | grep -q attention
for ranks in 1 2 4; do
  run mpirun -n "$ranks" ringworld attention --context-length 256 --ranks "$ranks" --heads 2 --head-size 32 --warmup 0 \
    --repeats 1 --output "/tmp/run$ranks.h5" | grep "1 points, 1 valid"
done
# FFmpeg is not bundled, and there is none: whoever opens a video is told.
if [[ -e $folder/bundle/bin/test_media ]] && nm "$build/bin/test_media" | grep 'ringworld.*libav' >/dev/null; then
  said=$(run test_media --gtest_filter='Video.*' 2>&1) && { echo "a video without FFmpeg" && exit 1; }
  [[ $said == *"this machine has not the library that the program was built with (libavutil.so."*"install it, or use PNG"* ]] ||
    { echo "$said" && exit 1; }
fi
in_bare_root "$folder" /bundle/run_tests '^test_(core|ring)$' | tee "$folder/tests.log"
tail -n 1 "$folder/tests.log" | grep -E '^[1-9][0-9]* passed, 0 failed, [0-9]+ skipped$'
# A program that hangs, deaf to SIGTERM, is ended and counted.
printf '0 hang\n' >"$folder/bundle/tests.txt"
printf '#!/bin/bash\ntrap "" TERM\nwhile :; do :; done\n' >"$folder/bundle/bin/hang"
chmod +x "$folder/bundle/bin/hang"
in_bare_root "$folder" env RINGWORLD_TEST_TIMEOUT=1 /bundle/run_tests >"$folder/tests.log" && exit 1
tail -n 1 "$folder/tests.log" | grep -x '0 passed, 1 failed, 0 skipped'
