# shellcheck shell=bash
# Runs the program in a batch job, and decides what becomes of the job when a signal ends it early. Sourced.
#
# | what happens                              | the batch script gets | the ranks get  | the job                         |
# |-------------------------------------------|-----------------------|----------------|---------------------------------|
# | the time limit is near (--signal=B:USR1)  | USR1                  | USR1, from here | goes back into the queue        |
# | preemption with GraceTime                 | nothing               | TERM           | goes back into the queue        |
# | ... and preempt_send_user_signal          | USR1                  | USR1, from here | goes back into the queue        |
# | preemption without, or its grace is over  | TERM                  | TERM           | Slurm itself queues it again    |
# | scancel                                   | TERM                  | TERM           | ends; it is not queued again    |
# | the time limit is reached                 | TERM                  | TERM           | ends; it is not queued again    |
#
# As Slurm 22.05 does it, with PreemptMode=REQUEUE.

# The program notes SIGUSR1 or SIGTERM, ends the step or point at hand, writes what it has, and exits with this code.
stopped_exit_code=75

# An array's first number also names the whole array: a task has to be called by both of its numbers.
this_job() {
  echo "${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID:?is set by Slurm}}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
}

# Whether the job counts as running: one that was cancelled does not, even while its script is still at work.
is_job_running() { [[ $(scontrol --oneliner show job "$(this_job)") == *" JobState=RUNNING "* ]]; }

# Whether a job of more weight wants the node, and this one has time left to leave it.
is_preempted() { [[ $(scontrol --oneliner show job "$(this_job)") == *" PreemptTime="[0-9]* ]]; }

# run_step COMMAND...: its exit code. A job that is to go on later, and can, is queued again; then the code is 0.
# can_resume: whether a second run of COMMAND goes on where the first one ended.
run_step() {
  local can_resume=$1 step="" code=0 is_warned=false is_ended=false
  shift
  # The ranks get SIGUSR1, whatever came: Slurm sends them SIGTERM itself, and a second one ends them at once.
  trap 'is_warned=true; [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null || true' USR1
  trap 'is_ended=true; [[ -z $step ]] || kill -USR1 "$step" 2>/dev/null || true' TERM
  "$@" &
  step=$!
  # A trapped signal ends `wait` early: wait on until the step has really gone.
  while true; do
    code=0
    wait "$step" || code=$?
    kill -0 "$step" 2>/dev/null || break
  done
  # A code above 128 is a signal's: the program had no time left to end in order.
  if ((code != stopped_exit_code && code <= 128)); then
    echo "ended with exit code $code"
  elif [[ $is_ended == true ]] || ! is_job_running; then
    echo "told to end: exit code $code; the job is not queued again from here"
  elif [[ $is_warned == false ]] && ! is_preempted; then
    echo "stopped early: exit code $code; nothing asked for the job to be queued again"
  elif [[ $can_resume == false ]]; then
    echo "stopped early: exit code $code; this verb cannot go on where it stopped, so the job is not queued again"
  else
    echo "stopped early: exit code $code; job $(this_job) goes back into the queue"
    scontrol requeue "$(this_job)"
    code=0
  fi
  trap - USR1 TERM
  return "$code"
}
