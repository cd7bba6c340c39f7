# shellcheck shell=bash
# Runs a job step so that Slurm's warning before the time limit, or a preemption, puts the job back into the queue.
# Sourced by batch scripts. The program continues with --resume: rows that its file holds are not measured again.

# The program notes SIGUSR1 or SIGTERM, ends the step or point at hand, writes what it has, and exits with this code.
stopped_exit_code=75

# run_or_requeue COMMAND...: its exit code, unless it was stopped early; then the job is queued again.
run_or_requeue() {
  local step code=0 is_told_to_stop=false
  # SIGUSR1, whatever came: Slurm may send SIGTERM to the ranks, too, and a second one ends them at once.
  trap 'is_told_to_stop=true; kill -USR1 "$step" 2>/dev/null || true' USR1 TERM
  "$@" &
  step=$!
  wait "$step" || code=$?
  # A trapped signal ends `wait` early: wait on until the step has really gone.
  while kill -0 "$step" 2>/dev/null; do
    code=0
    wait "$step" || code=$?
  done
  trap - USR1 TERM
  # A code above 128 is a signal's: the program had no time left to end in order.
  if ((code == stopped_exit_code)) || { [[ $is_told_to_stop == true ]] && ((code > 128)); }; then
    echo "stopped early; job ${SLURM_JOB_ID:?} goes back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
    return 0
  fi
  return "$code"
}
