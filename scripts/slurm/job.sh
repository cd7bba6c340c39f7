#!/usr/bin/env bash
#SBATCH --job-name=ringworld
#SBATCH --time=00:30:00
#SBATCH --exclusive
#SBATCH --signal=USR1@120
#SBATCH --output=%x-%j.log
#
# Template: any verb of the program on the ranks of a job. Two minutes before the time limit the program writes what it
# has and exits with code 75; a job that is submitted again with --resume goes on from there.
# usage, from the root of the tree:  sbatch --nodes=2 --ntasks-per-node=4 scripts/slurm/job.sh VERB [FLAG...]
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?is set by Slurm}"
if [[ -n ${RINGWORLD_SITE:-} ]]; then
  # shellcheck source=scripts/slurm/sites/example.sh
  source "$RINGWORLD_SITE"
  ringworld_load_modules
fi

export OMP_NUM_THREADS="${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-$OMP_NUM_THREADS}"
mkdir -p results/runs
exec srun --mpi="${RINGWORLD_SRUN_MPI:-pmix}" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" --cpu-bind=cores \
  --kill-on-bad-exit=1 "${RINGWORLD_PROGRAM:-build/release/bin/ringworld}" "${@:?a verb of the program}"
