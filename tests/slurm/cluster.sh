# shellcheck shell=bash
# A Slurm of one node, of this machine: its own folder, keys, ports and settings; nothing of it outlives the caller.
# Sourced. The caller calls `start_slurm FOLDER [OPTION...]`, and `stop_slurm` from its EXIT trap.

# Slurm's own commands find the cluster by this variable.
unset SLURM_CONF

slurm_daemons=()

# Why no Slurm can be started here; nothing when one can.
why_no_slurm() {
  local command
  ((EUID == 0)) || { echo "only root may start Slurm's daemons" && return; }
  for command in munged slurmctld slurmd sbatch; do
    PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null || { echo "$command is not installed" && return; }
  done
  # nproc would count OMP_NUM_THREADS.
  (($(env -u OMP_NUM_THREADS nproc) >= 2)) || echo "two ranks need two CPUs"
}

# Two ports that nothing listens on.
free_ports() {
  python3 - <<'PYTHON'
import socket
sockets = [socket.socket() for _ in range(2)]
for one in sockets:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
PYTHON
}

# start_slurm FOLDER: `debug` is the partition of ordinary jobs; what is submitted to `urgent` takes the node from them by
# requeueing them, and what is submitted to `patient` does so after a grace time. Lines of slurm.conf that are given
# after FOLDER are appended.
start_slurm() {
  local folder=$1 ports controller_port node_port host
  shift
  PATH="$PATH:/usr/sbin"
  mkdir -p "$folder"/{state,spool}
  ports=$(free_ports)
  read -r controller_port node_port <<<"$ports"
  host=$(hostname --short)
  dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
  chmod 400 "$folder/munge.key"
  export SLURM_CONF="$folder/slurm.conf"
  cat >"$SLURM_CONF" <<CONF
ClusterName=ringworld
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$controller_port
SlurmdPort=$node_port
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits for as long as a credential lives.
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=2,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# Seconds from SIGTERM to SIGKILL.
KillWait=30
OverTimeLimit=0
MinJobAge=300
ReturnToService=2
$(slurmd -C | sed -n 's/^\(NodeName=.*\)$/\1/p') NodeAddr=127.0.0.1 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=120 PriorityTier=1 State=UP
PartitionName=graceful Nodes=ALL MaxTime=120 PriorityTier=1 GraceTime=20 State=UP
PartitionName=urgent Nodes=ALL MaxTime=120 PriorityTier=10 State=UP
$(printf '%s\n' "$@")
CONF
  munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --num-threads=1 \
    --pid-file="$folder/munged.pid" --seed-file="$folder/munge.seed" --log-file="$folder/munged.log" \
    >"$folder/munged.out" 2>&1 &
  slurm_daemons+=($!)
  wait_until 10 test -S "$folder/munge.socket" || return 1
  slurmctld -D >"$folder/slurmctld.out" 2>&1 &
  slurm_daemons+=($!)
  slurmd -D -N "$host" >"$folder/slurmd.out" 2>&1 &
  slurm_daemons+=($!)
  if ! wait_until 30 node_is_idle; then
    echo "Slurm did not come up" >&2
    tail -n 20 "$folder"/*.log "$folder"/*.out >&2
    return 1
  fi
}

node_is_idle() { [[ $(sinfo --noheader --format=%T 2>/dev/null | sort -u) == idle ]]; }

# Jobs first: a killed slurmd leaves their processes behind.
stop_slurm() {
  local daemon
  ((${#slurm_daemons[@]} > 0)) || return 0
  scancel --user=root 2>/dev/null || true
  wait_until 15 no_job_is_left || true
  for daemon in "${slurm_daemons[@]}"; do kill "$daemon" 2>/dev/null || true; done
  for daemon in "${slurm_daemons[@]}"; do wait "$daemon" 2>/dev/null || true; done
  slurm_daemons=()
}

no_job_is_left() { [[ -z $(squeue --noheader 2>/dev/null) ]]; }

# wait_until SECONDS COMMAND...: its success, looked for five times a second.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

# job_field JOB NAME: what `scontrol show job` has for NAME=.
job_field() {
  scontrol --oneliner show job "$1" 2>/dev/null | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1
}

job_is() { [[ $(job_field "$1" JobState) =~ ^($2)$ ]]; }
