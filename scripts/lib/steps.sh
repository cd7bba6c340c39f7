# shellcheck shell=bash
# Named steps with their seconds: one line each on the console, everything else in a log file.
# Sourced; the caller sets `log_directory`.

: "${log_directory:?is set by the caller}"

seconds_now() { date +%s; }

step_log() { echo "$log_directory/${1//[^A-Za-z0-9]/_}.log"; }

# Shows the last line of the log every half minute, so that a long step is seen to move. Runs beside the step.
watch_log() {
  local log=$1 started=$2 sleeper="" line
  trap '[[ -z $sleeper ]] || kill "$sleeper" 2>/dev/null; exit 0' TERM
  while true; do
    sleep 30 >/dev/null 2>&1 &
    sleeper=$!
    wait "$sleeper"
    line=$(tail -c 400 "$log" 2>/dev/null | tr '\r' '\n' | grep -vE '^[[:space:]]*$|^[[:space:]]*[0-9]* [|]' | tail -n 1 | cut -c 1-90) || true
    printf '     ... %d s: %s\n' "$(($(seconds_now) - started))" "$line"
  done
}

stop_watching() {
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# run_step NAME COMMAND...: sets step_seconds and returns COMMAND's exit code, with the end of its log shown when that is
# not 0. A COMMAND that is a function has to stop by itself at its first failure (`&&`): errexit is off inside.
run_step() {
  local name=$1 log code=0 started watcher
  shift
  mkdir -p "$log_directory"
  log=$(step_log "$name")
  started=$(seconds_now)
  : >"$log"
  printf '==== %s\n' "$name"
  watch_log "$log" "$started" &
  watcher=$!
  "$@" >"$log" 2>&1 </dev/null || code=$?
  stop_watching "$watcher"
  step_seconds=$(($(seconds_now) - started))
  if ((code == 0)); then
    printf '     %d s\n' "$step_seconds"
  else
    printf '     %d s, failed with exit code %d; the end of %s:\n' "$step_seconds" "$code" "$log"
    tail -n "${step_tail_lines:-40}" "$log" | sed 's/^/     | /'
  fi
  return "$code"
}

# require_step NAME COMMAND...: as run_step, but a failure ends the script.
require_step() {
  run_step "$@" || exit $?
}
