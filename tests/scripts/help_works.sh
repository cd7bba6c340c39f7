#!/usr/bin/env bash
# Every script explains itself, on standard output and without doing anything. usage: help_works.sh ROOT
set -euo pipefail

root=$1
failures=0

check() {
  local text
  if ! text=$("$root/scripts/$1" "${@:2}" 2>/dev/null </dev/null) || [[ $text != *"scripts/$1"* ]]; then
    echo "scripts/$* does not print how to call it"
    failures=$((failures + 1))
  fi
}

for script in setup.sh demo.sh test.sh netlab.sh bundle.sh gate.sh lint_python.sh gpu/measure.sh gpu/pack.sh; do
  check "$script" --help
done
check netlab.sh check --help
exit $((failures > 0))
