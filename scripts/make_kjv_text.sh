#!/usr/bin/env bash
set -euo pipefail

usage() {
  cat <<'HELP'
Writes the King James Bible as plain text: a verse a line, chapters (the documents) apart by an empty line.

  scripts/make_kjv_text.sh FILE

The text comes from the program `bible` of Debian's package bible-kjv. The build runs this once; on a machine without
that program, bring the file from another one to build/PRESET/share/ringworld/kjv.txt.
HELP
}

case ${1:-} in
  --help | -h) usage && exit 0 ;;
  "" | -*) echo "make_kjv_text: name the file to write (see scripts/make_kjv_text.sh --help)" >&2 && exit 2 ;;
esac
command -v bible >/dev/null || { echo "make_kjv_text: no program 'bible'; apt-get install bible-kjv" >&2 && exit 2; }

# `bible` prints "Genesis 1" between empty lines, then "  1 In the beginning ..." of each verse.
mkdir -p "$(dirname "$1")"
bible -l10000 Gen1:1-Rev22:21 |
  awk '/^ +[0-9]+ / { sub(/^ +[0-9]+ /, ""); print; next } /./ { if (chapters++) print "" }' >"$1.part"
[[ $(grep -c . "$1.part") == 31102 ]] || { echo "make_kjv_text: 'bible' printed another number of verses" >&2 && exit 1; }
mv "$1.part" "$1"
