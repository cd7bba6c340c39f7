#!/usr/bin/env bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
environment="$root/build/reframe/venv"

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  cat <<'HELP'
Runs the tests of scripts/reframe with ReFrame, and prints their table of performance.

  scripts/reframe/run.sh [FLAGS OF REFRAME]      such as --name AttentionRate, --system SYSTEM, --list

ReFrame is installed in build/reframe. RINGWORLD_BIN names another program than build/release/bin/ringworld. Systems are
in scripts/reframe/settings.py, what each reaches in references.py.
HELP
  exit 0
fi

if [[ ! -x $environment/bin/reframe ]]; then
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check "reframe-hpc==4.8.2"
fi
action=(--run --performance-report)
[[ " $* " != *" --list"* ]] || action=()
exec "$environment/bin/reframe" --config-file "$root/scripts/reframe/settings.py" \
  --checkpath "$root/scripts/reframe/ringworld_checks.py" --prefix "$root/build/reframe" "${action[@]}" "$@"
