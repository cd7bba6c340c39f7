#!/usr/bin/env bash
# An unknown argument ends every script with exit code 2 and its name. usage: bad_usage_is_refused.sh ROOT
set -euo pipefail

root=$1
failures=0

check() {
  local code=0 text
  text=$("$root/scripts/$1" "${@:2}" 2>&1 >/dev/null </dev/null) || code=$?
  if ((code != 2)) || [[ $text != *"${*: -1}"* ]]; then
    echo "scripts/$* ended with exit code $code and said: $text"
    failures=$((failures + 1))
  fi
}

for script in setup.sh demo.sh test.sh netlab.sh bundle.sh gate.sh lint_python.sh gpu/measure.sh gpu/pack.sh; do
  check "$script" --no-such-flag
done
check netlab.sh check --no-such-flag
check test.sh --stage no_such_stage
check netlab.sh --rate 5parsec
check netlab.sh --rate 1gbit --latency soon
exit $((failures > 0))
