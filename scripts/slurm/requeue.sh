# shellcheck shell=bash
# Runs a job step so that Slurm's warning before the time limit, or a preemption, puts the job back into the queue.
# Sourced by batch scripts. The program continues with --resume: rows that its file holds are not measured again.

# run_or_requeue COMMAND...: its exit code, unless the job was told to stop; then the job is queued again.
run_or_requeue() {
  local step code=0 is_told_to_stop=false
  trap 'is_told_to_stop=true; kill -TERM "$step" 2>/dev/null || true' USR1 TERM
  "$@" &
  step=$!
  wait "$step" || code=$?
  # A trapped signal ends `wait` early: wait on until the step has really gone.
  while kill -0 "$step" 2>/dev/null; do
    code=0
    wait "$step" || code=$?
  done
  trap - USR1 TERM
  if [[ $is_told_to_stop == true ]] && ((code != 0)); then
    echo "stopped early; job ${SLURM_JOB_ID:?} goes back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
    return 0
  fi
  return "$code"
}
