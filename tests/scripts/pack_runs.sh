#!/usr/bin/env bash
# The archive of scripts/gpu/pack.sh unpacks and runs where there is neither ssh nor xz, MPI nor HDF5: in a root that
# holds the C library, a few programs, and a Python with the CUDA libraries that PyTorch would bring.
# usage: pack_runs.sh ROOT BUILD [CUOBJDUMP]. Skips (77) for users who may not change the root.
set -euo pipefail

root=$1 build=$2 cuobjdump=${3:-}
# shellcheck source=tests/scripts/bare_root.sh
source "$root/tests/scripts/bare_root.sh"
may_change_root || { echo "skipped: chroot needs root" && exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
make_bare_root "$folder" bash date dirname env mkdir nproc timeout
add_python "$folder"
"$root/scripts/gpu/pack.sh" --build "$build" --output "$folder/tmp/pack.tar.xz"

in_bare_root "$folder" python3 -m tarfile -e /tmp/pack.tar.xz /tmp
run() {
  in_bare_root "$folder" /tmp/ringworld-gpu/run "$@"
}

# Without those libraries it names them.
code=0
said=$(run ringworld --help 2>&1) || code=$?
[[ $code == 2 && $said == *"this machine has no libcublas.so."*libcublasLt.so.*libnccl.so.* ]] ||
  { echo "$said" && exit 1; }
site="$folder$(/usr/bin/python3 -c 'import site; print(site.getsitepackages()[-1])')/nvidia/cu13/lib"
mkdir -p "$site"
ldd "$build/bin/ringworld" | grep -oE '/[^ ]*lib(cublas|cublasLt|nccl)\.so\.[0-9]+' | while read -r library; do
  cp --link --dereference "$library" "$site/" 2>/dev/null || cp --dereference "$library" "$site/"
done

for ranks in 1 2 4; do
  run mpirun -n "$ranks" ringworld attention --context-length 256 --ranks "$ranks" --heads 2 --head-size 32 --warmup 0 \
    --repeats 1 --output "/tmp/run$ranks.h5" | grep "1 points, 1 valid"
done

# No driver reaches into this root, so there is no GPU: tests have to be found, and have to skip.
measure() {
  local wanted=$1 code=0
  in_bare_root "$folder" /tmp/ringworld-gpu/gpu/measure.sh --output /tmp/out "${@:2}" |
    tee "$folder/measure.log" || code=$?
  [[ $code == "$wanted" ]] || { echo "measure.sh $* ended with exit code $code" && exit 1; }
  grep -q "There is no GPU here" "$folder/measure.log"
}
has_skipped() {
  grep -qE "^\| $1 \| no GPU \| [0-9]+ \| 0 of [1-9][0-9]* \|$" "$folder/measure.log" ||
    { echo "$1 did not run" && exit 1; }
}
measure 77 --parts smoke
has_skipped 'smoke \| test_kernels_attention'
has_skipped 'smoke \| sevens_causal_d128'
measure 1 --parts deep # there is no compute-sanitizer either
has_skipped 'deep \| attention_mma'
has_skipped 'deep \| other_kernels'
grep '^failed: memcheck, racecheck$' "$folder/measure.log"

# Each name of the sanitizers' filter is a test's.
filters() {
  # shellcheck source=scripts/gpu/parts.sh
  source "$root/scripts/gpu/parts.sh" && sanitizer_cases
}
[[ $(filters | tr -cd ':' | wc -c) == 8 ]]
run test_kernels_attention --gtest_filter="$(filters)" | grep "8 tests from [0-9]* test suites ran"

# The kernels of Hopper are still in the stripped program.
if [[ -x $cuobjdump ]]; then
  instructions=$("$cuobjdump" --dump-sass "$folder/tmp/ringworld-gpu/bin/ringworld" | grep -c HGMMA)
  ((instructions >= 300)) || { echo "$instructions HGMMA in the stripped program" && exit 1; }
  echo "$instructions HGMMA in the stripped program"
else
  echo "cuobjdump is missing: the stripped program's kernels were not looked at"
fi
