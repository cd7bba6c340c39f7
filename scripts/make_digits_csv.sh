#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'HELP'
Writes the 1,797 handwritten digits that scikit-learn distributes: a digit a line, 64 grey values and the digit itself.

  scripts/make_digits_csv.sh FILE [PYTHON]

  PYTHON   has pip (default python3)

The digits are one file of scikit-learn's wheel, which is fetched from the Python Package Index and not installed. On a
machine that cannot reach the index, bring the file from another one, or unpack digits.csv.gz from Debian's package
python3-sklearn. scripts/setup.sh writes build/share/digits.csv, which each configured build copies to
build/PRESET/share/ringworld/digits.csv.
HELP
}

case ${1:-} in
  --help | -h) usage && exit 0 ;;
  "" | -*) echo "make_digits_csv: name the file to write (see scripts/make_digits_csv.sh --help)" >&2 && exit 2 ;;
esac
python=${2:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Any version will do: the digits have not changed since the first.
"$python" -m pip download --disable-pip-version-check --quiet --no-deps --only-binary=:all: --dest "$scratch" scikit-learn
"$python" - "$scratch" "$scratch/digits.csv" <<'PYTHON'
import gzip
import pathlib
import sys
import zipfile

wheel = next(pathlib.Path(sys.argv[1]).glob("*.whl"))
packed = zipfile.ZipFile(wheel).read("sklearn/datasets/data/digits.csv.gz")
pathlib.Path(sys.argv[2]).write_bytes(gzip.decompress(packed))
PYTHON
expected=6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8
[[ $(sha256sum <"$scratch/digits.csv") == "$expected  -" ]] ||
  { echo "make_digits_csv: scikit-learn's digits.csv.gz is another one than expected" >&2 && exit 1; }
mkdir -p "$(dirname "$1")"
mv "$scratch/digits.csv" "$1"
